import { NftKernel } from '../../src/system/nft-kernel.ts'
import { kernelContract } from '../support/kernel-contract.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'

requirePrivateNamespace()
kernelContract('the kernel behind nft', () => new NftKernel())

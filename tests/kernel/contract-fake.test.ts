import { FakeKernel } from '../../src/kernel/fake-kernel.ts'
import { kernelContract } from '../support/kernel-contract.ts'

kernelContract('the fake kernel', () => new FakeKernel())

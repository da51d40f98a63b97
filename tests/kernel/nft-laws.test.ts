import { nftLaws } from '../support/nft-laws.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'

requirePrivateNamespace()
nftLaws('nft writes and reads the model', ['nft'], ['nft'], 25)

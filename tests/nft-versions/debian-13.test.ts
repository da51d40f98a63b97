/** Debian 13's nft (1.1.3) writes and reads the same model as Debian 12's (1.0.6), each after the other too. */
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { kernelContract } from '../support/kernel-contract.ts'
import { nftLaws } from '../support/nft-laws.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'

requirePrivateNamespace()

const cache = new URL('../../.cache/nft-versions/', import.meta.url).pathname
const root = `${cache}debian-13`

if (existsSync(`${root}/usr/sbin/nft`)) {
  const newer = ['chroot', root, '/usr/sbin/nft'] as const
  kernelContract('the kernel behind Debian 13’s nft', () => new NftKernel({ command: newer }))
  nftLaws('Debian 13’s nft writes and reads the model', newer, newer, 10)
  nftLaws('Debian 13’s nft reads what this host’s wrote', ['nft'], newer, 10)
  nftLaws('this host’s nft reads what Debian 13’s wrote', newer, ['nft'], 10)
} else {
  const tried = existsSync(`${cache}why-not`)
  const reason = tried
    ? readFileSync(`${cache}why-not`, 'utf8').trim()
    : 'tests/nft-versions/build-root was not run'
  test('Debian 13’s nft', (context) => {
    // A CI that cannot build it has said so in why-not; one that never tried has a hole.
    if (process.env['CI'] !== undefined && !tried) throw new Error(reason)
    context.skip(reason)
  })
}

/** `dump` prints admit's table as its stored rules; `load` puts stored rules from standard input into the kernel. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readStored, renderStored } from '../../src/backends/nftables/stored.ts'
import { ADMIT_TABLE } from '../../src/compile/compile.ts'
import { diffTable } from '../../src/ruleset/diff.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { expectOk } from './expect-ok.ts'

const kernel = new NftKernel()
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

if (process.argv[2] === 'dump') {
  const observed = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
  if (observed === undefined) throw new Error('there is no table')
  process.stdout.write(renderStored(observed, sha256))
} else {
  const stored = expectOk(readStored(readFileSync(0, 'utf8'), 'rules.nft', sha256), 'read')
  expectOk(await kernel.apply(diffTable(undefined, stored)), 'apply')
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TransactionKind } from '../apply/journal.ts'
import { keptWords } from './kept-words.ts'
import type { BootState } from './system.ts'

const INSTALLED: BootState = { kind: 'installed', what: 'admit.service' }
const MISSING: BootState = { kind: 'missing', what: 'the boot unit is not installed' }

function words(kind: TransactionKind, boot: BootState): Promise<string> {
  return keptWords(
    { system: { bootState: () => Promise.resolve(boot) }, statePath: '/var/lib/admit' },
    { kind },
  )
}

describe('what a confirmed change comes to', () => {
  test('a reboot is promised only where something loads the rules then', async () => {
    assert.equal(await words('apply', INSTALLED), 'these rules stay, and come back after a reboot.')
    assert.equal(
      await words('start', MISSING),
      'these rules stay, but not over a reboot (the boot unit is not installed): `script/install` sees to that.',
    )
  })

  test('removed rules come back by the boot unit, where there is one', async () => {
    assert.equal(await words('stop', INSTALLED), "admit's rules stay away until `admit start`, or a reboot.")
    assert.equal(await words('flush', MISSING), "admit's rules stay away until `admit start`.")
  })
})

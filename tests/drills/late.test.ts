/** An apply on a machine that is slower than its window. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  beginConfirmed,
  goOn,
  heldAt,
  POLICY_GOOD,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import { withLab } from '../support/drill-lab.ts'

test('whose window ends before it could say so tells that it was undone, not how to confirm', async () => {
  await withLab(async (lab) => {
    await beginConfirmed(lab)
    writePolicy(lab, POLICY_GOOD)
    const program = await startAdmit(
      lab,
      ['apply', '--confirm-within', '1s'],
      { step: 'cut' },
      { terminal: false },
    )
    await heldAt(lab, program)
    assert.ok(await settled(lab, 30_000), 'undone while it is held')
    goOn(lab)
    assert.equal(await program.ended(60_000), 3, program.output())
    assert.match(
      program.output(),
      /^Undone at .*Z, nobody confirmed in time: the previous rules are in force/m,
    )
    assert.doesNotMatch(program.output(), /Not confirmed yet/)
  })
})

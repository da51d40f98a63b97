import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf, inFlight, POLICY_GOOD, runAdmitIn, writePolicy } from './drill-admit.ts'
import type { DrillLab } from './drill-lab.ts'
import { expectSafe } from './drill-reach.ts'
import { CLAIMED } from './guard-state.ts'

/** How a command ended, and what it said. */
export interface Said {
  readonly exit: number | undefined
  readonly output: string
}

/** Of what says nothing to anybody who types: the watchdog. */
export const NOTHING_SAID: Said = { exit: 0, output: '' }

/** Milliseconds in which an undo is surely done, on a machine that has other work. */
const LATE = 40_000

/** Waits until the kernel holds exactly these rules again, and goes on holding them. */
export async function becomes(lab: DrillLab, digest: string): Promise<void> {
  const end = performance.now() + LATE
  // Before the deadline the change may not even have begun: only what holds after its window counts.
  await sleep(1200)
  while ((await digestOf(lab)) !== digest) {
    assert.ok(performance.now() < end, 'the rules of before did not come back')
    await sleep(100)
  }
}

/** A command that did not do what it was asked says why in a sentence of its own. */
export function expectWords({ exit, output }: Said): void {
  assert.notEqual(exit, 70, output)
  assert.doesNotMatch(output, /internal error|at .*\.ts:\d/i)
  // The second is an undo that came while the command was still there to tell it.
  if (exit !== 0) assert.match(output, /^(admit(-guard)?: \S|Undone at )/m)
}

export interface Expected {
  /** The digest of the rules before. */
  readonly before: string
  readonly mayKeep: boolean
  readonly said: Said
}

/**
 * When all is well again: `admit status` ends what was left in flight, the kernel holds what is confirmed on disk, and
 * that is the state of before, or the new one where it may be kept; the same that the command had said.
 */
export async function expectEnding(lab: DrillLab, { before, mayKeep, said }: Expected): Promise<void> {
  let status = await runAdmitIn(lab, ['status'])
  if (inFlight(lab).includes('pending')) {
    // Nobody could end it: what is still in its window waits for an answer.
    const rolledBack = await runAdmitIn(lab, ['rollback'])
    assert.equal(rolledBack.exit, 0, rolledBack.output)
    assert.match(status.output, /^pending +apply by/m)
    status = await runAdmitIn(lab, ['status'])
  }
  assert.deepEqual(inFlight(lab), [], status.output)
  assert.equal(status.exit, 0, `${said.output}\n${status.output}`)
  assert.match(status.output, /in force, exactly those last confirmed/)
  await expectSafe(lab, 'in the end')
  const kept = (await digestOf(lab)) !== before
  assert.ok(mayKeep || !kept, 'the change is gone')
  if (!mayKeep) return
  // 5: confirmed, and only not yet stored.
  if (said.exit === 0 || said.exit === 5) assert.ok(kept, `it said that the change is kept: ${said.output}`)
  if (said.exit === 4) assert.ok(!kept, `it said that nothing was changed: ${said.output}`)
}

/** Where a transaction can be when the power goes. */
export type CutOffAt = 'preparing' | 'no window' | 'pending' | 'undoing' | 'confirming'

/** The power is cut and comes back while a change to POLICY_GOOD is just there, in the state folder. */
export async function powerCutAt(lab: DrillLab, at: CutOffAt): Promise<void> {
  writePolicy(lab, POLICY_GOOD)
  const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', '60s'])
  assert.equal(exit, 0, output)
  await lab.reboot()
  const pending = join(lab.state, 'pending')
  if (at === 'no window') rmSync(join(pending, 'window'))
  else if (at === 'preparing') renameSync(pending, join(lab.state, 'preparing.20261124T120000-000000'))
  else if (at !== 'pending') renameSync(pending, join(lab.state, at === 'confirming' ? CLAIMED : at))
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beginConfirmed, digestOf, inFlight, runAdmitIn, writePolicy } from './drill-admit.ts'
import type { DrillLab } from './drill-lab.ts'
import { killQuietly } from './drill-program.ts'
import { expectSafe } from './drill-reach.ts'

/** Begins a drill with a change that waits for its confirmation; the digest of the rules before it. */
export async function beginPending(
  lab: DrillLab,
  policy: string,
  force: readonly string[] = [],
  window = '1h',
): Promise<string> {
  await beginConfirmed(lab)
  const before = await digestOf(lab)
  writePolicy(lab, policy)
  const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', window, ...force])
  assert.equal(exit, 0, output)
  return before
}

/** Kills the watchdog of what is pending. */
export function killWatchdog(lab: DrillLab): void {
  killQuietly(Number(readFileSync(join(lab.state, 'pending/ready'), 'utf8').split(' ')[0]), 'SIGKILL')
}

/** Ends a drill: the rules last confirmed can be loaded again, nothing is in flight, and all is well. */
export async function endConfirmed(lab: DrillLab): Promise<void> {
  const reloaded = await runAdmitIn(lab, ['reload', '--no-confirm'])
  assert.equal(reloaded.exit, 0, reloaded.output)
  assert.deepEqual(inFlight(lab), [])
  const status = await runAdmitIn(lab, ['status'])
  assert.equal(status.exit, 0, status.output)
  await expectSafe(lab, 'reloaded')
}

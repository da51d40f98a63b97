/**
 * A journal that is cut short, or holds other bytes than admit wrote, is told and never obeyed, by admit or by the guard.
 * ADMIT_SEED repeats where the journals are torn.
 */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { GUARD } from '../../src/system/guard.ts'
import { realJournal } from '../../src/system/journal.ts'
import {
  digestOf,
  FORCE_BAD,
  PATIENCE,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
} from '../support/drill-admit.ts'
import { withLab } from '../support/drill-lab.ts'
import { beginPending, endConfirmed, killWatchdog } from '../support/drill-pending.ts'
import { expectSafe } from '../support/drill-reach.ts'
import { CLAIMED } from '../support/guard-state.ts'
import { caseCount, drawnSeed } from '../support/law-cases.ts'
import { randomFrom } from '../support/random.ts'

const seed = drawnSeed()
const started = performance.now()

describe('a journal that is torn', { concurrency: 3 }, () => {
  const tears: Readonly<Record<string, (bytes: Buffer, at: number) => Buffer>> = {
    'cut short': (bytes, at) => bytes.subarray(0, at),
    'with a flipped bit': (bytes, at) => {
      const torn = Buffer.from(bytes)
      torn[at] = (torn[at] ?? 0) ^ (1 << (at % 8))
      return torn
    },
    'with zeros to its end': (bytes, at) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.alloc(bytes.length - at)]),
    'with a byte more': (bytes, at) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.from([at % 256]), bytes.subarray(at)]),
  }

  const many = caseCount(100, 300, 3000)
  test(`at ${many} places: none is taken for whole, by admit or by the guard (ADMIT_SEED=${seed})`, async () => {
    const random = randomFrom(seed)
    await withLab(async (lab) => {
      await beginPending(lab, POLICY_GOOD)
      killWatchdog(lab)
      const journal = realJournal(lab.state)
      const path = join(lab.state, 'pending/journal')
      const whole = readFileSync(path)
      const confirmed = readFileSync(join(lab.state, 'rules.nft'), 'utf8')
      const [before, after] = [join(lab.state, 'pending'), join(lab.state, CLAIMED)]
      for (let index = 0; index < many; index++) {
        const [name, tear] = random.pick(Object.entries(tears))
        const at = random.below(whole.length)
        const torn = tear(whole, at)
        if (torn.equals(whole)) continue
        const where = `${name} at ${at}`
        writeFileSync(path, torn)
        const state = await journal.state()
        assert.ok(state.ok && state.value.kind === 'damaged', `${where}: ${JSON.stringify(state)}`)
        // The guard is asked less often: it is a program of its own.
        if (index % 20 !== 0) continue
        renameSync(before, after)
        await assert.rejects(lab.run('/bin/sh', [GUARD, 'complete', lab.state]), /not obeyed/, where)
        assert.equal(readFileSync(join(lab.state, 'rules.nft'), 'utf8'), confirmed, where)
        renameSync(after, before)
      }
    })
  })

  for (const [name, tear] of Object.entries(tears)) {
    test(`${name}, under the watchdog's eyes: at the deadline it undoes by what it remembers`, async () => {
      await withLab(async (lab) => {
        await beginPending(lab, POLICY_BAD, FORCE_BAD, '20s')
        const path = join(lab.state, 'pending/journal')
        const whole = readFileSync(path)
        writeFileSync(path, tear(whole, Math.floor(whole.length / 2)))
        assert.ok(await settled(lab, PATIENCE))
        assert.match(readFileSync(join(lab.state, 'outcome'), 'utf8'), /^result undone\nwhy deadline$/m)
        await expectSafe(lab, name)
        const status = await runAdmitIn(lab, ['status'])
        assert.equal(status.exit, 0, status.output)
      })
    })

    test(`${name}, and the watchdog dead: told, never obeyed; rollback loads the last resort`, async () => {
      await withLab(async (lab) => {
        await beginPending(lab, POLICY_BAD, FORCE_BAD)
        killWatchdog(lab)
        const path = join(lab.state, 'pending/journal')
        const whole = readFileSync(path)
        writeFileSync(path, tear(whole, Math.floor(whole.length / 2)))
        const during = await digestOf(lab)
        for (const [command, exit] of [
          ['status', 1],
          ['confirm', 3],
          ['apply', 3],
        ] as const) {
          const said = await runAdmitIn(lab, [command])
          assert.equal(said.exit, exit, said.output)
          assert.match(said.output, /pending\/journal/)
        }
        assert.equal(await digestOf(lab), during)
        const rolledBack = await runAdmitIn(lab, ['rollback'])
        assert.equal(rolledBack.exit, 5, rolledBack.output)
        assert.match(rolledBack.output, /the admins-only rules are in force/)
        await expectSafe(lab, 'the last resort')
        await endConfirmed(lab)
      })
    })
  }
})

test('how long it took', (context) => {
  context.diagnostic(`ADMIT_SEED=${seed}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
})

/**
 * Somebody else changes the table, or all tables, while a change is being made or waits for its confirmation: what was not
 * applied is not confirmed, and the deadline brings back exactly what was there before. ADMIT_SEED repeats a sample,
 * `--long` does all of them.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Step } from '../../src/apply/machine.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  goOn,
  heldAt,
  PATIENCE,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import { expectEnding, expectWords } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import { ADMINS_ONLY, expectReach, expectSafe, NOBODY } from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'

async function pending(lab: DrillLab, policy: string, force: readonly string[] = []): Promise<void> {
  writePolicy(lab, policy)
  const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', '120s', ...force])
  assert.equal(exit, 0, output)
}

/** What somebody else does to the rules, with nft as root. */
const MEDDLING: Readonly<Record<string, (lab: DrillLab) => Promise<unknown>>> = {
  'deletes the table': (lab) => lab.run('nft', ['delete', 'table', 'inet', 'admit']),
  'lets everyone in': (lab) => lab.run('nft', ['insert', 'rule', 'inet', 'admit', 'input', 'accept']),
  'adds a rule that is never reached': (lab) =>
    lab.run('nft', ['add', 'rule', 'inet', 'admit', 'input', 'accept']),
  'adds a chain': (lab) => lab.run('nft', ['add', 'chain', 'inet', 'admit', 'own']),
  'empties a chain': (lab) => lab.run('nft', ['flush', 'chain', 'inet', 'admit', 'input']),
  'flushes the ruleset': (lab) => lab.run('nft', ['flush', 'ruleset']),
  'puts the table to sleep': (lab) => lab.run('nft', ['-f', '-'], 'table inet admit { flags dormant; }\n'),
}

const meddled = sampleOf(Object.entries(MEDDLING), 2, 4)
describe(`somebody else changes the rules inside the window: ${meddled.words}`, { concurrency: 3 }, () => {
  for (const [what, meddle] of meddled.drills) {
    test(`${what}: the deadline brings back exactly those of before`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        // The rules are read back, and the window is about to open.
        const args = ['apply', '--confirm-within', '1s', ...FORCE_BAD]
        const program = await startAdmit(lab, args, { step: 'open-window' }, { terminal: false })
        await heldAt(lab, program, PATIENCE)
        await meddle(lab)
        goOn(lab)
        // 3: on a busy machine its second is over before the command has said all that it had to say.
        const exit = await program.ended(PATIENCE)
        assert.ok(exit === 0 || exit === 3, `${exit}: ${program.output()}`)
        assert.ok(await settled(lab, PATIENCE))
        assert.equal(await digestOf(lab), before)
        await expectEnding(lab, { before, mayKeep: false, said: { exit: 0, output: '' } })
      })
    })

    test(`${what}: what is not what was applied is not confirmed`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await pending(lab, POLICY_GOOD)
        await meddle(lab)
        const confirmed = await runAdmitIn(lab, ['confirm', '--here'])
        assert.equal(confirmed.exit, 3, confirmed.output)
        assert.match(confirmed.output, /what would be confirmed is not what is in force/)
        assert.ok(existsSync(join(lab.state, 'pending')), 'it waits for its deadline')
        const rolledBack = await runAdmitIn(lab, ['rollback'])
        assert.equal(rolledBack.exit, 0, rolledBack.output)
        assert.equal(await digestOf(lab), before)
        await expectEnding(lab, { before, mayKeep: false, said: rolledBack })
      })
    })
  }

  test('a table of somebody else that drops admins: not touched, and the undo is exact all the same', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await pending(lab, POLICY_GOOD)
      const other =
        'table inet other { chain c { type filter hook input priority 5; tcp dport 22 drop; }; }\n'
      await lab.run('nft', ['-f', '-'], other)
      await expectReach(lab, NOBODY, 'under the other table')
      const rolledBack = await runAdmitIn(lab, ['rollback'])
      assert.equal(rolledBack.exit, 0, rolledBack.output)
      assert.equal(await digestOf(lab), before)
      assert.match(await lab.run('nft', ['list', 'tables']), /table inet other/)
      // The next apply sees that admins would not get in, and refuses.
      const applied = await runAdmitIn(lab, ['apply', '--no-confirm'])
      assert.equal(applied.exit, 3, applied.output)
      assert.match(applied.output, /other/)
      await lab.run('nft', ['delete', 'table', 'inet', 'other'])
      await expectReach(lab, ADMINS_ONLY, 'without the other table')
    })
  })
})

/**
 * What is there in the end: what somebody else left before admit had begun, what was there before it, or what was asked for,
 * where the change replaces what they did.
 */
const ENDS = {
  left: { words: 'refused, and their change is left alone', exit: 4 },
  before: { words: 'refused, and as before', exit: 4 },
  asked: { words: 'exactly as asked all the same', exit: 0 },
}
const CASES: readonly [Step, keyof typeof MEDDLING, keyof typeof ENDS][] = [
  ['publish', 'lets everyone in', 'left'],
  ['publish', 'deletes the table', 'left'],
  ['look-again', 'flushes the ruleset', 'left'],
  ['change', 'lets everyone in', 'asked'],
  ['change', 'adds a rule that is never reached', 'asked'],
  ['change', 'adds a chain', 'before'],
  ['change', 'deletes the table', 'before'],
  ['read-back', 'lets everyone in', 'before'],
  ['read-back', 'deletes the table', 'before'],
  ['read-back', 'flushes the ruleset', 'before'],
]
const cases = sampleOf(CASES, 3, 6)

describe(`somebody else changes the rules while they are being made: ${cases.words}`, {
  concurrency: 3,
}, () => {
  for (const [step, what, end] of cases.drills) {
    test(`before ${step}, somebody ${what}: ${ENDS[end].words}`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_GOOD)
        const program = await startAdmit(lab, ['apply', '--no-confirm'], { step }, { terminal: false })
        await heldAt(lab, program, PATIENCE)
        await MEDDLING[what]?.(lab)
        const left = await digestOf(lab)
        goOn(lab)
        assert.equal(await program.ended(PATIENCE), ENDS[end].exit, program.output())
        expectWords({ exit: ENDS[end].exit, output: program.output() })
        assert.ok(await settled(lab, PATIENCE))
        if (end !== 'asked') assert.equal(await digestOf(lab), end === 'left' ? left : before)
        const status = await runAdmitIn(lab, ['status'])
        assert.equal(status.exit, end === 'left' ? 1 : 0, status.output)
        if (end !== 'left') await expectSafe(lab, step)
      })
    })
  }

  test('what somebody changed before an apply is what its undo brings back', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const spare = 'tcp dport 22 ether saddr 02:ad:00:00:00:09 accept'
      await lab.run('nft', ['insert', 'rule', 'inet', 'admit', 'input', ...spare.split(' ')])
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD])
      assert.equal(said.exit, 0, said.output)
      assert.ok(await settled(lab, PATIENCE))
      assert.equal(await digestOf(lab), before)
      await expectSafe(lab, 'as somebody left it')
      const status = await runAdmitIn(lab, ['status'])
      assert.equal(status.exit, 1, status.output)
      assert.match(status.output, /not those last confirmed/)
    })
  })
})

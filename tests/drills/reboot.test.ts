/**
 * The power is cut in every state of a transaction, and the boot script runs: the rules are the last confirmed ones, or those
 * whose confirmation had begun, and it is told. tests/vm does it with a real power cut. ADMIT_SEED repeats a sample, `--long`
 * does all of them.
 */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GUARD } from '../../src/system/guard.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  inFlight,
  PATIENCE,
  POLICY_BAD,
  POLICY_BEFORE,
  runAdmitIn,
  writePolicy,
} from '../support/drill-admit.ts'
import type { CutOffAt, Said } from '../support/drill-end.ts'
import { expectEnding, expectWords, NOTHING_SAID, powerCutAt } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { ADMIN_DEVICES, withLab } from '../support/drill-lab.ts'
import { EVERYBODY, expectReach, expectSafe } from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'
import { CLAIMED } from '../support/guard-state.ts'

async function boot(lab: DrillLab): Promise<Said> {
  const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
  return { exit: await program.ended(PATIENCE), output: program.output() }
}

/** Where the power goes, what the boot must say, and whether the change is kept. */
interface Cut {
  readonly name: string
  readonly at: CutOffAt
  /** What is done to the state folder while the power is off. */
  readonly meanwhile?: (lab: DrillLab) => void
  readonly says: RegExp
  readonly kept: boolean
  /** What an operator must do besides, as the boot said. */
  readonly byHand?: (lab: DrillLab) => void
}

const QUIET = /^$/
const UNDONE = /was not confirmed before the restart and is undone/
const NOT_OBEYED = /not obeyed\. To be rid of it: rm -r \S+confirming/

const inConfirming = (name: string) => (lab: DrillLab) => rmSync(join(lab.state, CLAIMED, name))
const removeConfirming = (lab: DrillLab): void => rmSync(join(lab.state, CLAIMED), { recursive: true })
/** The first so many files of the confirmation are in their places already. */
const completed = (count: number) => (lab: DrillLab) => {
  for (const [from, to] of [
    ['candidate.nft', 'rules.nft'],
    ['rescue.nft', 'rescue.nft'],
    ['policy.yaml', 'policy.yaml'],
  ].slice(0, count)) {
    cpSync(join(lab.state, CLAIMED, from ?? ''), join(lab.state, to ?? ''))
  }
}

const CUTS: readonly Cut[] = [
  { name: 'preparing', at: 'preparing', says: QUIET, kept: false },
  { name: 'pending without a window', at: 'no window', says: UNDONE, kept: false },
  { name: 'pending in its window', at: 'pending', says: UNDONE, kept: false },
  { name: 'undoing', at: 'undoing', says: UNDONE, kept: false },
  { name: 'confirming', at: 'confirming', says: QUIET, kept: true },
  ...[1, 2, 3].map(
    (count): Cut => ({
      name: `confirming, ${count} of its files in place`,
      at: 'confirming',
      meanwhile: completed(count),
      says: QUIET,
      kept: true,
    }),
  ),
  {
    name: 'confirming, half a temporary file beside it',
    at: 'confirming',
    meanwhile: (lab) => {
      writeFileSync(join(lab.state, 'rules.nft.tmp'), '# admit rules, vers')
      mkdirSync(join(lab.state, 'points/.2.tmp'))
    },
    says: QUIET,
    kept: true,
  },
  ...['candidate.nft', 'rescue.nft', 'policy.yaml', 'journal'].map(
    (name): Cut => ({
      name: `confirming without its ${name}`,
      at: 'confirming',
      meanwhile: inConfirming(name),
      says: NOT_OBEYED,
      // The rules that were confirmed are whole: they are what is loaded.
      kept: name === 'rescue.nft' || name === 'policy.yaml',
      byHand: removeConfirming,
    }),
  ),
  {
    name: 'confirming without what is needed no more',
    at: 'confirming',
    meanwhile: (lab) => {
      for (const name of ['window', 'ready', 'previous.nft']) inConfirming(name)(lab)
    },
    says: QUIET,
    kept: true,
  },
  {
    name: 'pending with a torn journal',
    at: 'pending',
    meanwhile: (lab) => {
      const path = join(lab.state, 'pending/journal')
      writeFileSync(path, readFileSync(path, 'utf8').slice(0, 300))
    },
    says: UNDONE,
    kept: false,
  },
  {
    name: 'pending with a journal of zeros',
    at: 'pending',
    meanwhile: (lab) => writeFileSync(join(lab.state, 'pending/journal'), Buffer.alloc(900)),
    says: UNDONE,
    kept: false,
  },
  {
    name: 'pending and empty',
    at: 'pending',
    meanwhile: (lab) => {
      rmSync(join(lab.state, 'pending'), { recursive: true })
      mkdirSync(join(lab.state, 'pending'), { mode: 0o700 })
    },
    says: UNDONE,
    kept: false,
  },
]

const started = performance.now()

const cuts = sampleOf(CUTS, 5, 12)

describe(`a reboot: ${cuts.words}`, { concurrency: 3 }, () => {
  for (const { name, at, meanwhile, says, kept, byHand } of cuts.drills) {
    test(name, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await powerCutAt(lab, at)
        meanwhile?.(lab)
        const said = await boot(lab)
        assert.equal(said.exit, 0, said.output)
        assert.match(said.output, says)
        expectWords(said)
        await expectSafe(lab, name)
        assert.equal((await digestOf(lab)) !== before, kept, said.output)
        if (byHand !== undefined) {
          const status = await runAdmitIn(lab, ['status'])
          assert.equal(status.exit, 1, status.output)
          assert.match(status.output, /^pending +.*confirming/m)
          byHand(lab)
          const reloaded = await runAdmitIn(lab, ['reload', '--no-confirm'])
          assert.equal(reloaded.exit, 0, reloaded.output)
          await expectEnding(lab, { before, mayKeep: false, said: reloaded })
          return
        }
        const told = await runAdmitIn(lab, ['status'])
        if (says === UNDONE) assert.match(told.output, /^last .*(restart|reboot|undone)/m)
        await expectEnding(lab, { before, mayKeep: kept, said })
      })
    })
  }

  test('nothing in flight: the confirmed rules, twice, and where they are already', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      assert.deepEqual(await boot(lab), { exit: 0, output: '' })
      assert.equal(await digestOf(lab), before)
      await lab.reboot()
      assert.deepEqual(await boot(lab), { exit: 0, output: '' })
      assert.deepEqual(await boot(lab), { exit: 0, output: '' })
      assert.equal(await digestOf(lab), before)
      await expectEnding(lab, { before, mayKeep: false, said: NOTHING_SAID })
    })
  })

  test('nothing ever applied: as open as it was, without a word', async () => {
    await withLab(async (lab) => {
      await lab.reboot()
      assert.deepEqual(await boot(lab), { exit: 0, output: '' })
      await expectReach(lab, EVERYBODY, 'as before')
      writePolicy(lab, POLICY_BEFORE)
      const status = await runAdmitIn(lab, ['status'])
      assert.equal(status.exit, 1, status.output)
      assert.match(status.output, /none: admit keeps nobody out/)
    })
  })

  test('the first apply, unconfirmed: open again, and told', async () => {
    await withLab(async (lab) => {
      writePolicy(lab, POLICY_BAD)
      const applied = await runAdmitIn(lab, ['apply', '--confirm-within', '1h', ...FORCE_BAD])
      assert.equal(applied.exit, 0, applied.output)
      await lab.reboot()
      const said = await boot(lab)
      assert.equal(said.exit, 0, said.output)
      assert.match(said.output, UNDONE)
      await expectReach(lab, EVERYBODY, 'as before')
      assert.deepEqual(inFlight(lab), [])
    })
  })

  test('rules that are damaged: the admins-only ones, then the newest restore point, loudly', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      for (const damaged of ['rules.nft', 'rescue.nft']) {
        appendFileSync(join(lab.state, damaged), '# by hand\n')
        await lab.reboot()
        const said = await boot(lab)
        assert.equal(said.exit, 1, said.output)
        assert.match(said.output, /rules\.nft is cut short, was changed/)
        assert.match(
          said.output,
          damaged === 'rules.nft'
            ? /rescue\.nft is loaded instead/
            : /points\/1\/rules\.nft is loaded instead/,
        )
        await expectSafe(lab, damaged)
        assert.equal((await digestOf(lab)) === before, damaged === 'rescue.nft')
        const status = await runAdmitIn(lab, ['status'])
        assert.equal(status.exit, 1, status.output)
        assert.match(status.output, /rules\.nft/)
      }
    })
  })

  test('a device whose time is over stays out, also by the stored file of before', async () => {
    await withLab(async (lab) => {
      const until = Math.floor(Date.now() / 1000) + 25
      const guest = `  guest: { mac: 02:ad:00:00:00:03, until: ${new Date(until * 1000).toISOString().replace('.000', '')} }\n`
      const grants = 'grants: [{ from: [laptop, office, guest], to: [ssh, ping] }]\n'
      writePolicy(lab, `admit: 1\nhost: { log: off }\ndevices:\n${ADMIN_DEVICES}${guest}${grants}`)
      const applied = await runAdmitIn(lab, ['apply', '--no-confirm'])
      assert.equal(applied.exit, 0, applied.output)
      // Where the machine was too slow, its time is over before anybody could ask.
      if (Date.now() / 1000 < until - 5) await expectReach(lab, EVERYBODY, 'in time')
      await sleep(Math.max(0, until * 1000 + 1100 - Date.now()))
      await expectSafe(lab, 'its time is over')
      await lab.reboot()
      const said = await boot(lab)
      assert.equal(said.exit, 0, said.output)
      await expectSafe(lab, 'its time is over, after the boot')
    })
  })
})

test('how long it took', (context) => {
  context.diagnostic(`${((performance.now() - started) / 1000).toFixed(0)} s`)
})

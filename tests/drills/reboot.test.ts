/**
 * The power is cut in every state of a transaction, and the boot script runs; the watchdog is killed inside its window; the
 * clock on the wall is wrong. The rules are the last confirmed ones, or those whose confirmation had begun; it is told.
 * tests/vm does it with a real power cut and the machine's real clock, which may not be set here.
 */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GUARD } from '../../src/system/guard.ts'
import { sha256 } from '../../src/system/journal-files.ts'
import { uptime } from '../../src/system/process-identity.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  goOn,
  heldAt,
  PATIENCE,
  POLICY_BAD,
  POLICY_BEFORE,
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import type { CutOffAt, Said } from '../support/drill-end.ts'
import { expectEnding, expectWords, inFlight, NOTHING_SAID, powerCutAt } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { ADMIN_DEVICES, withLab } from '../support/drill-lab.ts'
import type { Program } from '../support/drill-program.ts'
import { killQuietly } from '../support/drill-program.ts'
import { EVERYBODY, expectReach, expectSafe } from '../support/drill-reach.ts'

async function boot(lab: DrillLab): Promise<Said> {
  const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
  return { exit: await program.ended(PATIENCE), output: program.output() }
}

/** Where the power goes, what the boot must say, and whether the change is kept. */
interface Cut {
  readonly name: string
  readonly at: CutOffAt
  /** What is done to the state folder while the power is off. */
  readonly then?: (lab: DrillLab) => void
  readonly says: RegExp
  readonly kept: boolean
  /** What an operator must do besides, as the boot said. */
  readonly byHand?: (lab: DrillLab) => void
}

const QUIET = /^$/
const UNDONE = /was not confirmed before the restart and is undone/
const NOT_OBEYED = /not obeyed\. To be rid of it: rm -r \S+confirming/

const inConfirming = (name: string) => (lab: DrillLab) => rmSync(join(lab.state, 'confirming', name))
const removeConfirming = (lab: DrillLab): void => rmSync(join(lab.state, 'confirming'), { recursive: true })
/** The first so many files of the confirmation are in their places already. */
const completed = (count: number) => (lab: DrillLab) => {
  for (const [from, to] of [
    ['candidate.nft', 'rules.nft'],
    ['rescue.nft', 'rescue.nft'],
    ['policy.yaml', 'policy.yaml'],
  ].slice(0, count)) {
    cpSync(join(lab.state, 'confirming', from ?? ''), join(lab.state, to ?? ''))
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
      then: completed(count),
      says: QUIET,
      kept: true,
    }),
  ),
  {
    name: 'confirming, half a temporary file beside it',
    at: 'confirming',
    then: (lab) => {
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
      then: inConfirming(name),
      says: NOT_OBEYED,
      // The rules that were confirmed are whole: they are what is loaded.
      kept: name === 'rescue.nft' || name === 'policy.yaml',
      byHand: removeConfirming,
    }),
  ),
  {
    name: 'confirming without what is needed no more',
    at: 'confirming',
    then: (lab) => {
      for (const name of ['window', 'ready', 'previous.nft']) inConfirming(name)(lab)
    },
    says: QUIET,
    kept: true,
  },
  {
    name: 'pending with a torn journal',
    at: 'pending',
    then: (lab) => {
      const path = join(lab.state, 'pending/journal')
      writeFileSync(path, readFileSync(path, 'utf8').slice(0, 300))
    },
    says: UNDONE,
    kept: false,
  },
  {
    name: 'pending with a journal of zeros',
    at: 'pending',
    then: (lab) => writeFileSync(join(lab.state, 'pending/journal'), Buffer.alloc(900)),
    says: UNDONE,
    kept: false,
  },
  {
    name: 'pending and empty',
    at: 'pending',
    then: (lab) => {
      rmSync(join(lab.state, 'pending'), { recursive: true })
      mkdirSync(join(lab.state, 'pending'), { mode: 0o700 })
    },
    says: UNDONE,
    kept: false,
  },
]

const started = performance.now()

describe('a reboot', { concurrency: 3 }, () => {
  for (const { name, at, then, says, kept, byHand } of CUTS) {
    test(name, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await powerCutAt(lab, at)
        then?.(lab)
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
          damaged === 'rules.nft' ? /rescue\.nft is loaded instead/ : /points\/1\/rules\.nft is loaded instead/,
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

describe('the watchdog is killed inside the window', { concurrency: 3 }, () => {
  /** POLICY_BAD in force, its window just about to open, its watchdog dead. */
  async function withoutWatchdog(lab: DrillLab, window: string): Promise<Program> {
    writePolicy(lab, POLICY_BAD)
    const args = ['apply', '--confirm-within', window, ...FORCE_BAD]
    const program = await startAdmit(lab, args, { step: 'open-window' }, { terminal: false })
    await heldAt(lab, program, PATIENCE)
    killQuietly(watchdogOf(lab), 'SIGKILL')
    goOn(lab)
    assert.equal(await program.ended(PATIENCE), 0, program.output())
    return program
  }

  test('the next command within the window starts it again, and the undo comes at the deadline', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await withoutWatchdog(lab, '25s')
      const deadline = deadlineOf(lab)
      const status = await runAdmitIn(lab, ['status'])
      assert.match(status.output, /the watchdog of the pending change was gone; starting it again/)
      assert.equal(status.exit, 1)
      assert.notEqual(await digestOf(lab), before)
      assert.ok(await settled(lab, PATIENCE))
      assert.ok((await uptime()) >= deadline, 'not before the deadline')
      assert.equal(await digestOf(lab), before)
      await expectEnding(lab, { before, mayKeep: false, said: NOTHING_SAID })
    })
  })

  test('after the deadline the next command undoes', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await withoutWatchdog(lab, '1s')
      await sleep(1500)
      assert.notEqual(await digestOf(lab), before, 'nobody was there to undo it')
      const status = await runAdmitIn(lab, ['status'])
      assert.match(status.output, /nobody confirmed the pending change in time; undoing it/)
      assert.equal(status.exit, 0)
      assert.equal(await digestOf(lab), before)
      await expectEnding(lab, { before, mayKeep: false, said: NOTHING_SAID })
    })
  })

  test('a confirmation after the deadline comes too late', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await withoutWatchdog(lab, '1s')
      await sleep(1500)
      const confirmed = await runAdmitIn(lab, ['confirm', '--here'])
      assert.equal(confirmed.exit, 1, confirmed.output)
      assert.match(confirmed.output, /nothing to confirm/)
      await expectEnding(lab, { before, mayKeep: false, said: NOTHING_SAID })
    })
  })

  test('the boot script undoes', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await withoutWatchdog(lab, '1s')
      await lab.reboot()
      const said = await boot(lab)
      assert.equal(said.exit, 0, said.output)
      assert.match(said.output, UNDONE)
      await expectEnding(lab, { before, mayKeep: false, said })
    })
  })
})

/** Milliseconds by which the clock on the wall is wrong. */
const DAY = 86_400_000

describe('a clock on the wall that is a day off, or jumps', { concurrency: 3 }, () => {
  // What admit and the guard are told is wrong; the kernel's own clock may not be set here.
  for (const [name, first, then] of [
    ['a day behind, then right', -DAY, 0],
    ['a day ahead, then right', DAY, 0],
    ['right, then a day ahead', 0, DAY],
    ['right, then a day behind', 0, -DAY],
  ] as const) {
    test(`${name}: the undo comes at its deadline and not before`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        const at = (offset: number, path: string) => wrongClock(lab, offset, path)
        const program = await startAdmit(
          lab,
          ['apply', '--confirm-within', '20s', ...FORCE_BAD],
          { before: at(first, 'first') },
          { terminal: false, environment: nodeClock(first) },
        )
        assert.equal(await program.ended(PATIENCE), 0, program.output())
        const deadline = deadlineOf(lab)
        const status = await startAdmit(
          lab,
          ['status'],
          { before: at(then, 'then') },
          { terminal: false, environment: nodeClock(then) },
        )
        const exit = await status.ended(PATIENCE)
        if ((await uptime()) < deadline) assert.equal(exit, 1, status.output())
        assert.ok(await settled(lab, PATIENCE))
        const over = await uptime()
        assert.ok(over >= deadline, `undone ${deadline - over} s too early`)
        assert.equal(await digestOf(lab), before)
        await expectEnding(lab, { before, mayKeep: false, said: NOTHING_SAID })
      })
    })
  }

  test('absurd times in a journal that is whole: told, undone, and no mistake of ours', async () => {
    for (const wall of ['0.00', '999999999999999.99', '8640000000000.01', '8640000000000.00']) {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        const applied = await runAdmitIn(lab, ['apply', '--confirm-within', '1h', ...FORCE_BAD])
        assert.equal(applied.exit, 0, applied.output)
        rewriteRecord(join(lab.state, 'pending/journal'), (text) => text.replace(/^wall .*/m, `wall ${wall}`))
        rewriteRecord(join(lab.state, 'pending/window'), (text) =>
          text.replace(/^((opened|deadline)-wall) .*/gm, `$1 ${wall}`),
        )
        for (const command of ['status', 'confirm', 'apply']) {
          const said = await runAdmitIn(lab, [command])
          assert.ok(said.exit === 1 || said.exit === 3, `${command}, ${wall}: ${said.exit}: ${said.output}`)
        }
        const rolledBack = await runAdmitIn(lab, ['rollback'])
        assert.equal(rolledBack.exit, 0, rolledBack.output)
        await expectEnding(lab, { before, mayKeep: false, said: rolledBack })
      })
    }
  })
})

test('how long it took', (context) => {
  context.diagnostic(`${((performance.now() - started) / 1000).toFixed(0)} s`)
})

/** In front of a command: `date`, for it and all that it starts, is off by so much. */
function wrongClock(lab: DrillLab, offset: number, name: string): readonly string[] {
  if (offset === 0) return []
  const place = '/usr/bin/date'
  const own = join(lab.folder, `date-${name}`)
  mkdirSync(own)
  const real = join(own, 'real')
  const standIn = join(own, 'date')
  writeFileSync(real, '')
  const shift = `${offset > 0 ? '+' : '-'}${Math.abs(offset) / 1000} seconds`
  writeFileSync(standIn, `#!/bin/sh\nexec '${real}' -d '${shift}' "$@"\n`, { mode: 0o755 })
  const cover = 'mount --bind "$0" "$1" && mount --bind "$2" "$0" && shift 2 && exec "$@"'
  return ['unshare', '--mount', 'sh', '-c', cover, place, real, standIn]
}

/** The same for Node, which asks the kernel itself. */
function nodeClock(offset: number): Readonly<Record<string, string>> {
  if (offset === 0) return {}
  const code = `const now = Date.now; Date.now = () => now() + ${offset}`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` }
}

function watchdogOf(lab: DrillLab): number {
  return Number(readFileSync(join(lab.state, 'pending/ready'), 'utf8').split(' ')[0])
}

function deadlineOf(lab: DrillLab): number {
  const path = join(lab.state, 'pending/window')
  if (!existsSync(path)) return 0
  return Number(/^deadline-uptime (\S+)$/m.exec(readFileSync(path, 'utf8'))?.[1])
}

/** A record with another content and the right checksum. */
function rewriteRecord(path: string, change: (text: string) => string): void {
  const body = change(readFileSync(path, 'utf8').replace(/sha256 \S+\n$/, ''))
  writeFileSync(path, `${body}sha256 ${sha256(body)}\n`)
}

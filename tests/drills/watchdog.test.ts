/**
 * The watchdog is killed inside its window: the next command, or the boot, sees to it. The clock on the wall is wrong, or the
 * times in a journal are absurd: no undo comes too early or not at all. The machine's own clock may not be set here; tests/vm
 * sets it.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
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
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import type { Said } from '../support/drill-end.ts'
import { expectEnding, NOTHING_SAID } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { Program } from '../support/drill-program.ts'
import { killQuietly } from '../support/drill-program.ts'

const started = performance.now()
const UNDONE = /was not confirmed before the restart and is undone/

async function boot(lab: DrillLab): Promise<Said> {
  const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
  return { exit: await program.ended(PATIENCE), output: program.output() }
}

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

/** A record with another content and the right checksum, in one piece: the watchdog looks at it all the time. */
function rewriteRecord(path: string, change: (text: string) => string): void {
  const body = change(readFileSync(path, 'utf8').replace(/sha256 \S+\n$/, ''))
  writeFileSync(`${path}.new`, `${body}sha256 ${sha256(body)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

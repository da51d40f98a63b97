/** The watchdog: when it undoes, when it does not, and what does not keep it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  assertTidy,
  BOOT,
  change,
  changedGuard,
  guardHost,
  outcome,
  present,
  signalSession,
  smallDisk,
} from '../support/guard-host.ts'
import { claim, guard, GUARD, ID, openWindow, startTime, startWatch, until } from '../support/guard-state.ts'
import { run } from '../support/run.ts'

const host = guardHost()

describe('watch', () => {
  test('undoes at the deadline, not before, and a clock that jumps changes nothing', async () => {
    for (const wall of [1, 4e9]) {
      change(host.state)
      const watch = await startWatch(host.state)
      const gone = once(watch, 'exit')
      const opened = Date.now()
      openWindow(host.state, 1, wall)
      assert.deepEqual(await gone, [0, null])
      // By the file's own time: on a busy machine nobody else can tell in time. Uptime comes in hundredths.
      assert.ok(statSync(`${host.state}/outcome`).mtimeMs - opened > 980)
      assert.equal(present(), 'old')
      assert.deepEqual([outcome(host.state)['result'], outcome(host.state)['why']], ['undone', 'deadline'])
      assertTidy(host.state)
    }
  })

  test('ends without a word when it is confirmed or withdrawn', async () => {
    for (const how of ['withdrawn', 'confirmed']) {
      change(host.state)
      const watch = await startWatch(host.state)
      const gone = once(watch, 'exit')
      openWindow(host.state, 60)
      if (how === 'withdrawn') renameSync(`${host.state}/pending`, `${host.state}/preparing.withdrawn`)
      else claim(host.state)
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), 'fresh')
      assert.equal(existsSync(`${host.state}/outcome`), how === 'confirmed')
    }
  })

  test('a deadline that is too far away is none', async () => {
    change(host.state, { window: 1 })
    const watch = await startWatch(host.state)
    openWindow(host.state, 99_999)
    await once(watch, 'exit')
    assert.equal(present(), 'old')
    assert.equal(outcome(host.state)['why'], 'deadline')
  })

  test('a window that never opens ends as well', async () => {
    change(host.state)
    const script = changedGuard(host.state, 'armed + 12000', 'armed + 300')
    const watch = await startWatch(host.state, ID, script)
    await once(watch, 'exit')
    assert.equal(present(), 'old')
    assert.equal(outcome(host.state)['why'], 'deadline')
  })

  test('undoes at once where the applier is gone before the window opened, whatever its name', async () => {
    const program = `${host.state}/a) Z 1\n(b`
    copyFileSync('/usr/bin/sleep', program)
    chmodSync(program, 0o755)
    const applier = spawn(program, ['600'])
    await once(applier, 'spawn')
    assert.ok(applier.pid !== undefined)
    const { pid } = applier
    change(host.state, { applier: { pid, start: startTime(pid) } })
    const watch = await startWatch(host.state)
    const gone = once(watch, 'exit')
    await sleep(500)
    assert.equal(present(), 'fresh')
    assert.ok(existsSync(`${host.state}/pending`))
    applier.kill('SIGKILL')
    assert.deepEqual(await gone, [0, null])
    assert.equal(present(), 'old')
    assert.equal(outcome(host.state)['why'], 'applier-gone')
  })

  test('another process with the number of the applier is not the applier', async () => {
    change(host.state, { applier: { pid: process.pid, start: '1' } })
    const watch = spawn('/bin/sh', [GUARD, 'watch', host.state, ID], { stdio: 'ignore' })
    await once(watch, 'exit')
    assert.equal(present(), 'old')
  })

  test('an applier that is gone after the window opened is missed by nobody', async () => {
    const applier = spawn('sleep', ['600'])
    assert.ok(applier.pid !== undefined)
    const { pid } = applier
    change(host.state, {
      applier: { pid, start: readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21] ?? '' },
    })
    const watch = await startWatch(host.state)
    openWindow(host.state, 2)
    applier.kill('SIGKILL')
    await once(watch, 'exit')
    assert.equal(outcome(host.state)['why'], 'deadline')
  })

  test('what is damaged inside the window is undone by what it remembers', async () => {
    const spoils: readonly (readonly [string, string, () => void])[] = [
      [
        'old',
        'undone',
        () => {
          truncateSync(`${host.state}/pending/journal`, 20)
        },
      ],
      [
        'old',
        'undone',
        () => {
          const text = readFileSync(`${host.state}/pending/journal`, 'utf8')
          writeFileSync(`${host.state}/pending/journal`, text.replace(ID, `${ID}x`))
        },
      ],
      [
        'old',
        'undone',
        () => {
          writeFileSync(`${host.state}/pending/window`, 'soon\n')
        },
      ],
      [
        'freshrescue',
        'rescued',
        () => {
          truncateSync(`${host.state}/pending/previous.nft`, 0)
          rmSync(`${host.state}/pending/journal`)
        },
      ],
      [
        'oldrescue',
        'rescued',
        () => {
          for (const file of readdirSync(`${host.state}/pending`)) rmSync(`${host.state}/pending/${file}`)
        },
      ],
    ]
    for (const [expected, result, spoil] of spoils) {
      change(host.state)
      const watch = await startWatch(host.state)
      const gone = once(watch, 'exit')
      spoil()
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), expected)
      assert.deepEqual(
        [outcome(host.state)['id'], outcome(host.state)['result'], outcome(host.state)['why']],
        [ID, result, 'damaged'],
      )
      assertTidy(host.state)
    }
  })

  test('never begins with a journal that is not whole, of another boot or another namespace', () => {
    const spoils: readonly (() => void)[] = [
      () => {
        truncateSync(`${host.state}/pending/journal`, 300)
      },
      () => {
        appendFileSync(`${host.state}/pending/previous.nft`, '# more\n')
      },
      () => {
        change(host.state, { boot: BOOT })
      },
      () => {
        change(host.state, { netns: '1' })
      },
    ]
    for (const spoil of spoils) {
      change(host.state)
      spoil()
      const { code, stderr } = guard(['watch', host.state, ID])
      assert.equal(code, 4)
      assert.match(stderr, /^admit-guard: \S/)
      assert.equal(existsSync(`${host.state}/pending/ready`), false)
      assert.equal(present(), 'fresh')
      rmSync(`${host.state}/pending`, { recursive: true })
    }
  })

  test("twice at once, after the end, and for another's: nothing wrong", async () => {
    change(host.state)
    const both = [await startWatch(host.state), await startWatch(host.state)]
    assert.deepEqual(guard(['watch', host.state, 'another']), { code: 0, stdout: '', stderr: '' })
    const gone = Promise.all(both.map(async (watch) => once(watch, 'exit')))
    openWindow(host.state, 1)
    assert.deepEqual(await gone, [
      [0, null],
      [0, null],
    ])
    assert.equal(present(), 'old')
    assertTidy(host.state)
    assert.deepEqual(guard(['watch', host.state, ID]), { code: 0, stdout: '', stderr: '' })
  })

  test('ends what was claimed by somebody who was killed', async () => {
    change(host.state)
    const watch = await startWatch(host.state)
    const gone = once(watch, 'exit')
    renameSync(`${host.state}/pending`, `${host.state}/undoing`)
    assert.deepEqual(await gone, [0, null])
    assert.equal(present(), 'old')
    assertTidy(host.state)
  })

  test('begun again after it was killed, it goes on', async () => {
    change(host.state)
    const first = await startWatch(host.state)
    openWindow(host.state, 5)
    const killed = once(first, 'exit')
    first.kill('SIGKILL')
    await killed
    const second = await startWatch(host.state)
    await once(second, 'exit')
    assert.equal(present(), 'old')
    assert.equal(outcome(host.state)['why'], 'deadline')
  })

  test('begins again, as the same process, where its shell ends for want of another', async () => {
    // A shell that cannot start a process ends as this one does.
    const broken = `step() { if [ "$1" = watch-wait ] && mkdir ${host.state}/once; then exit 2; fi; }`
    const script = changedGuard(host.state, '\nstep() { :; }\n', `\n${broken}\n`)
    change(host.state)
    const watch = await startWatch(host.state, ID, script)
    const gone = once(watch, 'exit')
    await until(() => existsSync(`${host.state}/once`))
    openWindow(host.state, 1)
    assert.deepEqual(await gone, [0, null])
    assert.equal(present(), 'old')
    assert.equal(outcome(host.state)['why'], 'deadline')
  })

  test('is deaf to HUP, INT, QUIT, PIPE and TERM, holds no file of the caller, and is hard to kill for memory', async () => {
    change(host.state)
    const watch = await startWatch(host.state)
    const { pid } = watch
    assert.ok(pid !== undefined)
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGPIPE', 'SIGTERM'] as const) {
      watch.kill(signal)
      signalSession(pid, signal)
    }
    await sleep(300)
    assert.equal(watch.exitCode, null)
    // Those above 9 a plain shell can neither name nor close.
    const low = readdirSync(`/proc/${pid}/fd`).filter((fd) => fd.length === 1)
    const links = low.map((fd) => run('readlink', [`/proc/${pid}/fd/${fd}`]).trim())
    assert.deepEqual([...new Set(links)].toSorted(), ['/dev/null'])
    assert.equal(run('readlink', [`/proc/${pid}/cwd`]), '/\n')
    // Where this process may not either, as in a container, the watchdog goes on without.
    const allowed = spawnSync('sh', ['-c', 'echo -1000 >/proc/self/oom_score_adj']).status === 0
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), allowed ? '-1000\n' : '0\n')
    const gone = once(watch, 'exit')
    openWindow(host.state, 1)
    await gone
    assert.equal(present(), 'old')
  })

  test('a full and a read-only disk do not keep it', async () => {
    for (const disk of ['full', 'read-only']) {
      const small = smallDisk(host.state)
      change(host.state)
      const watch = await startWatch(host.state)
      const gone = once(watch, 'exit')
      openWindow(host.state, 1)
      if (disk === 'full') small.fill()
      else run('mount', ['-o', 'remount,ro', host.state])
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), 'old', disk)
      run('umount', [host.state])
    }
  })
})

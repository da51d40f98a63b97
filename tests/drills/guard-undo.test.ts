/** The guard's undo on the real kernel: it restores, else it loads what comes nearest, whatever the disk does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  assertTidy,
  BOOT,
  change,
  changedGuard,
  guardHost,
  load,
  outcome,
  present,
  signalSession,
  smallDisk,
} from '../support/guard-host.ts'
import {
  claim,
  guard,
  GUARD,
  ID,
  moment,
  NO_TABLE,
  storedText,
  tableText,
  until,
} from '../support/guard-state.ts'
import { run } from '../support/run.ts'

const host = guardHost()

describe('undo', () => {
  test('brings the previous rules back, says so and writes it down', () => {
    change(host.state)
    assert.deepEqual(guard(['undo', host.state, 'asked']), { code: 0, stdout: 'undone\n', stderr: '' })
    assert.equal(present(), 'old')
    const { wall, ...told } = outcome(host.state)
    assert.deepEqual(told, { id: ID, kind: 'apply', result: 'undone', why: 'asked', by: 'root (alice)' })
    assert.ok(Math.abs(Number(wall) - moment().wall) < 60, wall)
    assertTidy(host.state)
    assert.deepEqual(guard(['undo', host.state, 'asked']), { code: 0, stdout: 'nothing\n', stderr: '' })
    assert.equal(present(), 'old')
  })

  test('before the first apply it opens the host again', () => {
    change(host.state, { previous: NO_TABLE, listing: host.empty })
    assert.equal(guard(['undo', host.state, 'asked']).stdout, 'undone\n')
    assert.equal(present(), undefined)
  })

  test('takes up an undo that was cut off', () => {
    change(host.state, {}, 'undoing')
    assert.equal(guard(['undo', host.state, 'stale']).stdout, 'undone\n')
    assert.equal(present(), 'old')
    assertTidy(host.state)
  })

  test('two at once: one does it, the other finds nothing', async () => {
    change(host.state)
    const answers = await Promise.all(['asked', 'deadline'].map(async (why) => undo(why)))
    assert.deepEqual(answers.toSorted(), ['nothing\n', 'undone\n'])
    assert.equal(present(), 'old')
    assertTidy(host.state)
  })

  test('after a reboot nothing is restored', () => {
    change(host.state, { boot: BOOT, netns: '1' })
    assert.equal(guard(['undo', host.state, 'stale']).stdout, 'undone\n')
    assert.equal(present(), 'fresh')
    assert.equal(outcome(host.state)['why'], 'reboot')
  })

  test("another network namespace's is not obeyed, and left where it is", () => {
    change(host.state, { netns: '1' })
    const { code, stdout, stderr } = guard(['undo', host.state, 'asked'])
    assert.deepEqual([code, stdout], [5, 'failed\n'])
    assert.match(stderr, /another network namespace/)
    assert.equal(present(), 'fresh')
    assert.ok(existsSync(`${host.state}/pending/journal`))
  })

  test('rules that come back as others than they were: the admins-only rules', () => {
    change(host.state, { listing: host.empty })
    const { code, stdout, stderr } = guard(['undo', host.state, 'asked'])
    assert.deepEqual([code, stdout], [0, 'rescued\n'])
    assert.equal(stderr.match(/not what they were/g)?.length, 2)
    assert.equal(present(), 'freshrescue')
    assert.deepEqual(
      [outcome(host.state)['result'], outcome(host.state)['last-resort']],
      ['rescued', 'admins-only'],
    )
  })

  test('rules that do not load: the same, then those of the last confirmation, then nothing', () => {
    for (const [step, expected] of ['freshrescue', 'oldrescue', 'confirmed', 'fresh'].entries()) {
      change(host.state, {
        previous: 'table inet admit { chain broken { nonsense; } }\n',
        ...(step > 0 ? { rescue: undefined } : {}),
      })
      if (step > 1) appendFileSync(`${host.state}/rescue.nft`, '# by hand\n')
      if (step > 2) truncateSync(`${host.state}/rules.nft`, 200)
      const { code, stdout } = guard(['undo', host.state, 'asked'])
      assert.deepEqual([code, stdout], step > 2 ? [5, 'failed\n'] : [0, 'rescued\n'])
      assert.equal(present(), expected)
      const resort = ['admins-only', 'admins-only', 'confirmed', undefined][step]
      assert.equal(outcome(host.state)['last-resort'], resort)
      if (step <= 2) assertTidy(host.state)
    }
    writeFileSync(`${host.state}/rules.nft`, storedText(tableText('confirmed')))
    assert.equal(guard(['undo', host.state, 'stale']).stdout, 'rescued\n')
    assert.equal(present(), 'confirmed')
    assertTidy(host.state)
  })

  for (const next of ['undo', 'boot'] as const) {
    test(`where nothing can be loaded, all that it needs is kept, and the next ${next} tries again`, () => {
      change(host.state)
      const script = changedGuard(host.state, 'run_nft() {', 'run_nft() { case $* in *-f*) return 1 ;; esac;')
      for (const why of ['deadline', 'stale']) {
        const { code, stdout } = guard(['undo', host.state, why], { script })
        assert.deepEqual([code, stdout], [5, 'failed\n'])
        assert.deepEqual([outcome(host.state)['result'], outcome(host.state)['why']], ['failed', why])
        assert.equal(present(), 'fresh')
        assert.ok(existsSync(`${host.state}/undoing/previous.nft`))
      }
      const failed = guard(['boot', host.state], { script })
      assert.equal(failed.code, 4)
      assert.match(failed.stderr, /could not be undone: the next admit command tries again/)
      rmSync(script)
      if (next === 'undo') {
        assert.equal(guard(['undo', host.state, 'stale']).stdout, 'undone\n')
        assert.equal(present(), 'old')
      } else {
        assert.equal(guard(['boot', host.state]).code, 0)
        assert.equal(present(), 'confirmed')
      }
      assert.equal(outcome(host.state)['result'], 'undone')
      assertTidy(host.state)
    })
  }

  test('is not kept by whoever holds the lock, and says so', { timeout: 60_000 }, async () => {
    change(host.state)
    const holder = spawn('flock', [`${host.state}/lock`, 'sh', '-c', 'echo held; exec sleep 60'], {
      detached: true,
    })
    assert.ok(holder.pid !== undefined)
    await once(holder.stdout, 'data')
    const script = changedGuard(host.state, 'flock -w 20 ', 'flock -w 1 ')
    const { code, stdout, stderr } = guard(['undo', host.state, 'asked'], { script })
    process.kill(-holder.pid, 'SIGKILL')
    assert.deepEqual([code, stdout], [0, 'undone\n'])
    assert.match(stderr, /lock is held by somebody else/)
    assert.equal(present(), 'old')
  })

  test('a full disk does not keep it', () => {
    const disk = smallDisk(host.state)
    change(host.state)
    disk.fill()
    assert.equal(guard(['undo', host.state, 'asked']).stdout, 'undone\n')
    assert.equal(present(), 'old')
    assert.equal(existsSync(`${host.state}/pending`), false)
    assert.equal(outcome(host.state)['result'], 'undone')
  })

  test('a read-only disk does not keep it', () => {
    smallDisk(host.state)
    change(host.state)
    run('mount', ['-o', 'remount,ro', host.state])
    const { stdout, stderr } = guard(['undo', host.state, 'asked'])
    // The rules are back, and what is written down is not.
    assert.equal(stdout, 'uncleared\n')
    assert.match(stderr, /could not be claimed/)
    assert.equal(present(), 'old')
    run('mount', ['-o', 'remount,rw', host.state])
    assert.equal(guard(['undo', host.state, 'stale']).stdout, 'undone\n')
    assertTidy(host.state)
  })

  test('a lock that is none does not keep it', () => {
    for (const what of ['folder', 'link']) {
      change(host.state)
      if (what === 'folder') mkdirSync(`${host.state}/lock`)
      else symlinkSync('/etc/passwd', `${host.state}/lock`)
      const { stdout, stderr } = guard(['undo', host.state, 'asked'])
      assert.equal(stdout, 'undone\n')
      assert.match(stderr, /lock cannot be locked/)
      rmSync(`${host.state}/lock`, { recursive: true })
    }
  })

  const busybox = existsSync('/usr/bin/busybox') ? false : 'no busybox here'
  test('with the shell of busybox it is the same', { skip: busybox }, () => {
    const shell = ['/usr/bin/busybox', 'sh'] as const
    load(NO_TABLE)
    assert.equal(guard(['digest'], { shell }).stdout.trim(), host.empty)
    change(host.state)
    assert.deepEqual(guard(['undo', host.state, 'asked'], { shell }), {
      code: 0,
      stdout: 'undone\n',
      stderr: '',
    })
    assert.equal(present(), 'old')
    change(host.state)
    claim(host.state)
    assert.deepEqual(guard(['complete', host.state], { shell }), { code: 0, stdout: '', stderr: '' })
    load(NO_TABLE)
    assert.deepEqual(guard(['boot', host.state], { shell }), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), 'fresh')
    change(host.state)
    truncateSync(`${host.state}/pending/journal`, 300)
    assert.equal(guard(['undo', host.state, 'asked'], { shell }).stdout, 'rescued\n')
    assertTidy(host.state)
  })

  test('the environment and signals decide nothing', async () => {
    change(host.state)
    const evil = mkdtempSync(join(tmpdir(), 'admit-guard-'))
    writeFileSync(`${evil}/nft`, '#!/bin/sh\ntouch /run/evil\n', { mode: 0o755 })
    const child = spawn('/bin/sh', ['-c', `/bin/sh ${GUARD} undo ${host.state} asked`], {
      env: {
        PATH: evil,
        ENV: `${evil}/nft`,
        IFS: '/',
        LC_ALL: 'tr_TR.UTF-8',
        TZ: 'Asia/Tokyo',
        TMPDIR: evil,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    assert.ok(child.pid !== undefined)
    const gone = once(child, 'exit')
    await sleep(30)
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGPIPE'] as const) signalSession(child.pid, signal)
    await gone
    await until(() => !existsSync(`${host.state}/undoing`) && !existsSync(`${host.state}/pending`))
    assert.equal(present(), 'old')
    assert.equal(existsSync('/run/evil'), false)
    rmSync(evil, { recursive: true })
  })
})

async function undo(why: string): Promise<string> {
  const child = spawn('/bin/sh', [GUARD, 'undo', host.state, why], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await once(child, 'close')
  return said
}

describe('the state folder', () => {
  const verbs = [['undo', 'asked'], ['complete'], ['boot'], ['watch', ID]] as const
  const call = ([verb, ...rest]: readonly [string, ...string[]]): ReturnType<typeof guard> =>
    guard([verb, host.state, ...rest])

  for (const verb of verbs) {
    test(`${verb[0]} obeys none that others may write in, that is another's, or that is a link`, () => {
      change(host.state)
      for (const mode of [0o770, 0o707, 0o720, 0o702]) {
        chmodSync(host.state, mode)
        const { code, stderr } = call(verb)
        assert.equal(code, 4)
        assert.match(stderr, /is not obeyed: others may write in it/)
      }
      chmodSync(host.state, 0o700)
      const link = `${host.state}.link`
      symlinkSync(host.state, link)
      assert.equal(guard([verb[0], link, ...verb.slice(1)]).code, 4)
      rmSync(link)
      assert.equal(present(), 'fresh')
    })
  }

  test('a call that is none says how', () => {
    for (const args of [
      [],
      ['undo', host.state],
      ['undo', host.state, 'two words'],
      ['undo', 'x', 'asked'],
      ['boot'],
      ['digest', 'x'],
    ]) {
      assert.equal(guard(args).code, 2, args.join(' '))
    }
    assert.match(guard([]).stderr, /usage: admit-guard watch STATE ID/)
  })
})

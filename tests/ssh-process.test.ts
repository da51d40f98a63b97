/** The waits of the drills over ssh: none may stand still, and each says what it waited for. Here with a shell for ssh. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SshProcess } from './support/ssh-process.ts'

const shell = (script: string): SshProcess => new SshProcess(['sh', '-c', script], 'ssh of a test')

describe('a wait on an ssh', () => {
  test('ends with what was waited for, and with the whole output of a process that is over', async () => {
    const ssh = shell('read line; echo "heard $line"; exit 7')
    ssh.write('this\n')
    assert.equal(await ssh.until('an echo', () => /heard (\w+)/.exec(ssh.printed)?.[1]), 'this')
    assert.deepEqual(await ssh.ended('its end'), { status: 7, out: 'heard this\n' })
  })

  test('ends as soon as the process does, before and after it is asked', async () => {
    const ssh = shell('read line; echo "no such session"; exit 1')
    const started = performance.now()
    const waiting = ssh.until('tmux to attach', () => undefined)
    ssh.endInput()
    const words =
      /^Error: ssh of a test: ended with status 1, .* s into waiting for tmux to attach; it printed so far:\nno such session\n$/
    await assert.rejects(waiting, words)
    await assert.rejects(async () => ssh.until('tmux to attach', () => undefined), words)
    // What once stood still: the end of a process that had ended before it was waited for.
    await ssh.kill()
    assert.ok(performance.now() - started < 30_000)
  })

  test('ends at its limit, and the process goes on until it is killed', async () => {
    const ssh = shell('echo begun; exec sleep 100')
    await ssh.until('the start', () => ssh.printed.includes('begun') || undefined)
    await assert.rejects(
      async () => ssh.until('an answer', () => undefined, 100),
      /^Error: ssh of a test: waited 0\.\d s for an answer; it printed so far:\nbegun\n$/,
    )
    await ssh.kill()
    await assert.rejects(
      async () => ssh.until('an answer', () => undefined),
      /was ended by SIGKILL, .* waiting for an answer/,
    )
  })

  test('ends though another process keeps the outputs open, as the master of a multiplexed ssh does', async () => {
    const ssh = shell('sleep 100 & echo $!')
    const { status, out } = await ssh.ended('its end')
    process.kill(Number(out))
    assert.equal(status, 0)
  })

  test('ends where there is no such program', async () => {
    const ssh = new SshProcess(['/nowhere/ssh'], 'ssh of a test')
    await assert.rejects(
      async () => ssh.until('an answer', () => undefined),
      /waiting for an answer; .*\n.*ENOENT/,
    )
    await ssh.kill()
  })
})

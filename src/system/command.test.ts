import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CommandOptions, CommandOutput } from './command.ts'
import { findProgram, runCommand } from './command.ts'

async function ran(
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<CommandOutput> {
  const result = await runCommand(program, args, options)
  assert.ok(result.kind === 'ran', JSON.stringify(result))
  return result
}

describe('running a command', () => {
  it('gives input, takes output, error and exit code', async () => {
    const { code, stdout, stderr } = await ran('sh', ['-c', 'cat; echo oops >&2; exit 3'], { stdin: '家\n' })
    assert.deepEqual({ code, stdout, stderr }, { code: 3, stdout: '家\n', stderr: 'oops\n' })
  })

  it('hands arguments on as they are, through no shell', async () => {
    const args = ['$(id)', '; exit 1', '"', '*', '', 'a b', '\\n\n']
    const { stdout } = await ran('printf', ['<%s>', ...args])
    assert.equal(stdout, args.map((arg) => `<${arg}>`).join(''))
  })

  it('has an environment of its own, whatever the caller’s is', async () => {
    const { stdout } = await ran('env', [])
    assert.deepEqual(stdout.trimEnd().split('\n').toSorted(), [
      'LC_ALL=C',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'TZ=UTC',
    ])
  })

  it('kills what takes too long, and does not wait for its children', async () => {
    const start = performance.now()
    const result = await ran('sh', ['-c', 'echo begun; sleep 30 & sleep 30'], { timeout: 200 })
    assert.deepEqual(
      { code: result.code, signal: result.signal, timedOut: result.timedOut, stdout: result.stdout },
      { code: undefined, signal: 'SIGKILL', timedOut: true, stdout: 'begun\n' },
    )
    assert.ok(performance.now() - start < 5000)
  })

  it('stops reading at its limit, and says so', async () => {
    const result = await ran('yes', [], { maxOutput: 1000, timeout: 5000 })
    assert.deepEqual(
      { truncated: result.truncated, length: result.stdout.length, timedOut: result.timedOut },
      { truncated: true, length: 1000, timedOut: false },
    )
    const exact = await ran('printf', ['x'.repeat(1000)], { maxOutput: 1000 })
    assert.deepEqual(
      { truncated: exact.truncated, length: exact.stdout.length },
      { truncated: false, length: 1000 },
    )
  })

  it('does not mind a program that never reads its input', async () => {
    const { code } = await ran('true', [], { stdin: 'x'.repeat(1_000_000) })
    assert.equal(code, 0)
  })

  it('has a value for what cannot be run', async () => {
    assert.deepEqual(await runCommand('no-such-program', []), { kind: 'missing', program: 'no-such-program' })
    assert.deepEqual(await runCommand('/etc/passwd', []), { kind: 'missing', program: '/etc/passwd' })
    assert.equal((await runCommand('true', ['a\0b'])).kind, 'failed')
  })

  it('looks in fixed folders only', () => {
    assert.match(findProgram('sh') ?? '', /^\/(usr\/)?bin\/sh$/)
    assert.equal(findProgram('node_modules/.bin/tsc'), undefined)
    assert.equal(findProgram('../bin/sh'), undefined)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readConnections } from '../host/read-connections.ts'
import { readTracking } from '../host/read-tracking.ts'
import type { CommandResult, RunCommand } from './command.ts'
import { SystemConnections } from './connections.ts'

const RAN = {
  kind: 'ran',
  code: 0,
  signal: undefined,
  stdout: '',
  stderr: '',
  timedOut: false,
  truncated: false,
} as const

/** A machine whose programs answer as told, and what was asked of them. */
function machine(answer: (program: string, args: readonly string[]) => CommandResult) {
  const asked: string[] = []
  const run: RunCommand = async (program, args) => {
    asked.push([program, ...args].join(' '))
    return answer(program, args)
  }
  return { asked, connections: new SystemConnections(run) }
}

const socket = (port: number): string => `tcp ESTAB 0 0 192.0.2.1:22 192.0.2.66:${port}`
const entry = (port: number): string =>
  `tcp 6 9 CLOSE src=192.0.2.66 dst=192.0.2.1 sport=${port} dport=22 src=192.0.2.1 dst=192.0.2.66 sport=22 dport=${port} mark=0`

describe('the connections of this system', () => {
  test('many are ended in few runs, and none in none: a filter without a connection would fit all', async () => {
    const { asked, connections } = machine(() => RAN)
    const many = Array.from({ length: 1000 }, (_, index) => socket(1000 + index)).join('\n')
    assert.ok((await connections.kill(readConnections(many).value.connected)).ok)
    assert.equal(asked.length, 4)
    assert.ok(asked.every((line) => /\( \( src 192\.0\.2\.1:22 and dst 192\.0\.2\.66:\d+ \)/.test(line)))
    assert.ok((await connections.kill([])).ok)
    assert.equal(asked.length, 4)
  })

  test('a program that is not there is named, with its package', async () => {
    const { connections } = machine((program) => ({ kind: 'missing', program }))
    const sockets = await connections.sockets()
    assert.deepEqual(sockets, {
      ok: false,
      error: { kind: 'missing', message: 'the program ss is not installed: apt install iproute2' },
    })
    const flows = readTracking(entry(1)).value
    const forgotten = await connections.forget(flows, flows)
    assert.match(
      forgotten.ok ? '' : forgotten.error.message,
      /conntrack is not installed: apt install conntrack/,
    )
  })

  test('what a program says is made harmless, and its end by time is told', async () => {
    const failing = machine(() => ({ ...RAN, code: 1, stderr: 'no\u001b[31m way\nmore' }))
    const tables = await failing.connections.flowtables()
    assert.equal(tables.ok ? '' : tables.error.message, 'nft failed: no\\u{1b}[31m way')
    const slow = machine(() => ({ ...RAN, code: undefined, timedOut: true }))
    assert.match(JSON.stringify(await slow.connections.sockets()), /ss did not come to an end/)
  })

  test('an entry that has run out meanwhile is no failure', async () => {
    const { asked, connections } = machine(() => ({
      ...RAN,
      code: 1,
      stderr: '0 flow entries have been deleted',
    }))
    const flows = readTracking(`${entry(1)}\n${entry(2)}`).value
    assert.ok((await connections.forget(flows, flows)).ok)
    assert.equal(asked.length, 1)
  })

  test('a kernel that ends nothing is found out on a connection over lo', async () => {
    let own = ''
    const { connections } = machine((program, args) => {
      if (program !== 'ss') return RAN
      const found = /src (\S+) and dst (\S+)/.exec(args.at(-1) ?? '')
      if (found !== null) own = `tcp ESTAB 0 0 ${found[1]} ${found[2]}\n`
      return { ...RAN, stdout: own }
    })
    const can = await connections.canKill()
    assert.match(can.ok ? '' : can.error.message, /does not let admit end connections/)
    assert.match(own, /ESTAB 0 0 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+/)
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { describe, test } from 'node:test'
import type { CommandResult } from './command.ts'
import { listTcpConnections } from './tcp-connections.ts'

describe('the TCP connections that exist', () => {
  test('a live one from both its ends, over IPv4 and IPv6; a waiting one is none', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const server = createServer().listen(0, host)
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const client = connect(port, host)
      const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
      const end = (port: number | undefined) => (host === '::1' ? `[::1]:${port}` : `${host}:${port}`)
      const other = end(client.localPort)
      const listed = await listTcpConnections()
      client.destroy()
      accepted.destroy()
      server.close()
      assert.ok(listed.ok)
      // By both ends: one that ended just now may have had one of these ports, too.
      const mine = [`${end(port)} ${other}`, `${other} ${end(port)}`].sort()
      assert.deepEqual(listed.value.filter((key) => mine.includes(key)).sort(), mine)
    }
  })

  test('all of them or an error', async () => {
    const ran = (rest: object): CommandResult => ({
      kind: 'ran',
      code: 0,
      signal: undefined,
      stdout: 'ESTAB 0 0 192.0.2.1:22 203.0.113.7:5\n',
      stderr: '',
      timedOut: false,
      truncated: false,
      ...rest,
    })
    const answer = async (result: CommandResult) => listTcpConnections(() => Promise.resolve(result))
    assert.deepEqual(await answer(ran({})), { ok: true, value: ['192.0.2.1:22 203.0.113.7:5'] })
    const problems: readonly (readonly [CommandResult, RegExp])[] = [
      [{ kind: 'missing', program: 'ss' }, /not installed/],
      [{ kind: 'failed', program: 'ss', reason: 'EACCES' }, /EACCES/],
      [ran({ timedOut: true }), /no answer/],
      [ran({ truncated: true }), /more connections/],
      [ran({ code: 1, stderr: 'netlink: no\nmore' }), /^netlink: no$/],
      [ran({ code: 255 }), /exit code 255/],
      [ran({ stdout: 'ESTAB what\n' }), /"ESTAB what"/],
    ]
    for (const [result, words] of problems) {
      const listed = await answer(result)
      assert.ok(!listed.ok)
      assert.match(listed.error, words)
    }
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ip } from '../../tests/support/sample-host.ts'
import { connectionKey, readConnections } from './connection-key.ts'

test('a key: both ends with their ports, IPv6 in brackets', () => {
  const key = (local: string, remote: string) =>
    connectionKey({ address: ip(local), port: 22 }, { address: ip(remote), port: 50122 })
  assert.equal(key('192.0.2.1', '203.0.113.7'), '192.0.2.1:22 203.0.113.7:50122')
  assert.equal(key('2001:db8::1', '2001:DB8::7'), '[2001:db8::1]:22 [2001:db8::7]:50122')
})

describe('the connections that ss lists', () => {
  test('in every state, once, in order; not what waits or is only bound', () => {
    const text = `LISTEN     0 128          0.0.0.0:22          0.0.0.0:*
LISTEN     0 128             [::]:22             [::]:*
UNCONN     0 0          127.0.0.1:4000        0.0.0.0:*
ESTAB      0 0          192.0.2.1:22      203.0.113.7:50122
TIME-WAIT  0 0          192.0.2.1:22      203.0.113.7:50100
SYN-RECV   0 0          192.0.2.1:22      203.0.113.9:40000
CLOSE-WAIT 1 0   [::ffff:10.0.0.2]:22 [::ffff:10.0.0.3]:5000
ESTAB      0 0          192.0.2.1:22      203.0.113.7:50122
ESTAB      0 0   [fe80::1]%eth0:22      [fe80::7]%eth0:5000
`
    assert.deepEqual(readConnections(text), {
      connections: [
        '10.0.0.2:22 10.0.0.3:5000',
        '192.0.2.1:22 203.0.113.7:50100',
        '192.0.2.1:22 203.0.113.7:50122',
        '192.0.2.1:22 203.0.113.9:40000',
        '[fe80::1]:22 [fe80::7]:5000',
      ],
    })
    assert.deepEqual(readConnections(''), { connections: [] })
  })

  test('a line that cannot be read is told: the list would lack a connection', () => {
    for (const line of ['ESTAB 0 0 192.0.2.1:22 nonsense', 'ESTAB 0 0 192.0.2.1 203.0.113.7:5', 'what']) {
      assert.equal(readConnections(`ESTAB 0 0 192.0.2.1:22 203.0.113.7:5\n${line}\n`).odd, line)
    }
  })
})

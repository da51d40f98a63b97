import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { killQuestion, readConnections } from './read-connections.ts'

const SOCKETS = `
tcp LISTEN 0 128         0.0.0.0:22      0.0.0.0:*
udp UNCONN 0 0           0.0.0.0:53      0.0.0.0:*
tcp ESTAB  0 0   [::ffff:10.0.0.2]:22 [::ffff:10.0.0.9]:5050
tcp SYN-RECV 0 0       10.0.0.2:22      10.0.0.9:5051
tcp FIN-WAIT-1 0 64840 10.0.0.2:22      10.0.0.9:5052
tcp ESTAB  0 0  [fe80::1]%eth0:22  [fe80::2]:5053
udp ESTAB  0 0          10.0.0.2:68     10.0.0.1:67
`

describe('connections', () => {
  test('sockets with a peer in every state, and those that wait', () => {
    const { value, notes } = readConnections(SOCKETS)
    assert.deepEqual(notes, [])
    assert.deepEqual(
      value.listening.map(({ protocol, local }) => `${protocol} ${local.port}`),
      ['tcp 22', 'udp 53'],
    )
    assert.deepEqual(
      value.connected.map(
        ({ protocol, state, local, remote }) =>
          `${protocol} ${state} ${local.address}%${local.zone} ${remote.address} ${remote.port}`,
      ),
      [
        'tcp ESTAB 10.0.0.2%undefined 10.0.0.9 5050',
        'tcp SYN-RECV 10.0.0.2%undefined 10.0.0.9 5051',
        'tcp FIN-WAIT-1 10.0.0.2%undefined 10.0.0.9 5052',
        'tcp ESTAB fe80::1%eth0 fe80::2 5053',
        'udp ESTAB 10.0.0.2%undefined 10.0.0.1 67',
      ],
    )
  })

  test('any text is read without a crash', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.ok(readConnections(text))))
  })

  test('what is killed is named by both ends, and by the interface where that tells it apart', () => {
    const [first, , , near] = readConnections(SOCKETS).value.connected
    assert.ok(first !== undefined && near !== undefined)
    assert.equal(
      killQuestion([first, near]).at(-1),
      '( ( src 10.0.0.2:22 and dst 10.0.0.9:5050 ) or ( src [fe80::1]:22 and dst [fe80::2]:5053 and dev = eth0 ) )',
    )
    assert.equal(killQuestion([first])[0], '-KHtn')
  })
})

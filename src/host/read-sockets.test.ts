import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { listenersOf, parseEndpoint, readSockets, socketQuestion } from './read-sockets.ts'

describe('one end of a socket', () => {
  const cases: readonly (readonly [string, object | undefined])[] = [
    ['*:22', { port: 22 }],
    ['0.0.0.0:22', { port: 22 }],
    ['[::]:22', { port: 22 }],
    [':::22', { port: 22 }],
    ['127.0.0.1:80', { address: '127.0.0.1', port: 80 }],
    ['127.0.0.53%lo:53', { address: '127.0.0.53', port: 53, zone: 'lo' }],
    ['0.0.0.0%virbr0:67', { port: 67, zone: 'virbr0' }],
    ['[fe80::1]%eth0:546', { address: 'fe80::1', port: 546, zone: 'eth0' }],
    ['[fe80::1%eth0]:546', { address: 'fe80::1', port: 546, zone: 'eth0' }],
    ['[::ffff:10.0.0.1]:22', { address: '10.0.0.1', port: 22 }],
    ['[2001:DB8::1]:22', { address: '2001:db8::1', port: 22 }],
    ['*:*', undefined],
    ['0.0.0.0:*', undefined],
    ['10.0.0.1:0', undefined],
    ['10.0.0.1:70000', undefined],
    ['10.0.0:22', undefined],
    ['localhost:ssh', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of cases) {
    test(text === '' ? 'nothing' : text, () => assert.deepEqual(parseEndpoint(text), expected))
  }
})

const SOCKETS = `
udp UNCONN 0 0   0.0.0.0%virbr0:67      0.0.0.0:*     users:(("dnsmasq",pid=900,fd=3))
tcp LISTEN 0 128         0.0.0.0:22      0.0.0.0:*     users:(("sshd",pid=17,fd=3))
tcp LISTEN 0 128            [::]:22         [::]:*     users:(("sshd",pid=17,fd=4))
tcp LISTEN 0 4096              *:9090          *:*     users:(("cockpit",pid=33,fd=3),("systemd",pid=1,fd=40))
tcp LISTEN 0 5          10.0.0.2:5432     0.0.0.0:*
tcp ESTAB  0 0   [::ffff:10.0.0.2]:22 [::ffff:10.0.0.9]:5050 users:(("sshd",pid=55,fd=4))
udp ESTAB  0 0          10.0.0.2:68     10.0.0.1:67
tcp UNCONN 0 0          10.0.0.2:1234    0.0.0.0:*
`

describe('sockets', () => {
  test('listeners, with every program that holds them', () => {
    const { value, notes } = readSockets(SOCKETS)
    assert.deepEqual(notes, [])
    assert.deepEqual(
      value.listening.map(
        ({ local, processes }) =>
          `${local.port} ${processes.map((one) => `${one.name}/${one.pid}`).join(' ')}`,
      ),
      ['67 dnsmasq/900', '22 sshd/17', '22 sshd/17', '9090 cockpit/33 systemd/1', '5432 '],
    )
    assert.deepEqual(listenersOf(value.listening), [
      { protocol: 'udp', port: 67, program: 'dnsmasq' },
      { protocol: 'tcp', port: 22, program: 'sshd' },
      { protocol: 'tcp', port: 9090, program: 'cockpit' },
      { protocol: 'tcp', port: 5432, address: '10.0.0.2' },
    ])
  })

  test('established TCP connections; a mapped address is the IPv4 address that the packets carry', () => {
    assert.deepEqual(readSockets(SOCKETS).value.established, [
      { local: { address: '10.0.0.2', port: 22 }, remote: { address: '10.0.0.9', port: 5050 } },
    ])
  })

  test('a program cannot name itself into being another', () => {
    const line = 'tcp LISTEN 0 5 *:80 *:* users:(("a"),("sshd",pid",pid=9,fd=3))'
    assert.deepEqual(readSockets(line).value.listening[0]?.processes, [])
  })

  test('the question names the ports of the established connections that are wanted', () => {
    assert.equal(socketQuestion([22, 2222]).at(-1), '( dport = :0 or sport = :22 or sport = :2222 )')
    assert.equal(socketQuestion([]).at(-1), '( dport = :0 )')
  })

  test('odd lines are a note', () => {
    const { value, notes } = readSockets('Netid State\ntcp LISTEN 0 1 *:80 *:*\nnonsense')
    assert.equal(value.listening.length, 1)
    assert.match(notes.join(), /2 line\(s\) could not be read, such as "Netid State"/)
  })

  test('any text is read without a crash', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.ok(readSockets(text))))
  })
})

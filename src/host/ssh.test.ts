import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findGateways } from './gateways.ts'
import { readLinks } from './read-links.ts'
import { readSockets } from './read-sockets.ts'
import { readRouteAnswers, routeQuestions, sshConnectionsOf } from './ssh-connections.ts'
import type { SshHints } from './ssh-ports.ts'
import { findSshPorts, readSocketUnitPorts, sshProcessIds, systemdListens } from './ssh-ports.ts'
import { includesOf, portsOfSshdConfig } from './sshd-config.ts'

const NO_HINTS: SshHints = { processes: new Map(), socketUnitPorts: [], configuredPorts: [] }

function listening(...lines: readonly (readonly [local: string, users: string])[]) {
  const text = lines.map(([local, users]) => `tcp LISTEN 0 128 ${local} 0.0.0.0:* ${users}`).join('\n')
  return readSockets(text).value.listening
}
const sshd = (pid: number) => `users:(("sshd",pid=${pid},fd=3))`

describe('the ports of SSH', () => {
  test('where sshd or dropbear listens, in order and once', () => {
    const sockets = listening(
      ['0.0.0.0:2222', sshd(9)],
      ['[::]:22', sshd(9)],
      ['0.0.0.0:22', sshd(9)],
      ['*:24', 'users:(("dropbear",pid=4,fd=3))'],
      ['*:80', 'users:(("nginx",pid=5,fd=3))'],
    )
    assert.deepEqual(findSshPorts(sockets, NO_HINTS), { value: [22, 24, 2222], notes: [] })
  })

  test('a session that forwards a port is no server, whatever it is bound to', () => {
    const sockets = listening(
      ['0.0.0.0:22', sshd(9)],
      ['127.0.0.1:6010', sshd(30)],
      ['0.0.0.0:8080', sshd(30)],
    )
    const processes = new Map([
      [9, { commandLine: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups', uid: 0 }],
      [30, { commandLine: 'sshd: me@pts/0', uid: 0 }],
    ])
    assert.deepEqual(sshProcessIds(sockets), [9, 30])
    assert.deepEqual(findSshPorts(sockets, { ...NO_HINTS, processes }), { value: [22], notes: [] })
  })

  test('a program of a user that calls itself sshd is not the server, and that is said', () => {
    const sockets = listening(['0.0.0.0:22', sshd(9)], ['0.0.0.0:8080', sshd(31)])
    const processes = new Map([
      [9, { commandLine: '/usr/sbin/sshd -D', uid: 0 }],
      [31, { commandLine: 'sshd', uid: 1000 }],
    ])
    const { value, notes } = findSshPorts(sockets, { ...NO_HINTS, processes })
    assert.deepEqual(value, [22])
    assert.match(notes.join(), /^port 8080: .* belongs to user 1000/)
  })

  test('a server for this host alone is none for others, and that is said', () => {
    const { value, notes } = findSshPorts(listening(['127.0.0.1:22', sshd(9)]), NO_HINTS)
    assert.deepEqual(value, [])
    assert.match(notes.join(), /listens on 127\.0\.0\.1 only/)
  })

  test('systemd listens for it, by its socket unit or by the configuration of sshd', () => {
    const sockets = listening(
      ['*:22', 'users:(("systemd",pid=1,fd=70))'],
      ['*:9090', 'users:(("systemd",pid=1,fd=71))'],
    )
    assert.equal(systemdListens(sockets), true)
    const socketUnitPorts = readSocketUnitPorts(
      'Listen=0.0.0.0:22 (Stream)\nListen=[::]:22 (Stream)\n\nListen=\n',
    )
    assert.deepEqual(socketUnitPorts, [22])
    assert.deepEqual(findSshPorts(sockets, { ...NO_HINTS, socketUnitPorts }).value, [22])
    assert.deepEqual(findSshPorts(sockets, { ...NO_HINTS, configuredPorts: [22] }).value, [22])
    assert.deepEqual(findSshPorts(sockets, NO_HINTS).value, [])
  })

  test('without root no names are seen: the configured port counts if something listens there', () => {
    const sockets = listening(['0.0.0.0:2222', ''], ['0.0.0.0:80', ''])
    const { value, notes } = findSshPorts(sockets, { ...NO_HINTS, configuredPorts: [22, 2222] })
    assert.deepEqual(value, [2222])
    assert.match(notes.join(), /are you root\?/)
  })
})

describe('the configuration of sshd', () => {
  const cases: readonly (readonly [string, string, readonly number[]])[] = [
    ['nothing', '', [22]],
    ['a comment', '#Port 2222\n', [22]],
    ['one port', 'Port 2222 # not 22\n', [2222]],
    ['two ports, in either spelling', 'port=2222\n  PORT "22"\n', [2222, 22]],
    ['addresses without ports', 'ListenAddress 192.0.2.1\nListenAddress ::\n', [22]],
    ['addresses with ports only', 'ListenAddress [::]:2222\nListenAddress 192.0.2.1:2223\n', [2222, 2223]],
    ['both', 'Port 24\nListenAddress host:2222\nListenAddress 192.0.2.1\n', [24, 2222]],
    ['nonsense', 'Port ssh\nPort 70000\nPort\n', []],
  ]
  for (const [title, text, expected] of cases) {
    test(title, () => assert.deepEqual(portsOfSshdConfig([text]), expected))
  }

  test('its included files', () => {
    const text = 'Include /etc/ssh/sshd_config.d/*.conf "extra.conf"\nPort 22\n'
    assert.deepEqual(includesOf(text), ['/etc/ssh/sshd_config.d/*.conf', '/etc/ssh/extra.conf'])
  })
})

describe('SSH connections', () => {
  const { interfaces, neighbours, routes } = readLinks(
    JSON.stringify([
      { ifname: 'eth0', link_type: 'ether', flags: ['UP'] },
      { ifname: 'wg0', link_type: 'none', flags: ['UP'], linkinfo: { info_kind: 'wireguard' } },
      { dst: '192.0.2.7', dev: 'eth0', lladdr: '00:16:3e:00:00:07', state: ['REACHABLE'] },
      { dst: 'fe80::7', dev: 'eth0', lladdr: '00:16:3e:00:00:07', state: ['REACHABLE'] },
      { dst: '192.0.2.1', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
      { dst: '198.51.100.1', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
      { dst: '10.8.0.2', dev: 'wg0', lladdr: '00:16:3e:00:00:02', state: ['REACHABLE'] },
      { dst: 'default', gateway: '192.0.2.1', dev: 'eth0', flags: [] },
    ]),
  ).value
  const gateways = findGateways(routes.nextHops, routes, neighbours, interfaces)
  const links = { interfaces, neighbours, gateways }
  const connection = (local: string, remote: string, answer: object) => {
    const { established } = readSockets(`tcp ESTAB 0 0 ${local} ${remote}`).value
    const answers = readRouteAnswers(JSON.stringify([answer])).value
    const [found] = sshConnectionsOf(established, answers, links)
    const { local: _, remote: __, ...way } = found ?? {}
    return { questions: routeQuestions(established), way }
  }

  test('a neighbour has its MAC', () => {
    const answer = { dst: '192.0.2.7', from: '192.0.2.2', dev: 'eth0' }
    assert.deepEqual(connection('192.0.2.2:22', '192.0.2.7:5000', answer), {
      questions: ['route get 192.0.2.7 from 192.0.2.2'],
      way: { interface: 'eth0', mac: '00:16:3e:00:00:07' },
    })
  })

  test('a link-local neighbour is asked for on its interface', () => {
    const answer = { dst: 'fe80::7', from: '::', dev: 'eth0' }
    assert.deepEqual(connection('[fe80::2]%eth0:22', '[fe80::7]%eth0:5000', answer), {
      questions: ['route get fe80::7 from fe80::2 oif eth0'],
      way: { interface: 'eth0', mac: '00:16:3e:00:00:07' },
    })
  })

  test('behind a gateway there is no MAC', () => {
    const answer = { dst: '198.51.100.9', from: '192.0.2.2', gateway: '192.0.2.1', dev: 'eth0' }
    const { way } = connection('192.0.2.2:22', '198.51.100.9:5000', answer)
    assert.deepEqual(way, { interface: 'eth0', gateway: '192.0.2.1' })
  })

  test('a gateway that answers ARP for the peer is a gateway', () => {
    const answer = { dst: '198.51.100.1', from: '192.0.2.2', dev: 'eth0' }
    const { way } = connection('192.0.2.2:22', '198.51.100.1:5000', answer)
    assert.deepEqual(way, { interface: 'eth0', gateway: '192.0.2.1' })
  })

  test('no MAC where the link carries none; no way where none is known', () => {
    const answer = { dst: '10.8.0.2', from: '10.8.0.1', dev: 'wg0' }
    assert.deepEqual(connection('10.8.0.1:22', '10.8.0.2:5000', answer).way, { interface: 'wg0' })
    assert.deepEqual(connection('10.8.0.1:22', '10.9.0.2:5000', answer).way, {})
  })
})

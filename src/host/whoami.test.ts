import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findGateways } from './gateways.ts'
import { UNKNOWN_HOST } from './host-facts.ts'
import type { HostFacts, SshConnection } from './host-facts.ts'
import { readLinks } from './read-links.ts'
import { readSockets } from './read-sockets.ts'
import { readRouteAnswers, sshConnectionsOf } from './ssh-connections.ts'
import { whoAmI, whoAmILines } from './whoami.ts'

const { interfaces, neighbours, routes } = readLinks(
  JSON.stringify([
    { ifname: 'lo', link_type: 'loopback' },
    {
      ifname: 'eth0',
      link_type: 'ether',
      address: '00:16:3e:00:00:02',
      flags: ['UP'],
      addr_info: [
        { local: '192.0.2.2', prefixlen: 24, scope: 'global' },
        { local: '2001:db8::2', prefixlen: 64, scope: 'global' },
      ],
    },
    { ifname: 'lan', link_type: 'ether', address: '52:54:00:00:00:03', linkinfo: { info_kind: 'bridge' } },
    { ifname: 'eth1', link_type: 'ether', address: '52:54:00:00:00:04', flags: ['UP'], master: 'lan' },
    { ifname: 'wg0', link_type: 'none', flags: ['UP'], linkinfo: { info_kind: 'wireguard' } },
    { dst: '192.0.2.7', dev: 'eth0', lladdr: '00:16:3e:00:00:07', state: ['REACHABLE'] },
    { dst: '192.0.2.1', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
    { dst: 'default', gateway: '192.0.2.1', dev: 'eth0', flags: [] },
  ]),
).value
const gateways = findGateways(routes.nextHops, routes, neighbours, interfaces)
const facts: HostFacts = { ...UNKNOWN_HOST, interfaces, neighbours, gateways }

function caller(remote: string, answer: object): SshConnection | undefined {
  const { established } = readSockets(`tcp ESTAB 0 0 192.0.2.2:22 ${remote}:5000`).value
  return sshConnectionsOf(established, readRouteAnswers(JSON.stringify([answer])).value, facts)[0]
}

test('the machine: what others see as its MAC, and the caller who is a neighbour', () => {
  const who = whoAmI(facts, caller('192.0.2.7', { dst: '192.0.2.7', dev: 'eth0' }))
  assert.deepEqual(whoAmILines(who), [
    'eth0  00:16:3e:00:00:02  192.0.2.2/24  2001:db8::2/64',
    'lan   52:54:00:00:00:03 (local)  (down)',
    'eth1  part of lan, seen with its MAC',
    'wg0   no MAC address',
    "gateway 192.0.2.1 on eth0, MAC 00:16:3e:00:00:01: beyond it, others see its MAC, never this machine's",
    'you are 192.0.2.7 on eth0, with the MAC 00:16:3e:00:00:07',
  ])
})

test('a caller behind a gateway, one without a MAC, and none', () => {
  const last = (connection: SshConnection | undefined) => whoAmILines(whoAmI(facts, connection)).at(-1)
  assert.equal(
    last(caller('198.51.100.9', { dst: '198.51.100.9', gateway: '192.0.2.1', dev: 'eth0' })),
    'you are 198.51.100.9, through the gateway 192.0.2.1 on eth0: known by your address, never by a MAC',
  )
  assert.equal(
    last(caller('10.8.0.2', { dst: '10.8.0.2', dev: 'wg0' })),
    'you are 10.8.0.2 on wg0: no MAC of yours is seen',
  )
  assert.match(last(undefined) ?? '', /^gateway/)
})

test('the JSON has a version and no empty fields', () => {
  const who = whoAmI(facts, undefined)
  assert.equal(who.version, 1)
  assert.equal('you' in who, false)
  assert.deepEqual(who.interfaces[2], {
    name: 'eth1',
    kind: 'physical',
    up: true,
    localMac: false,
    addresses: [],
    master: 'lan',
  })
  assert.deepEqual(whoAmILines(whoAmI(UNKNOWN_HOST, undefined)), [])
})

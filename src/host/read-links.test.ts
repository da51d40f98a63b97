import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { findGateways } from './gateways.ts'
import { readLinks } from './read-links.ts'
import { readNextHops, readRoutes } from './read-routes.ts'

/** Interfaces as iproute2 6.1 prints them with -d, cut to the fields that matter; kinds that few kernels here have. */
const LINKS: readonly (readonly [string, object, object])[] = [
  [
    'loopback',
    { ifname: 'lo', link_type: 'loopback', address: '00:00:00:00:00:00', flags: ['LOOPBACK', 'UP'] },
    { name: 'lo', kind: 'loopback', ethernet: false, addresses: [], up: true },
  ],
  [
    'a card: no linkinfo',
    { ifname: 'eth0', link_type: 'ether', address: '52:54:00:AA:00:01', flags: ['BROADCAST', 'UP'] },
    { name: 'eth0', kind: 'physical', ethernet: true, mac: '52:54:00:aa:00:01', addresses: [], up: true },
  ],
  [
    'bond',
    { ifname: 'bond0', link_type: 'ether', address: '52:54:00:00:00:02', linkinfo: { info_kind: 'bond' } },
    { name: 'bond0', kind: 'bond', ethernet: true, mac: '52:54:00:00:00:02', addresses: [], up: false },
  ],
  [
    'bond slave',
    {
      ifname: 'eth1',
      link_type: 'ether',
      address: '52:54:00:00:00:02',
      master: 'bond0',
      linkinfo: { info_slave_kind: 'bond', info_slave_data: { state: 'ACTIVE', mii_status: 'UP' } },
    },
    {
      name: 'eth1',
      kind: 'physical',
      ethernet: true,
      mac: '52:54:00:00:00:02',
      addresses: [],
      up: false,
      master: { name: 'bond0', kind: 'bond' },
    },
  ],
  [
    'VLAN on the bond, with a dot in its name',
    {
      ifname: 'bond0.7',
      link: 'bond0',
      link_type: 'ether',
      address: '52:54:00:00:00:02',
      linkinfo: { info_kind: 'vlan', info_data: { protocol: '802.1Q', id: 7, flags: ['REORDER_HDR'] } },
    },
    { name: 'bond0.7', kind: 'vlan', ethernet: true, mac: '52:54:00:00:00:02', addresses: [], up: false },
  ],
  [
    'WireGuard: no link layer, flags as the kernel gives them',
    {
      ifname: 'wg0',
      link_type: 'none',
      flags: ['POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP'],
      linkinfo: { info_kind: 'wireguard' },
      addr_info: [{ family: 'inet', local: '10.8.0.1', prefixlen: 24, scope: 'global', label: 'wg0' }],
    },
    {
      name: 'wg0',
      kind: 'wireguard',
      ethernet: false,
      addresses: [{ address: '10.8.0.1', prefix: 24, scope: 'global' }],
      up: true,
    },
  ],
  [
    'PPP, with a peer',
    {
      ifname: 'ppp0',
      link_type: 'ppp',
      flags: ['POINTOPOINT', 'UP'],
      addr_info: [
        { family: 'inet', local: '100.64.0.9', address: '100.64.0.1', prefixlen: 32, scope: 'global' },
      ],
    },
    {
      name: 'ppp0',
      kind: 'ppp',
      ethernet: false,
      addresses: [{ address: '100.64.0.9', prefix: 32, scope: 'global' }],
      up: true,
    },
  ],
  [
    'VRF and its member',
    {
      ifname: 'blue',
      link_type: 'ether',
      address: '52:54:00:00:00:0b',
      linkinfo: { info_kind: 'vrf', info_data: { table: 10 } },
    },
    { name: 'blue', kind: 'vrf', ethernet: true, mac: '52:54:00:00:00:0b', addresses: [], up: false },
  ],
  [
    'dummy',
    { ifname: 'dummy0', link_type: 'ether', address: '52:54:00:00:00:0d', linkinfo: { info_kind: 'dummy' } },
    { name: 'dummy0', kind: 'dummy', ethernet: true, mac: '52:54:00:00:00:0d', addresses: [], up: false },
  ],
  [
    'a kind that admit does not tell apart, with a scope it does not know',
    {
      ifname: 'vx0',
      link_type: 'ether',
      address: '52:54:00:00:00:0e',
      linkinfo: { info_kind: 'vxlan' },
      addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24, scope: '77' }, {}],
    },
    {
      name: 'vx0',
      kind: 'other',
      ethernet: true,
      mac: '52:54:00:00:00:0e',
      addresses: [{ address: '192.0.2.1', prefix: 24, scope: 'other' }],
      up: false,
    },
  ],
  [
    'InfiniBand: an address, but no MAC',
    {
      ifname: 'ib0',
      link_type: 'infiniband',
      address: '80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:1d:73:11',
    },
    { name: 'ib0', kind: 'other', ethernet: false, addresses: [], up: false },
  ],
]

describe('interfaces', () => {
  for (const [title, printed, expected] of LINKS) {
    test(title, () => {
      // The master's kind is known by its own entry.
      const bond = { ifname: 'bond0', link_type: 'ether', linkinfo: { info_kind: 'bond' } }
      const { value, notes } = readLinks(JSON.stringify([printed, bond]))
      assert.deepEqual(value.interfaces[0], expected)
      assert.deepEqual(notes, [])
    })
  }

  test('a master that is not listed has the kind that its member tells', () => {
    const printed = {
      ifname: 'eth2',
      link_type: 'ether',
      master: 'ovs',
      linkinfo: { info_slave_kind: 'openvswitch' },
    }
    const { value } = readLinks(JSON.stringify([printed]))
    assert.deepEqual(value.interfaces[0]?.master, { name: 'ovs', kind: 'other' })
  })

  test('a name that no policy can hold is a note, and the rest is read', () => {
    const printed = [{ ifname: 'a"b', link_type: 'ether' }, { ifname: 'eth0', link_type: 'ether' }, {}]
    const { value, notes } = readLinks(JSON.stringify(printed))
    assert.deepEqual(
      value.interfaces.map((link) => link.name),
      ['eth0'],
    )
    assert.match(notes.join(), /^the interface "a\\"b" cannot be named in a policy/)
  })

  test('a bridge may send its frames through iptables by itself', () => {
    const bridge = {
      ifname: 'br0',
      linkinfo: { info_kind: 'bridge', info_data: { nf_call_iptables: 1, nf_call_ip6tables: 0 } },
    }
    assert.deepEqual(readLinks(JSON.stringify([bridge])).value.bridgesCallNetfilter, { ip: true, ip6: false })
  })
})

describe('neighbours', () => {
  test('those with a MAC of one sender', () => {
    const printed = [
      { dst: '192.0.2.7', dev: 'eth0', lladdr: '00:16:3e:00:00:07', state: ['STALE'] },
      { dst: 'fe80::1', dev: 'eth0', lladdr: '00:16:3e:00:00:01', router: null, state: ['REACHABLE'] },
      { dst: '192.0.2.8', dev: 'eth0', state: ['INCOMPLETE'] },
      { dst: '192.0.2.9', dev: 'eth0', lladdr: '00:16:3e:00:00:09', state: ['FAILED'] },
      { dst: 'ff02::1', dev: 'eth0', lladdr: '33:33:00:00:00:01', state: ['NOARP'] },
      { dst: '10.8.0.2', dev: 'wg0', lladdr: '00:00:00:00:00:00', state: ['NOARP'] },
    ]
    assert.deepEqual(readLinks(JSON.stringify(printed)).value.neighbours, [
      { interface: 'eth0', address: '192.0.2.7', mac: '00:16:3e:00:00:07' },
      { interface: 'eth0', address: 'fe80::1', mac: '00:16:3e:00:00:01' },
    ])
  })
})

describe('gateways', () => {
  const neighbour = { interface: 'eth0', address: '198.51.100.7', mac: '00:16:3e:00:00:01' }

  test('next hops that a route names by id only are asked for', () => {
    const routes = readRoutes([{ dst: '10.0.0.0/8', nhid: 5, flags: [] }])
    assert.equal(routes.byId, true)
    const group =
      '[{"id":5,"gateway":"192.0.2.9","dev":"eth0","flags":[]},{"id":6,"group":[{"id":5}],"flags":[]}]'
    assert.deepEqual(readNextHops(group), { value: [{ interface: 'eth0', address: '192.0.2.9' }], notes: [] })
  })

  test('on a link whose default route has no next hop, whoever answers for far addresses is one', () => {
    const printed = [
      {
        ifname: 'eth0',
        link_type: 'ether',
        addr_info: [{ local: '203.0.113.5', prefixlen: 24, scope: 'global' }],
      },
      { dst: 'default', dev: 'eth0', scope: 'link', flags: [] },
      { dst: '203.0.113.0/24', dev: 'eth0', scope: 'link', flags: [] },
      { dst: '198.51.100.7', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
      { dst: '203.0.113.9', dev: 'eth0', lladdr: '00:16:3e:00:00:09', state: ['REACHABLE'] },
      { dst: 'fe80::9', dev: 'eth0', lladdr: '00:16:3e:00:00:09', state: ['REACHABLE'] },
    ]
    const { routes, neighbours, interfaces } = readLinks(JSON.stringify(printed)).value
    assert.deepEqual(findGateways(routes.nextHops, routes, neighbours, interfaces), [neighbour])
  })

  test('with a next hop, far neighbours are only neighbours', () => {
    const printed = [
      { dst: 'default', gateway: '192.0.2.1', dev: 'eth0', flags: [] },
      { dst: '198.51.100.7', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
    ]
    const { routes, neighbours, interfaces } = readLinks(JSON.stringify(printed)).value
    assert.deepEqual(findGateways(routes.nextHops, routes, neighbours, interfaces), [
      { interface: 'eth0', address: '192.0.2.1' },
    ])
  })
})

describe('output that is not as expected', () => {
  test('one line that is no JSON costs that line only', () => {
    const { value, notes } = readLinks('[{"ifname":"eth0"}]\n[{"broken\n[]\n')
    assert.equal(value.interfaces.length, 1)
    assert.match(notes.join(), /1 of 3 lines/)
  })

  test('nothing at all is nothing', () => {
    assert.deepEqual(readLinks('').notes, [])
    assert.deepEqual(readLinks('\n').value.interfaces, [])
  })

  test('any text and any JSON is read without a crash', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.ok(readLinks(text))))
    const keys = fc.constantFrom(
      'ifname',
      'dst',
      'state',
      'dev',
      'linkinfo',
      'addr_info',
      'via',
      'nexthops',
      'gateway',
    )
    const record = fc.dictionary(keys, fc.jsonValue())
    fc.assert(fc.property(fc.array(record), (records) => assert.ok(readLinks(JSON.stringify(records)))))
  })
})

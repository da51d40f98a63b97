import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { interfaceNamed, ip, mac, SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import type { NetworkInterface } from './host-facts.ts'
import type { RouteAnswer } from './ssh-connections.ts'
import type { Peer } from './ways.ts'
import { peerKey, wayQuestions, waysOf } from './ways.ts'

const own = ip('192.0.2.1')

function wayTo(peer: Peer, answer: Omit<RouteAnswer, 'to'>, links = SAMPLE_HOST) {
  return waysOf([peer], [{ to: peer.address, ...answer }], links).get(peerKey(peer))
}

describe('the way of a peer', () => {
  test('a neighbour’s packets carry its MAC', () => {
    const way = wayTo({ address: ip('192.168.1.7'), own }, { from: own, interface: interfaceNamed('br0') })
    assert.deepEqual(way, { interface: 'br0', macs: ['00:16:3e:00:00:07'] })
  })

  test('who is no neighbour has no known MAC', () => {
    const way = wayTo({ address: ip('192.168.1.8'), own }, { from: own, interface: interfaceNamed('br0') })
    assert.deepEqual(way, { interface: 'br0', macs: [] })
  })

  test('behind a gateway it is the MAC of any gateway on that link', () => {
    const gateway = ip('192.0.2.254')
    const second = {
      interface: interfaceNamed('eth0'),
      address: ip('192.0.2.253'),
      mac: mac('fe:00:00:00:01:02'),
    }
    const links = { ...SAMPLE_HOST, gateways: [...SAMPLE_HOST.gateways, second] }
    const way = wayTo(
      { address: ip('203.0.113.7'), own },
      { from: own, interface: interfaceNamed('eth0'), gateway },
      links,
    )
    assert.deepEqual(way, { interface: 'eth0', gateway, macs: ['fe:00:00:00:01:01', 'fe:00:00:00:01:02'] })
  })

  test('an interface without Ethernet shows none, and a VRF or bond shows itself', () => {
    const tunnel = wayTo({ address: ip('10.9.0.2'), own }, { from: own, interface: interfaceNamed('wg0') })
    assert.deepEqual(tunnel, { interface: 'wg0' })
    const inVrf: NetworkInterface = {
      name: interfaceNamed('eth7'),
      kind: 'physical',
      ethernet: true,
      addresses: [],
      up: true,
      master: { name: interfaceNamed('blue'), kind: 'vrf' },
    }
    const links = { ...SAMPLE_HOST, interfaces: [inVrf] }
    const way = wayTo({ address: ip('10.9.0.3'), own }, { from: own, interface: inVrf.name }, links)
    assert.deepEqual(way, { interface: 'blue', macs: [] })
  })

  test('a peer with a zone is asked about there, one without an answer has no way', () => {
    const zone = interfaceNamed('eth0')
    const near: Peer = { address: ip('fe80::2'), own: ip('fe80::1'), zone }
    const far: Peer = { address: ip('198.51.100.9'), own }
    const forwarded: Peer = { address: ip('198.51.100.9') }
    assert.deepEqual(wayQuestions([near, far, far, forwarded]), [
      'route get fe80::2 from fe80::1 oif eth0',
      'route get 198.51.100.9 from 192.0.2.1',
      'route get 198.51.100.9',
    ])
    const other: RouteAnswer = { to: near.address, from: ip('fe80::1'), interface: interfaceNamed('br0') }
    const ways = waysOf([near, far], [other, { ...other, interface: zone }], SAMPLE_HOST)
    assert.equal(ways.get(peerKey(near))?.interface, 'eth0')
    assert.equal(ways.get(peerKey(far)), undefined)
  })
})

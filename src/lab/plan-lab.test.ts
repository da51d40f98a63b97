import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bound,
  byAddress,
  byMac,
  device,
  face,
  gateway,
  grant,
  host,
  link,
  mac,
  PING,
  policy,
  service,
} from '../../tests/kernel/lab-fixtures.ts'
import type { LabPlan } from './lab-plan.ts'
import { planLab } from './plan-lab.ts'

const SSH = service('ssh', '22/tcp')
const MEANS = { now: 1_800_000_000, tun: true }
const ETH0 = link('eth0', 'physical', ['192.168.1.10/24', '2001:db8:1::10/64', 'fe80::10/64'])

/** Who stands where, and with which addresses: `laptop@eth0 192.168.1.1 2001:db8:1::1`. */
function crowd(plan: LabPlan): readonly string[] {
  return plan.callers.map((caller) => {
    const probes = plan.probes.filter((probe) => probe.caller === caller.id && probe.kind === 'ping')
    return `${caller.title}@${caller.on} ${probes.map((probe) => probe.packet.source).join(' ')}`
  })
}

describe('who stands where', () => {
  test('a MAC on every Ethernet link, an address where it belongs, a stranger on each link', () => {
    const facts = host([
      ETH0,
      link('eth1', 'physical', ['10.0.0.1/8']),
      link('wg0', 'wireguard', ['10.8.0.1/24']),
    ])
    const plan = planLab(
      policy([device('laptop', [byMac('00:16:3e:00:00:01')]), device('vpn', [byAddress('10.8.0.7')])], []),
      facts,
      MEANS,
    )
    assert.deepEqual(crowd(plan), [
      'laptop@eth0 192.168.1.1 2001:db8:1::1',
      'laptop@eth1 10.0.0.2',
      // Both eth1 and wg0 have it; the host's answers go by the longer prefix.
      'vpn@wg0 10.8.0.7',
      'stranger@eth0 192.168.1.2 2001:db8:1::2',
      'stranger@eth1 10.0.0.3',
      'stranger@wg0 10.8.0.2',
      'this host itself@lo 127.0.0.1 ::1',
    ])
  })

  test('strangers and MAC devices never take an address that is somebody’s', () => {
    const facts = host([link('eth0', 'physical', ['192.0.2.1/29'])], {
      gateways: [gateway('eth0', '192.0.2.2')],
      neighbours: [
        {
          interface: face('eth0'),
          address: gateway('eth0', '192.0.2.3').address,
          mac: mac('00:16:3e:00:00:77'),
        },
      ],
    })
    const plan = planLab(policy([device('desk', [byAddress('192.0.2.4')])], []), facts, MEANS)
    assert.deepEqual(crowd(plan), [
      'desk@eth0 192.0.2.4',
      'the router@eth0 192.0.2.2',
      'behind the router@eth0 198.51.100.1',
      'stranger@eth0 192.0.2.5',
      'this host itself@lo 127.0.0.1 ::1',
    ])
  })

  test('a link that is full of somebody’s addresses gets a stranger from elsewhere, and the host a way to it', () => {
    const facts = host([link('eth0', 'physical', ['192.168.1.10/24'])])
    const plan = planLab(policy([device('lan', [byAddress('192.168.1.0/24')])], []), facts, MEANS)
    assert.deepEqual(crowd(plan).slice(0, 2), ['lan@eth0 192.168.1.1', 'stranger@eth0 198.51.100.1'])
    assert.deepEqual(plan.hostRoutes.slice(1), [
      { destination: { address: '198.51.100.1', prefix: 32 }, family: 'ip', interface: 'eth0' },
    ])
  })

  test('gateways with one MAC are one router, and the device that has the MAC is it', () => {
    const facts = host([ETH0], {
      gateways: [
        gateway('eth0', '192.168.1.1', 'fe:00:00:00:01:01'),
        gateway('eth0', 'fe80::1', 'fe:00:00:00:01:01'),
      ],
    })
    const plan = planLab(
      policy([device('uplink', [byMac('fe:00:00:00:01:01')], { everyoneBehind: 'gateway' })], []),
      facts,
      MEANS,
    )
    assert.deepEqual(crowd(plan).slice(0, 2), [
      'uplink, the router@eth0 192.168.1.1 fe80::1 2001:db8:1::1',
      'behind the router@eth0 198.51.100.1 2001:db8:ad31::1',
    ])
    const behind = plan.probes.find((probe) => probe.caller === 'router0-behind')
    assert.equal(behind?.packet.mac, 'fe:00:00:00:01:01')
    assert.equal(behind?.packet.hopLimit, 63)
  })

  test('what cannot stand anywhere is said', () => {
    const facts = host([link('tun0', 'tun', ['10.8.0.1/24']), link('eth9', 'physical', [], { up: false })])
    const devices = [
      device('laptop', [byMac('00:16:3e:00:00:01')]),
      device('office', [byAddress('203.0.113.7')]),
      device('desk', [bound('00:16:3e:00:00:07', '10.8.0.7')]),
    ]
    assert.deepEqual(planLab(policy(devices, []), facts, MEANS).notes, [
      'eth9 is down and was left out',
      'laptop (00:16:3e:00:00:01) was not tried: the host has no Ethernet link with an address',
      'office (203.0.113.7) was not tried: no link and no gateway leads there',
      'desk (00:16:3e:00:00:07 10.8.0.7) was not tried: no Ethernet link can show it',
    ])
    assert.deepEqual(
      planLab(policy([devices[0] ?? device('x', [])], []), facts, { ...MEANS, tun: false }).notes,
      [
        'tun0 (tun) was left out: copying it takes a /dev/net/tun that may be used',
        'eth9 is down and was left out',
        'laptop (00:16:3e:00:00:01) was not tried: the host has no Ethernet link with an address',
      ],
    )
  })
})

describe('what is tried', () => {
  test('ping, every named service by each of its ports, and a port that nobody names', () => {
    const wide = service('wide', '39990-40010/tcp')
    const plan = planLab(
      policy(
        [device('a', [byMac('00:16:3e:00:00:01')])],
        [grant(['a'], [PING, service('8080/tcp', '8080/tcp')])],
        {
          services: [SSH, wide],
        },
      ),
      host([link('eth0', 'physical', ['192.168.1.10/24'])]),
      MEANS,
    )
    assert.deepEqual(
      plan.services.map((one) => one.title),
      ['ping', 'ssh', 'wide', '8080/tcp', 'port 40011'],
    )
    assert.deepEqual(
      plan.probes
        .filter((one) => one.caller === 'device0@eth0')
        .map((one) => `${one.kind} ${one.port ?? ''}`.trim()),
      ['ping', 'tcp 22', 'tcp 39990', 'tcp 40010', 'tcp 8080', 'tcp 40011', 'udp 40011'],
    )
    assert.match(plan.notes.join(), /of 39990-40010\/tcp \(wide\) the first and last port are tried/)
  })

  test('a link with no other IPv6 address is dialled by its link-local one', () => {
    const plan = planLab(policy([], []), host([link('eth0', 'physical', ['fe80::10/64'])]), MEANS)
    const [probe] = plan.probes
    assert.equal(probe?.destination, 'fe80::10')
    assert.equal(probe?.zone, 'eth0')
    assert.match(probe?.packet.source ?? '', /^fe80::/)
  })
})

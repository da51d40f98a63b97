import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { interfaceNamed, ip, mac, SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { compile } from '../compile/compile.ts'
import type { Approach, PeerVerdict } from './refused.ts'
import { peerJudge } from './refused.ts'

const NOW = 1_800_000_000

function judgeOf(devices: string, grants: string, host = '{}') {
  const policy = policyOf(
    `admit: 1
host: ${host}
devices:
${devices}
services:
  talk: [7000/tcp, 7000/udp]
grants:
${grants}
safety: { admins: 0 }
`,
    NOW,
  )
  return peerJudge(compile(policy, SAMPLE_HOST, { now: NOW - 60 }), SAMPLE_HOST, NOW)
}

const near: Approach = {
  protocol: 'tcp',
  source: ip('192.168.1.7'),
  sourcePort: 50122,
  destination: ip('192.168.1.1'),
  destinationPort: 7000,
  way: { interface: interfaceNamed('br0'), macs: [mac('00:16:3e:00:00:07')] },
}
const unknown: Approach = { ...near, way: { interface: interfaceNamed('br0'), macs: [] } }

describe('what the rules do to a peer', () => {
  const byMac = judgeOf('  phone: { mac: 00:16:3e:00:00:07 }', '  - { from: phone, to: talk }')
  const byAddress = judgeOf('  phone: { address: 192.168.1.7 }', '  - { from: phone, to: talk }')
  const bound = judgeOf(
    '  phone: { bound: { mac: 00:16:3e:00:00:07, address: 192.168.1.7 } }',
    '  - { from: phone, to: talk }',
  )
  const cases: readonly (readonly [string, ReturnType<typeof judgeOf>, Approach, PeerVerdict])[] = [
    ['its MAC is listed', byMac, near, 'admitted'],
    [
      'another MAC',
      byMac,
      { ...near, way: { interface: interfaceNamed('br0'), macs: [mac('00:16:3e:00:00:08')] } },
      'refused',
    ],
    ['a port that is not granted', byMac, { ...near, destinationPort: 22 }, 'refused'],
    ['its MAC is not known, and some MAC may', byMac, unknown, 'undecided'],
    ['its MAC is not known, and none may', byMac, { ...unknown, destinationPort: 22 }, 'refused'],
    ['its MAC is not known and does not matter', byAddress, unknown, 'admitted'],
    [
      'its MAC is not known and does not help',
      byAddress,
      { ...unknown, source: ip('192.168.1.8') },
      'refused',
    ],
    ['bound, its MAC not known', bound, unknown, 'undecided'],
    ['bound to another address', bound, { ...unknown, source: ip('192.168.1.8') }, 'refused'],
    [
      'over a tunnel no MAC is seen',
      byMac,
      { ...near, way: { interface: interfaceNamed('wg0') } },
      'refused',
    ],
    ['over lo', byMac, { ...near, way: { interface: interfaceNamed('lo') } }, 'admitted'],
  ]
  for (const [what, judge, approach, expected] of cases) {
    test(what, () => assert.equal(judge(approach), expected))
  }

  test('without a way back every interface is tried', () => {
    const { way: _, ...lost } = near
    assert.equal(byAddress(lost), 'admitted')
    const onBridge = judgeOf('  phone: { address: 192.168.1.7 }', '  - { from: phone, to: talk, on: br0 }')
    assert.equal(onBridge(lost), 'undecided')
    assert.equal(onBridge({ ...lost, destinationPort: 22 }), 'refused')
  })

  test('two routers of which one is listed', () => {
    const judge = judgeOf(
      '  uplink: { mac: fe:00:00:00:01:01, everyone-behind: gateway }',
      '  - { from: uplink, to: talk }',
    )
    const listed = mac('fe:00:00:00:01:01')
    const by = (macs: readonly (typeof listed)[]): Approach => ({
      ...near,
      source: ip('203.0.113.7'),
      way: { interface: interfaceNamed('eth0'), gateway: ip('192.0.2.254'), macs },
    })
    assert.equal(judge(by([listed])), 'admitted')
    assert.equal(judge(by([listed, mac('fe:00:00:00:01:02')])), 'undecided')
    assert.equal(judge(by([mac('fe:00:00:00:01:02')])), 'refused')
  })

  test('past its `until`, and before', () => {
    const until = (at: number): string => new Date(at * 1000).toISOString().replace('.000', '')
    const grants = '  - { from: phone, to: talk }'
    const judge = (at: number): PeerVerdict =>
      judgeOf(`  phone: { mac: 00:16:3e:00:00:07, until: ${until(at)} }`, grants)(near)
    assert.equal(judge(NOW + 10), 'admitted')
    assert.equal(judge(NOW - 10), 'refused')
  })

  test('an unguarded interface, and a DHCP server’s answer', () => {
    const judge = judgeOf(
      '  phone: { address: 10.0.0.1 }',
      '  - { from: phone, to: talk }',
      '{ unguarded: [br0] }',
    )
    assert.equal(judge(near), 'admitted')
    const dhcp = {
      ...near,
      protocol: 'udp',
      destinationPort: 68,
      way: { interface: interfaceNamed('eth0') },
    } as const
    assert.equal(judge({ ...dhcp, sourcePort: 67 }), 'admitted')
    assert.equal(judge({ ...dhcp, sourcePort: 6767 }), 'refused')
  })

  test('what is forwarded: by its destination, or by what the client dialled', () => {
    const judge = judgeOf(
      '  phone: { mac: 00:16:3e:00:00:07 }',
      '  - { from: phone, to: talk, through: 10.1.0.0/16 }\n  - { from: phone, to: talk }',
      '{ forward: guard }',
    )
    const onward = { ...near, destination: ip('10.1.0.5'), onward: { oif: interfaceNamed('eth0') } }
    assert.equal(judge(onward), 'admitted')
    assert.equal(judge({ ...onward, destination: ip('10.2.0.5') }), 'refused')
    const published = { ...onward, destination: ip('172.17.0.2'), destinationPort: 80 }
    assert.equal(judge(published), 'refused')
    assert.equal(judge({ ...published, onward: { ...onward.onward, dialled: 7000 } }), 'admitted')
    assert.equal(judge({ ...published, answers: true }), 'admitted')
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { parseCaseHost } from '../../tests/support/case-host.ts'
import { parsePackets } from '../../tests/support/case-packets.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { AdmittedReason, Judgement, RefusedReason } from './meaning.ts'
import { isExpired, judge, recognises } from './meaning.ts'
import type { Policy } from './policy.ts'

const NOW = 1_800_000_000

const HOST = parseCaseHost(`
interface lo loopback
interface eth0 physical 52:54:00:00:00:01 192.0.2.1/24 2001:db8::1/64
interface br0 bridge 52:54:00:00:00:02 10.0.0.1/24
interface wg0 wireguard
interface docker0 bridge 02:42:00:00:00:01
`)
const FACTS: HostFacts = HOST.facts ?? assert.fail('no facts')

function policy(forward: Policy['host']['forward'] = 'guard'): Policy {
  return policyOf(
    `admit: 1
safety: { admins: 0 }
host: { forward: ${forward}, unguarded: docker0 }
devices:
  laptop: { mac: 00:16:3e:00:00:01 }
  guest: { mac: 00:16:3e:00:00:02, until: 2026-01-01T00:00:00Z }
  desk: { bound: { mac: 00:16:3e:00:00:03, address: 192.0.2.3 }, address: 203.0.113.0/24 }
grants:
  - { from: [laptop, guest, desk], to: ssh }
  - { from: anyone, to: https, on: eth0 }
`,
    NOW,
  )
}

function judgeLine(line: string, of: Policy = policy()): Judgement {
  const [parsed] = parsePackets(line, { facts: FACTS, now: NOW })
  assert.ok(parsed?.kind === 'packet')
  return judge(of, FACTS, parsed.packet)
}

/** One packet for each reason that there is. */
const ADMITTED: Readonly<Record<AdmittedReason['kind'], readonly [string, Policy['host']['forward']?]>> = {
  output: ['eth0 192.0.2.1 → 203.0.113.5 443/tcp leaves'],
  loopback: ['lo 127.0.0.1 → 127.0.0.1 22/tcp'],
  unguarded: ['docker0 02:42:00:00:00:02 172.17.0.2 → 22/tcp'],
  reply: ['eth0 00:00:5e:00:53:01 203.0.113.5 → 40000/tcp reply'],
  'related-error': ['eth0 00:00:5e:00:53:01 203.0.113.5 → icmp 3 related'],
  'network-need': ['eth0 00:00:5e:00:53:01 fe80::9 → icmpv6 135 hop 255'],
  grant: ['eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp'],
  'forward-keep': ['eth0 00:00:5e:00:53:01 192.0.2.9 → 10.0.0.5 22/tcp forward to br0', 'keep'],
  bridged: ['br0 00:00:5e:00:53:01 10.0.0.5 → 10.0.0.6 22/tcp forward to br0'],
}
const REFUSED: Readonly<Record<RefusedReason['kind'], readonly [string, Policy['host']['forward']?]>> = {
  invalid: ['eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp invalid'],
  'no-grant': ['eth0 00:16:3e:00:00:01 192.0.2.9 → 23/tcp'],
  'forward-drop': ['eth0 00:16:3e:00:00:01 192.0.2.9 → 10.0.0.5 22/tcp forward to br0', 'drop'],
  'picked-up': ['wg0 10.9.0.2 → 10.0.0.5 22/tcp flags ack forward to br0'],
}

describe('every reason', () => {
  for (const [kind, [line, forward]] of Object.entries(ADMITTED)) {
    test(`to admit: ${kind}`, () => {
      const { verdict, reason } = judgeLine(line, policy(forward))
      assert.deepEqual([verdict, reason.kind], ['admitted', kind])
    })
  }
  for (const [kind, [line, forward]] of Object.entries(REFUSED)) {
    test(`to refuse: ${kind}`, () => {
      const { verdict, reason } = judgeLine(line, policy(forward))
      assert.deepEqual([verdict, reason.kind], ['refused', kind])
    })
  }
})

describe('the reason of a grant', () => {
  test('names the grant, its place, and the device; none where anyone may', () => {
    const own = judgeLine('eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp')
    assert.ok(own.reason.kind === 'grant')
    assert.equal(own.reason.device?.name, 'laptop')
    assert.deepEqual([own.place?.path, own.place?.line], ['grants[0]', 9])
    const anyone = judgeLine('eth0 00:16:3e:00:00:01 192.0.2.9 → 443/tcp')
    assert.ok(anyone.reason.kind === 'grant')
    assert.equal(anyone.reason.device, undefined)
    assert.equal(anyone.place?.path, 'grants[1]')
  })

  test('of a refusal names who was recognised, and whose time is over', () => {
    const stranger = judgeLine('eth0 00:00:5e:00:53:01 198.51.100.9 → 22/tcp')
    assert.deepEqual(stranger.reason, { kind: 'no-grant', recognised: [], expired: [] })
    const guest = judgeLine('eth0 00:16:3e:00:00:02 203.0.113.9 → 80/tcp')
    assert.ok(guest.reason.kind === 'no-grant')
    assert.deepEqual(
      [guest.reason.recognised, guest.reason.expired].map((list) => list.map((device) => device.name)),
      [['guest', 'desk'], ['guest']],
    )
  })
})

describe('the order of the meaning', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['lo before invalid', 'lo 127.0.0.1 → 127.0.0.1 22/tcp invalid', 'loopback'],
    ['invalid before the grants', 'eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp invalid', 'invalid'],
    [
      'invalid before what the network needs',
      'eth0 00:00:5e:00:53:01 fe80::9 → icmpv6 135 hop 255 invalid',
      'invalid',
    ],
    ['replies before the grants', 'eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp reply', 'reply'],
    ['a marked reply is judged', 'eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp reply marked', 'grant'],
    [
      'an established original is judged',
      'eth0 00:00:5e:00:53:01 192.0.2.9 → 22/tcp established',
      'no-grant',
    ],
    [
      'bridged before invalid',
      'br0 00:00:5e:00:53:01 10.0.0.5 → 10.0.0.6 22/tcp invalid forward to br0',
      'bridged',
    ],
    [
      'picked up before unguarded',
      'docker0 02:42:00:00:00:02 172.17.0.2 → 10.0.0.5 22/tcp flags ack forward to br0',
      'picked-up',
    ],
    [
      'towards an unguarded interface a connection may begin in the middle',
      'wg0 10.9.0.2 → 172.17.0.2 22/tcp flags ack forward to docker0',
      'no-grant',
    ],
    [
      'no network needs are forwarded',
      'eth0 00:00:5e:00:53:01 192.0.2.254 → 10.0.0.5 68/udp from port 67 forward to br0',
      'no-grant',
    ],
  ]
  for (const [title, line, kind] of cases) {
    test(title, () => assert.equal(judgeLine(line).reason.kind, kind))
  }

  test('only a first SYN begins a connection', () => {
    const forwarded = (flags: string): string =>
      judgeLine(`wg0 10.9.0.2 → 10.0.0.5 22/tcp flags ${flags} forward to br0`).reason.kind
    assert.deepEqual(
      ['syn', 'syn psh', 'syn ecn cwr', 'syn ack', 'ack', 'syn fin', 'syn rst', 'rst', 'none'].map(forwarded),
      ['no-grant', 'no-grant', 'no-grant', ...new Array<string>(6).fill('picked-up')],
    )
  })
})

describe('a device', () => {
  test('is recognised by any of its identities', () => {
    const desk = policy().devices.find((device) => device.name === 'desk') ?? assert.fail('no desk')
    const seen = (line: string): boolean => {
      const [parsed] = parsePackets(line, { facts: FACTS, now: NOW })
      return parsed?.kind === 'packet' && recognises(desk, parsed.packet)
    }
    assert.deepEqual(
      [
        'eth0 00:16:3e:00:00:03 192.0.2.3 → 22/tcp',
        'eth0 00:16:3e:00:00:03 192.0.2.4 → 22/tcp',
        'eth0 00:16:3e:00:00:04 192.0.2.3 → 22/tcp',
        'wg0 192.0.2.3 → 22/tcp',
        'wg0 203.0.113.200 → 22/tcp',
      ].map(seen),
      [true, false, false, false, true],
    )
  })

  test('expires after its last second', () => {
    const [laptop, guest] = policy().devices
    assert.ok(laptop !== undefined && guest?.until !== undefined)
    assert.deepEqual(
      [isExpired(laptop, 1e12), isExpired(guest, guest.until), isExpired(guest, guest.until + 0.5)],
      [false, false, true],
    )
  })
})

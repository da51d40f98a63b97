import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { evaluate } from '../analysis/evaluate.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Port } from '../net/port.ts'
import type { Packet } from '../packet/packet.ts'
import type { ServicePart, Target } from '../policy/policy.ts'
import { verdict } from '../ruleset/build.ts'
import { ip, mac } from '../../tests/support/sample-host.ts'
import { interfaceNamed } from '../../tests/support/sample-host.ts'
import type { Way } from './services.ts'
import { dialledWaysTo, waysTo } from './services.ts'

const service = (...parts: readonly ServicePart[]): Target => ({
  kind: 'service',
  service: { name: 'test', parts },
})
const ports = (protocol: 'tcp' | 'udp' | 'sctp', from: number, to = from): ServicePart => ({
  kind: 'ports',
  protocol,
  from: from as Port,
  to: to as Port,
})

const BASE: Packet = {
  hook: 'input',
  iif: interfaceNamed('eth0'),
  mac: mac('00:16:3e:00:00:01'),
  family: 'ip',
  source: ip('192.0.2.9'),
  destination: ip('192.0.2.1'),
  protocol: PROTOCOL_NUMBER.tcp,
  hopLimit: 64,
  tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
  time: 1_800_000_000,
}

/** Does one of the ways fit the packet? */
function fits(ways: readonly Way[], packet: Packet): boolean {
  const rules = ways.map((way) => ({ statements: [...way.matches, verdict('accept')] }))
  const base = { type: 'filter', hook: packet.hook, priority: 0, policy: 'drop' } as const
  const table = { family: 'inet', name: 't', sets: [], chains: [{ name: 'c', base, rules }] } as const
  return evaluate({ tables: [table] }, packet).verdict === 'accept'
}

describe('the ways to services', () => {
  test('everything is one way without a condition, whatever stands beside it', () => {
    assert.deepEqual(waysTo([{ kind: 'everything' }]), [{ matches: [] }])
    assert.deepEqual(waysTo([service(ports('tcp', 22)), { kind: 'everything' }]), [{ matches: [] }])
  })

  test('ports of one protocol are one way, ranges that touch are joined', () => {
    const ways = waysTo([
      service(ports('tcp', 443), ports('tcp', 80)),
      service(ports('tcp', 81, 90), ports('udp', 53)),
    ])
    assert.equal(ways.length, 2)
    const [match] = ways[0]?.matches ?? []
    assert.ok(match?.kind === 'field' && match.values.kind === 'literal')
    assert.deepEqual(match.fields, ['tcp dport'])
    assert.deepEqual(match.values.elements, [[{ low: 80, high: 90 }], [{ low: 443, high: 443 }]])
  })

  test('ping is two ways, each of one family', () => {
    assert.deepEqual(
      waysTo([service({ kind: 'ping' })]).map((way) => way.family),
      ['ip', 'ip6'],
    )
  })

  test('tunnels are one way', () => {
    const ways = waysTo([
      service({ kind: 'protocol', protocol: 'gre' }, { kind: 'protocol', protocol: 'esp' }),
    ])
    assert.equal(ways.length, 1)
    assert.ok(fits(ways, { ...BASE, protocol: PROTOCOL_NUMBER.gre }))
    assert.ok(fits(ways, { ...BASE, family: 'ip6', source: ip('::1'), protocol: PROTOCOL_NUMBER.esp }))
    assert.ok(!fits(ways, { ...BASE, protocol: PROTOCOL_NUMBER.ah }))
  })

  const part: fc.Arbitrary<ServicePart> = fc.oneof(
    fc
      .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), fc.integer({ min: 1, max: 40 }), fc.nat(10))
      .map(([protocol, from, more]) => ports(protocol, from, from + more)),
    fc.constantFrom<ServicePart>({ kind: 'protocol', protocol: 'esp' }, { kind: 'ping' }),
  )

  test('a packet fits one of the ways where it fits a part', () => {
    const dialled = fc.record({
      protocol: fc.constantFrom<'tcp' | 'udp' | 'sctp'>('tcp', 'udp', 'sctp'),
      port: fc.integer({ min: 1, max: 60 }),
    })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), dialled, (parts, { protocol, port }) => {
        const expected = parts.some(
          (one) => one.kind === 'ports' && one.protocol === protocol && one.from <= port && port <= one.to,
        )
        const packet = { ...BASE, protocol: PROTOCOL_NUMBER[protocol], destinationPort: port }
        assert.equal(fits(waysTo([service(...parts)]), packet), expected)
        // What was dialled counts, not where the translation leads.
        const tracking = { ...BASE.tracking, dnat: true, originalDestinationPort: port }
        const translated = { ...packet, destinationPort: 61, tracking }
        assert.equal(fits(dialledWaysTo([service(...parts)]), translated), expected)
        assert.equal(
          fits(dialledWaysTo([service(...parts)]), { ...translated, tracking: { ...tracking, dnat: false } }),
          false,
        )
      }),
      { numRuns: 500 },
    )
  })
})

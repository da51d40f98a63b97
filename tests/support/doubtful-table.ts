import * as fc from 'fast-check'
import type { FreeField } from '../../src/analysis/representatives.ts'
import { withField } from '../../src/analysis/representatives.ts'
import { cidrRange } from '../../src/net/cidr.ts'
import type { Packet } from '../../src/packet/packet.ts'
import { parseLiteralCidr } from '../../src/ruleset/build.ts'
import type { Rule, Scalar, Statement, Table } from '../../src/ruleset/ruleset.ts'
import { arbitraryTable } from './arbitrary-table.ts'
import { interfaceNamed, ip, mac } from './sample-host.ts'

/** A few tables together, and in their rules statements that admit does not model. */
export function withDoubts(): fc.Arbitrary<readonly Table[]> {
  return fc
    .array(fc.tuple(arbitraryTable(), fc.infiniteStream(fc.nat({ max: 4 }))), { minLength: 1, maxLength: 2 })
    .map((drawn) =>
      drawn.map(([table, dice], number) => ({
        ...table,
        name: `t${number}`,
        chains: table.chains.map((chain) => ({
          ...chain,
          rules: chain.rules.map((rule) => doubtful(rule, dice)),
        })),
      })),
    )
}

function doubtful(rule: Rule, dice: Iterator<number>): Rule {
  const roll = dice.next().value
  if (roll === 0) return { ...rule, statements: [OPAQUE, ...rule.statements] }
  // Fewer matches, so that packets get further than the first rule.
  if (roll === 1) return { ...rule, statements: rule.statements.filter(({ kind }) => kind !== 'field') }
  if (roll === 2)
    return { ...rule, statements: [OPAQUE, ...rule.statements.filter(({ kind }) => kind !== 'field')] }
  return rule
}

const OPAQUE: Statement = { kind: 'opaque', text: 'meta cgroup 7' }

/** First TCP segments for this host, from anywhere. */
export function arbitraryPacket(): fc.Arbitrary<Packet> {
  const family = fc.constantFrom('ip' as const, 'ip6' as const)
  return family.chain((each) =>
    fc.tuple(...freeFields(each).map((free) => arbitraryIn(free))).map((values) =>
      freeFields(each).reduce((packet, { field }, index) => {
        const value = values[index]
        return value === undefined ? packet : withField(packet, field, value)
      }, fixedPacket(each)),
    ),
  )
}

export function fixedPacket(family: 'ip' | 'ip6'): Packet {
  const six = family === 'ip6'
  return {
    hook: 'input',
    iif: interfaceNamed('eth0'),
    mac: mac('00:16:3e:00:00:01'),
    family,
    source: ip(six ? '2001:db8::7' : '192.0.2.7'),
    destination: ip(six ? '2001:db8::1' : '192.0.2.1'),
    protocol: 6,
    sourcePort: 40000,
    destinationPort: 22,
    tcpFlags: 2,
    hopLimit: 64,
    tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
    time: 1_800_000_000,
  }
}

/** All that a sender may choose. */
export function freeFields(family: 'ip' | 'ip6'): readonly FreeField[] {
  const { low, high } = cidrRange(parseLiteralCidr(family === 'ip' ? '0.0.0.0/0' : '::/0'))
  const address = family === 'ip' ? { low: Number(low), high: Number(high) } : { low, high }
  const port = { low: 1, high: 65535 }
  return [
    { field: family === 'ip' ? 'ip saddr' : 'ip6 saddr', domain: [address] },
    { field: family === 'ip' ? 'ip daddr' : 'ip6 daddr', domain: [address] },
    { field: 'tcp sport', domain: [port] },
    { field: 'tcp dport', domain: [port] },
    ...(family === 'ip' ? [] : [{ field: 'ip6 hoplimit', domain: [{ low: 1, high: 255 }] } as const]),
  ]
}

/** A value of the field's domain; its ends often. */
export function arbitraryIn({ domain }: FreeField): fc.Arbitrary<Scalar> {
  return fc.constantFrom(...domain).chain(({ low, high }): fc.Arbitrary<Scalar> => {
    const ends = fc.constantFrom<Scalar>(low, high)
    if (typeof low === 'bigint' && typeof high === 'bigint')
      return fc.oneof(fc.bigInt({ min: low, max: high }), ends)
    return fc.oneof(fc.integer({ min: Number(low), max: Number(high) }), ends)
  })
}

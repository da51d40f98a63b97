import type { Family } from '../net/ip-address.ts'
import type { PortProtocol } from '../net/protocol.ts'
import { PLAIN_PROTOCOLS, PORT_PROTOCOLS, PROTOCOL_NUMBER } from '../net/protocol.ts'
import { ECHO_REQUEST } from '../policy/meaning.ts'
import type { ServicePart, Target } from '../policy/policy.ts'
import { anyBit, isIn, oneOf } from '../ruleset/build.ts'
import { BIT_FIELDS } from '../ruleset/fields.ts'
import type { Interval, Match } from '../ruleset/ruleset.ts'

/** One way to reach a service: the matches of a rule, and the family that alone can fit them, if only one can. */
export interface Way {
  readonly matches: readonly Match[]
  readonly family?: Family
}

/** The ways to the targets on this host. Everything is one way without a match; ports of one protocol are one way. */
export function waysTo(targets: readonly Target[]): readonly Way[] {
  if (targets.some((target) => target.kind === 'everything')) return [{ matches: [] }]
  const parts = partsOf(targets)
  return [
    ...PORT_PROTOCOLS.flatMap((protocol) => {
      const ports = portsOf(parts, protocol)
      if (ports.length === 0) return []
      return [
        {
          matches: [
            isIn(
              [`${protocol} dport`],
              ports.map((port) => [port]),
            ),
          ],
        },
      ]
    }),
    ...otherWays(parts),
  ]
}

/**
 * The ways to the targets by what the client dialled, for connections whose destination was translated. One rule a
 * range: nft 1.0.6 cannot read `ct original proto-dst` in a set, and prints it so that it does not load again.
 */
export function dialledWaysTo(targets: readonly Target[]): readonly Way[] {
  const dnat = anyBit('ct status', BIT_FIELDS['ct status'].dnat)
  if (targets.some((target) => target.kind === 'everything')) return [{ matches: [dnat] }]
  const parts = partsOf(targets)
  return [
    ...PORT_PROTOCOLS.flatMap((protocol) =>
      portsOf(parts, protocol).map((port) => ({
        matches: [
          dnat,
          oneOf('meta l4proto', [PROTOCOL_NUMBER[protocol]]),
          isIn(['ct original proto-dst'], [[port]]),
        ],
      })),
    ),
    ...otherWays(parts).map((way) => ({ ...way, matches: [dnat, ...way.matches] })),
  ]
}

function partsOf(targets: readonly Target[]): readonly ServicePart[] {
  return targets.flatMap((target) => (target.kind === 'service' ? target.service.parts : []))
}

function otherWays(parts: readonly ServicePart[]): readonly Way[] {
  const plain = PLAIN_PROTOCOLS.filter((protocol) =>
    parts.some((part) => part.kind === 'protocol' && part.protocol === protocol),
  )
  const ways: Way[] = []
  if (plain.length > 0) {
    ways.push({
      matches: [
        oneOf(
          'meta l4proto',
          plain.map((protocol) => PROTOCOL_NUMBER[protocol]),
        ),
      ],
    })
  }
  if (parts.some((part) => part.kind === 'ping')) {
    ways.push({ matches: [oneOf('icmp type', [ECHO_REQUEST.ip])], family: 'ip' })
    ways.push({ matches: [oneOf('icmpv6 type', [ECHO_REQUEST.ip6])], family: 'ip6' })
  }
  return ways
}

/** Ports of one protocol as ranges, sorted, joined where they touch: anonymous sets refuse overlaps. */
function portsOf(parts: readonly ServicePart[], protocol: PortProtocol): readonly Interval[] {
  const ranges = parts
    .flatMap((part) => (part.kind === 'ports' && part.protocol === protocol ? [part] : []))
    .map((part) => ({ low: Number(part.from), high: Number(part.to) }))
    .sort((a, b) => a.low - b.low)
  const joined: { low: number; high: number }[] = []
  for (const range of ranges) {
    const last = joined.at(-1)
    if (last !== undefined && range.low <= last.high + 1) last.high = Math.max(last.high, range.high)
    else joined.push({ ...range })
  }
  return joined
}

import { evaluate } from '../analysis/evaluate.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Way } from '../host/ways.ts'
import { macFromNumber } from '../net/mac-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf } from '../net/ip-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import type { Element, FieldMatch, Table } from '../ruleset/ruleset.ts'

/** What the rules do to a peer's next packet; `undecided` where it hangs on what this host does not know of the peer. */
export type PeerVerdict = 'admitted' | 'refused' | 'undecided'

/** A connection as its peer's next packet shows it: from `source` to `destination`, by its way. */
export interface Approach {
  readonly protocol: 'tcp' | 'udp'
  readonly source: IpAddress
  readonly sourcePort: number
  readonly destination: IpAddress
  readonly destinationPort: number
  /** Absent where this host knows no way back to the source. */
  readonly way?: Way
  /** The packet counts as an answer: tracking took the other side for the one who opened. */
  readonly answers?: true
  /** For a packet that is forwarded: by which interface it leaves, and what the client dialled if that was translated. */
  readonly onward?: { readonly oif?: InterfaceName; readonly dialled?: number }
}

/** Judges peers by the rules. Built once for a look at many connections: it keeps the answers. */
export type PeerJudge = (approach: Approach) => PeerVerdict

/**
 * Judges by admit's own table: the peer's next packet in the original direction, so as the rules judge somebody who opened
 * the connection. Where the arriving interface or the sender's MAC is not known, every one that can be is tried: all
 * refused is refused, all admitted is admitted. `now` in seconds since 1970.
 */
export function peerJudge(table: Table, facts: HostFacts, now: number): PeerJudge {
  const listed = [UNLISTED, ...listedMacs(table)]
  const everywhere = facts.interfaces.filter(
    (link) => link.up && link.kind !== 'loopback' && link.master === undefined,
  )
  const known = new Map<string, PeerVerdict>()
  return (approach) => {
    const { way } = approach
    const key = keyOf(approach)
    const before = known.get(key)
    if (before !== undefined) return before
    const arrivals: readonly Arrival[] =
      way !== undefined
        ? [{ name: way.interface, macs: macsOf(way.macs, listed) }]
        : everywhere.map((link) => ({ name: link.name, macs: link.ethernet ? listed : [undefined] }))
    const verdict = agreed(packetsOf(approach, arrivals, facts, now), table)
    known.set(key, verdict)
    return verdict
  }
}

/** No rule of admit's asks for a TCP client's port: one answer serves all connections of a client with a service. */
function keyOf({
  protocol,
  source,
  sourcePort,
  destination,
  destinationPort,
  way,
  onward,
  answers,
}: Approach): string {
  const port = protocol === 'udp' ? sourcePort : ''
  const by = [way?.interface, way?.macs?.join(), onward?.oif, onward?.dialled, answers]
  return [protocol, source, port, destination, destinationPort, ...by].join(' ')
}

interface Arrival {
  readonly name: InterfaceName
  readonly macs: readonly (MacAddress | undefined)[]
}

/** A MAC address that no policy lists: of the range for documentation (RFC 9542 section 2.1.2). */
const UNLISTED = '00:00:5e:00:53:ff' as MacAddress

function macsOf(
  macs: readonly MacAddress[] | undefined,
  listed: readonly MacAddress[],
): readonly (MacAddress | undefined)[] {
  if (macs === undefined) return [undefined]
  return macs.length === 0 ? listed : macs
}

function agreed(packets: Iterable<Packet>, table: Table): PeerVerdict {
  let first: PeerVerdict | undefined
  for (const packet of packets) {
    const verdict = evaluate({ tables: [table] }, packet).verdict === 'accept' ? 'admitted' : 'refused'
    if (first !== undefined && first !== verdict) return 'undecided'
    first = verdict
  }
  return first ?? 'undecided'
}

function* packetsOf(
  approach: Approach,
  arrivals: readonly Arrival[],
  facts: HostFacts,
  now: number,
): Generator<Packet> {
  const { protocol, source, sourcePort, destination, destinationPort, onward, answers } = approach
  for (const { name, macs } of arrivals) {
    const own = facts.interfaces.find((link) => link.name === name)?.mac
    for (const mac of macs) {
      yield {
        hook: onward === undefined ? 'input' : 'forward',
        iif: name,
        ...(onward?.oif === undefined ? {} : { oif: onward.oif }),
        ...(mac === undefined ? {} : { mac, ...(own === undefined ? {} : { macDestination: own }) }),
        family: familyOf(source),
        source,
        destination,
        protocol: PROTOCOL_NUMBER[protocol],
        sourcePort,
        destinationPort,
        ...(protocol === 'tcp' ? { tcpFlags: TCP_FLAGS.ack | TCP_FLAGS.psh } : {}),
        hopLimit: 64,
        tracking: {
          state: 'established',
          direction: answers ? 'reply' : 'original',
          mark: 0,
          dnat: onward?.dialled !== undefined,
          originalDestinationPort: onward?.dialled ?? destinationPort,
        },
        time: now,
      }
    }
  }
}

/** Every MAC address that some rule or set of the table names as a sender's. */
function listedMacs(table: Table): readonly MacAddress[] {
  const found = new Set<number>()
  const collect = (fields: FieldMatch['fields'], elements: readonly Element[]): void => {
    const at = fields.indexOf('ether saddr')
    if (at < 0) return
    for (const element of elements) {
      const low = element[at]?.low
      if (typeof low === 'number') found.add(low)
    }
  }
  for (const set of table.sets) collect(set.fields, set.elements)
  for (const chain of table.chains) {
    for (const statement of chain.rules.flatMap((rule) => rule.statements)) {
      if (statement.kind === 'field' && statement.values.kind === 'literal') {
        collect(statement.fields, statement.values.elements)
      }
    }
  }
  return [...found].map(macFromNumber)
}

import { ipToNumber } from '../net/ip-address.ts'
import { macToNumber } from '../net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import type { BitFieldName, FieldName } from '../ruleset/fields.ts'
import { BIT_FIELDS, DIRECTION, NFPROTO } from '../ruleset/fields.ts'
import type { Scalar } from '../ruleset/ruleset.ts'

/** The packet's value of a field, or undefined where it has none: the match then fails, negated or not (NFT_BREAK). */
export function fieldValue(field: FieldName, packet: Packet): Scalar | undefined {
  switch (field) {
    // nft_meta_store_ifname: an absent device reads as the empty name.
    case 'iifname':
      return packet.iif ?? ''
    case 'oifname':
      return packet.oif ?? ''
    case 'meta nfproto':
      return packet.family === 'ip' ? NFPROTO.ipv4 : NFPROTO.ipv6
    case 'meta l4proto':
      return packet.protocol
    case 'meta time':
      return packet.time
    case 'ether daddr':
      return packet.macDestination === undefined ? undefined : macToNumber(packet.macDestination)
    case 'ether saddr':
      return packet.mac === undefined ? undefined : macToNumber(packet.mac)
    case 'ip saddr':
    case 'ip daddr':
      return packet.family === 'ip' ? Number(ipToNumber(addressOf(field, packet))) : undefined
    case 'ip6 saddr':
    case 'ip6 daddr':
      return packet.family === 'ip6' ? ipToNumber(addressOf(field, packet)) : undefined
    case 'ip6 hoplimit':
      return packet.family === 'ip6' ? packet.hopLimit : undefined
    case 'tcp sport':
    case 'udp sport':
    case 'sctp sport':
      return isProtocol(field, packet) ? packet.sourcePort : undefined
    case 'tcp dport':
    case 'udp dport':
    case 'sctp dport':
      return isProtocol(field, packet) ? packet.destinationPort : undefined
    case 'icmp type':
      return packet.family === 'ip' && packet.protocol === PROTOCOL_NUMBER.icmp
        ? packet.messageType
        : undefined
    case 'icmpv6 type':
      return packet.family === 'ip6' && packet.protocol === PROTOCOL_NUMBER.icmpv6
        ? packet.messageType
        : undefined
    // nft reads it as IPv4 only: it puts `meta nfproto ipv4` before it.
    case 'igmp type':
      return packet.family === 'ip' && packet.protocol === PROTOCOL_NUMBER.igmp
        ? packet.messageType
        : undefined
    case 'ct direction':
      return isTracked(packet) ? DIRECTION[packet.tracking.direction] : undefined
    case 'ct original proto-dst':
      return isTracked(packet) ? packet.tracking.originalDestinationPort : undefined
    default:
      return field satisfies never
  }
}

/** The bits of a field, or undefined where the packet has no such field. */
export function bitsValue(field: BitFieldName, packet: Packet): number | undefined {
  switch (field) {
    case 'ct state':
      return BIT_FIELDS['ct state'][packet.tracking.state]
    case 'ct status':
      if (!isTracked(packet)) return undefined
      return packet.tracking.dnat ? BIT_FIELDS['ct status'].dnat : 0
    case 'ct mark':
      return isTracked(packet) ? packet.tracking.mark : undefined
    case 'tcp flags':
      return packet.protocol === PROTOCOL_NUMBER.tcp ? packet.tcpFlags : undefined
    default:
      return field satisfies never
  }
}

function addressOf(field: FieldName, packet: Packet): Packet['source'] {
  return field.endsWith('saddr') ? packet.source : packet.destination
}

function isProtocol(field: FieldName, packet: Packet): boolean {
  const name = field.slice(0, field.indexOf(' '))
  return (name === 'tcp' || name === 'udp' || name === 'sctp') && packet.protocol === PROTOCOL_NUMBER[name]
}

/** An invalid or untracked packet has no connection, so every ct key but state is missing (nft_ct_get_eval). */
function isTracked(packet: Packet): boolean {
  return packet.tracking.state !== 'invalid' && packet.tracking.state !== 'untracked'
}

import type { Packet } from '../packet/packet.ts'
import { cidrContains, parseCidr } from '../net/cidr.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'

/**
 * What the network itself needs to work, admitted from anyone (design section 3, point 2). Proofs about strangers
 * exclude exactly this list and say so.
 */
export const NETWORK_NEEDS = [
  {
    key: 'neighbour-discovery',
    words: 'ICMPv6 neighbour discovery and router advertisements, hop limit 255',
  },
  { key: 'igmp-query', words: 'IGMP membership queries' },
  { key: 'mld-query', words: 'ICMPv6 multicast listener queries' },
  { key: 'dhcp', words: 'DHCP answers, UDP 67 to 68 over IPv4' },
  { key: 'dhcpv6', words: 'DHCPv6 answers, UDP 547 to 546 from fe80::/10' },
] as const

export type NetworkNeed = (typeof NETWORK_NEEDS)[number]['key']

/** Router solicitation, router advertisement, neighbour solicitation and advertisement (RFC 4861); no redirects. */
export const NEIGHBOUR_DISCOVERY_TYPES: readonly number[] = [133, 134, 135, 136]
/** RFC 4861 section 6.1 and 7.1: any router would have lowered it, so the sender is on this link. */
export const ON_LINK_HOP_LIMIT = 255
export const IGMP_QUERY = 0x11
export const MLD_QUERY = 130
export const DHCP_PORTS = { server: 67, client: 68 } as const
export const DHCPV6_PORTS = { server: 547, client: 546 } as const
export const LINK_LOCAL_6 = 'fe80::/10'

const linkLocal6 = parseCidr(LINK_LOCAL_6)

/** Which need of the network this packet is, if any. */
export function networkNeed(packet: Packet): NetworkNeed | undefined {
  const type = packet.messageType ?? -1
  if (packet.family === 'ip6' && packet.protocol === PROTOCOL_NUMBER.icmpv6) {
    if (NEIGHBOUR_DISCOVERY_TYPES.includes(type)) {
      return packet.hopLimit === ON_LINK_HOP_LIMIT ? 'neighbour-discovery' : undefined
    }
    return type === MLD_QUERY ? 'mld-query' : undefined
  }
  if (packet.family === 'ip' && packet.protocol === PROTOCOL_NUMBER.igmp) {
    return type === IGMP_QUERY ? 'igmp-query' : undefined
  }
  if (packet.protocol !== PROTOCOL_NUMBER.udp) return undefined
  if (packet.family === 'ip') {
    return hasPorts(packet, DHCP_PORTS) ? 'dhcp' : undefined
  }
  const fromLink = linkLocal6.ok && cidrContains(linkLocal6.value, packet.source)
  return fromLink && hasPorts(packet, DHCPV6_PORTS) ? 'dhcpv6' : undefined
}

function hasPorts(packet: Packet, ports: { readonly server: number; readonly client: number }): boolean {
  return packet.sourcePort === ports.server && packet.destinationPort === ports.client
}

/** Transport protocols with ports that a service may name. */
export type PortProtocol = 'tcp' | 'udp' | 'sctp'

/**
 * Protocols without ports that a service may name: tunnels. Not AH: over IPv6 it is an extension header that
 * netfilter looks behind (ipv6_ext_hdr), so a match on it would mean another thing in each family.
 */
export type PlainProtocol = 'esp' | 'gre'

/** IANA protocol numbers of the names used here. */
export const PROTOCOL_NUMBER = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
} as const

export type ProtocolName = keyof typeof PROTOCOL_NUMBER

const NAMES = new Map<number, ProtocolName>(
  Object.entries(PROTOCOL_NUMBER).map(([name, number]) => [number, name as ProtocolName]),
)

/** The name of a protocol number, or undefined where admit has none. */
export function protocolName(number: number): ProtocolName | undefined {
  return NAMES.get(number)
}

export const PORT_PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp']
export const PLAIN_PROTOCOLS: readonly PlainProtocol[] = ['esp', 'gre']

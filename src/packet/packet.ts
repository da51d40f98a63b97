import type { InterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'

/** The netfilter hooks at which admit judges. */
export type Hook = 'input' | 'forward' | 'output'

/** What connection tracking says of a packet; `untracked` where a notrack rule or neighbour discovery exempts it. */
export type TrackingState = 'new' | 'established' | 'related' | 'invalid' | 'untracked'

/** The connection a packet belongs to. For `invalid` and `untracked` there is none: every `ct` key but state fails. */
export interface Tracking {
  readonly state: TrackingState
  readonly direction: 'original' | 'reply'
  /** The connection's mark, 32 bits, unsigned. */
  readonly mark: number
  /** The connection's destination was translated (IPS_DST_NAT). */
  readonly dnat: boolean
  /** The destination port of the connection's first packet before any translation: what the client dialled. */
  readonly originalDestinationPort?: number
}

/** One packet as netfilter sees it at a hook. Fields that its protocol does not have are absent. */
export interface Packet {
  readonly hook: Hook
  /** The interface it arrived on; absent at output. A bridge port shows its bridge, a bond slave its bond. */
  readonly iif?: InterfaceName
  /** The interface it leaves by; absent at input. */
  readonly oif?: InterfaceName
  /** The sender's MAC address. Absent where the arriving interface is not Ethernet (lo, tun, WireGuard, PPP), and at output. */
  readonly mac?: MacAddress
  /** The MAC address that its frame is sent to; absent where `mac` is. */
  readonly macDestination?: MacAddress
  readonly family: Family
  readonly source: IpAddress
  readonly destination: IpAddress
  /** IANA protocol number. */
  readonly protocol: number
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** The TCP flags octet (RFC 9293): FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  readonly tcpFlags?: number
  /** The type octet of an ICMP, ICMPv6 or IGMP message. */
  readonly messageType?: number
  /** IPv4 time to live or IPv6 hop limit. */
  readonly hopLimit: number
  readonly tracking: Tracking
  /** Seconds since 1970, UTC; may have a fraction. */
  readonly time: number
}

export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 } as const

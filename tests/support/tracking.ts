import type { Family } from '../../src/net/ip-address.ts'
import type { TrackingState } from '../../src/packet/packet.ts'
import { TCP_FLAGS } from '../../src/packet/packet.ts'
import type { Transport } from './frames.ts'

/** Flags that nf_conntrack_proto_tcp.c takes as valid (tcp_valid_flags), PSH, ECE and CWR masked out. */
const VALID_TCP_FLAGS: readonly number[] = [
  TCP_FLAGS.syn,
  TCP_FLAGS.syn | TCP_FLAGS.urg,
  TCP_FLAGS.syn | TCP_FLAGS.ack,
  TCP_FLAGS.rst,
  TCP_FLAGS.rst | TCP_FLAGS.ack,
  TCP_FLAGS.fin | TCP_FLAGS.ack,
  TCP_FLAGS.fin | TCP_FLAGS.ack | TCP_FLAGS.urg,
  TCP_FLAGS.ack,
  TCP_FLAGS.ack | TCP_FLAGS.urg,
]
const IGNORED_TCP_FLAGS = TCP_FLAGS.psh | TCP_FLAGS.ecn | TCP_FLAGS.cwr

/** Requests that may begin an ICMP or ICMPv6 "connection" (valid_new in nf_conntrack_proto_icmp*.c). */
const ICMP_REQUESTS: readonly number[] = [8, 13, 15, 17]
const ICMPV6_REQUESTS: readonly number[] = [128, 139]
/** Multicast listener and neighbour discovery messages are exempt from tracking (noct_valid_new). */
const UNTRACKED_ICMPV6: readonly number[] = [130, 131, 132, 133, 134, 135, 136, 143]

/**
 * What connection tracking makes of a packet that no connection knows. Checked against the kernel with every packet
 * that is sent: a wrong belief fails the run.
 */
export function stateOfFirst(family: Family, transport: Transport): TrackingState {
  switch (transport.kind) {
    case 'tcp':
      return stateOfFirstSegment(transport.flags)
    case 'udp':
    case 'igmp':
    case 'plain':
      return 'new'
    case 'sctp':
      return transport.chunk === 'init' ? 'new' : 'invalid'
    case 'icmp': {
      // The other family's protocol number never makes a connection.
      if ((transport.protocol === 1) !== (family === 'ip')) return 'invalid'
      if (family === 'ip') return ICMP_REQUESTS.includes(transport.type) ? 'new' : 'invalid'
      if (UNTRACKED_ICMPV6.includes(transport.type)) return 'untracked'
      return ICMPV6_REQUESTS.includes(transport.type) ? 'new' : 'invalid'
    }
    default:
      return transport satisfies never
  }
}

function stateOfFirstSegment(flags: number): TrackingState {
  const kept = flags & ~IGNORED_TCP_FLAGS
  if (!VALID_TCP_FLAGS.includes(kept)) return 'invalid'
  const begins = (kept & TCP_FLAGS.syn) !== 0 && (kept & TCP_FLAGS.ack) === 0
  // nf_conntrack_tcp_loose: a connection already under way is picked up by a plain segment.
  const underWay = (kept & TCP_FLAGS.ack) !== 0 && (kept & ~(TCP_FLAGS.ack | TCP_FLAGS.urg)) === 0
  return begins || underWay ? 'new' : 'invalid'
}

/**
 * The packet fields that the model can match, by nft's own names.
 * `type` is the value's kind: it decides how text writes it and which scalar holds it.
 */
export const FIELDS = {
  iifname: { type: 'ifname' },
  oifname: { type: 'ifname' },
  'meta nfproto': { type: 'nfproto' },
  'meta l4proto': { type: 'inet_proto' },
  'meta time': { type: 'time' },
  'ether saddr': { type: 'ether_addr' },
  'ether daddr': { type: 'ether_addr' },
  'ip saddr': { type: 'ipv4_addr' },
  'ip daddr': { type: 'ipv4_addr' },
  'ip6 saddr': { type: 'ipv6_addr' },
  'ip6 daddr': { type: 'ipv6_addr' },
  'ip6 hoplimit': { type: 'integer' },
  'tcp sport': { type: 'inet_service' },
  'tcp dport': { type: 'inet_service' },
  'udp sport': { type: 'inet_service' },
  'udp dport': { type: 'inet_service' },
  'sctp sport': { type: 'inet_service' },
  'sctp dport': { type: 'inet_service' },
  'icmp type': { type: 'icmp_type' },
  'icmpv6 type': { type: 'icmpv6_type' },
  'igmp type': { type: 'igmp_type' },
  'ct direction': { type: 'ct_dir' },
  'ct original proto-dst': { type: 'inet_service' },
} as const satisfies Record<string, { readonly type: string }>

export type FieldName = keyof typeof FIELDS
export type FieldType = (typeof FIELDS)[FieldName]['type']

/** Fields that are tested bit by bit, with the names that nft gives the bits. */
export const BIT_FIELDS = {
  'ct state': { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  'ct status': { dnat: 0x20 },
  'ct mark': {},
  'tcp flags': { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 },
} as const satisfies Record<string, Readonly<Record<string, number>>>

export type BitFieldName = keyof typeof BIT_FIELDS

/** ct direction's values; meta nfproto's are NFPROTO_IPV4 and NFPROTO_IPV6. */
export const DIRECTION = { original: 0, reply: 1 } as const
export const NFPROTO = { ipv4: 2, ipv6: 10 } as const

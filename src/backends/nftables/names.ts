import { InternalError } from '../../base/internal-error.ts'
import type { FieldType } from '../../ruleset/fields.ts'
import { DIRECTION, NFPROTO } from '../../ruleset/fields.ts'

/**
 * nft's symbolic names of numbers, by field type (`nft describe icmp type` and so on, the same in 1.0.6 and 1.1.3).
 * The first name of a number is the one that is written; all are read.
 */
const ICMP_TYPES = {
  'echo-reply': 0,
  'destination-unreachable': 3,
  'source-quench': 4,
  redirect: 5,
  'echo-request': 8,
  'router-advertisement': 9,
  'router-solicitation': 10,
  'time-exceeded': 11,
  'parameter-problem': 12,
  'timestamp-request': 13,
  'timestamp-reply': 14,
  'info-request': 15,
  'info-reply': 16,
  'address-mask-request': 17,
  'address-mask-reply': 18,
}

const ICMPV6_TYPES = {
  'destination-unreachable': 1,
  'packet-too-big': 2,
  'time-exceeded': 3,
  'parameter-problem': 4,
  'echo-request': 128,
  'echo-reply': 129,
  'mld-listener-query': 130,
  'mld-listener-report': 131,
  'mld-listener-done': 132,
  'mld-listener-reduction': 132,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
  'router-renumbering': 138,
  'ind-neighbor-solicit': 141,
  'ind-neighbor-advert': 142,
  'mld2-listener-report': 143,
}

const IGMP_TYPES = {
  'membership-query': 0x11,
  'membership-report-v1': 0x12,
  'membership-report-v2': 0x16,
  'leave-group': 0x17,
  'membership-report-v3': 0x22,
}

/** The protocols that nft itself knows by name: these can be written where /etc/protocols is not installed. */
const PROTOCOLS = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  comp: 108,
  sctp: 132,
  udplite: 136,
}

/** Names that nft prints where /etc/protocols is installed; admit reads them and always asks for numbers (`nft -n`). */
const LISTED_PROTOCOLS = {
  ip: 0,
  ipencap: 4,
  ipv6: 41,
  'ipv6-icmp': 58,
  eigrp: 88,
  ospf: 89,
  pim: 103,
  ipcomp: 108,
  vrrp: 112,
  l2tp: 115,
}

const NUMBER_OF_NAME: Partial<Record<FieldType, Readonly<Record<string, number>>>> = {
  icmp_type: ICMP_TYPES,
  icmpv6_type: ICMPV6_TYPES,
  igmp_type: IGMP_TYPES,
  inet_proto: { ...PROTOCOLS, ...LISTED_PROTOCOLS },
  ct_dir: DIRECTION,
  nfproto: NFPROTO,
}

const NAME_OF_NUMBER = new Map(
  Object.entries({ ...NUMBER_OF_NAME, inet_proto: PROTOCOLS }).map(([type, names]) => [
    type,
    firstNames(names),
  ]),
)

/** The number behind a symbolic name such as `echo-request`, or undefined. */
export function numberOfName(type: FieldType, name: string): number | undefined {
  const names = NUMBER_OF_NAME[type]
  return names !== undefined && Object.hasOwn(names, name) ? names[name] : undefined
}

/** The symbolic name that nft prints for a number, or undefined where it prints the number. */
export function nameOfNumber(type: FieldType, value: number): string | undefined {
  return NAME_OF_NUMBER.get(type)?.get(value)
}

function firstNames(names: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  const first = new Map<number, string>()
  for (const [name, value] of Object.entries(names)) if (!first.has(value)) first.set(value, name)
  return first
}

/** The names of the priorities of base chains in the families ip, ip6 and inet (nft(8), CHAINS). */
export const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
}

// An identifier of nft's scanner that is not one of its keywords: no keyword has a `.`, and names without one
// come from admit's own sources, never from the user's text.
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_.-]{0,126}$/

/** Can this name be written in nft's text? Others may have made tables whose names cannot. */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name)
}

/** A table's, chain's or set's name, checked: nothing else ever gets into nft's text unquoted. */
export function identifier(name: string): string {
  if (!isIdentifier(name)) throw new InternalError(`not a name for nft: ${JSON.stringify(name)}`)
  return name
}

/** Comments (NFTNL_UDATA_COMMENT_MAXLEN) and log prefixes (NF_LOG_PREFIXLEN) hold this many bytes of UTF-8. */
export const MAX_TEXT_BYTES = 127

/**
 * Text between quotes. nft has no escapes inside them, so a `"` cannot be written at all; control characters and
 * the marks that reorder text are as forbidden: whoever makes comments replaces them first.
 */
export function quoted(text: string): string {
  if (FORBIDDEN.test(text)) throw new InternalError(`forbidden character in ${JSON.stringify(text)}`)
  if (utf8Length(text) > MAX_TEXT_BYTES)
    throw new InternalError(`longer than ${MAX_TEXT_BYTES} bytes: ${text}`)
  return `"${text}"`
}

const FORBIDDEN =
  /["\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/u

/** Bytes of the text in UTF-8; a lone surrogate counts as the three bytes that would replace it. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

import type { Brand } from '../base/brand.ts'
import type { Hook } from '../packet/packet.ts'
import type { BitFieldName, FieldName } from './fields.ts'

/** The model: what a host's netfilter rules say, whoever wrote them and in whatever text. Words are nftables' own. */
export interface Ruleset {
  readonly tables: readonly Table[]
}

export type TableFamily = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev'

/** A table's identity: two families may hold tables of one name. */
export interface TableRef {
  readonly family: TableFamily
  readonly name: string
}

export interface Table extends TableRef {
  /** `flags dormant`: the kernel keeps the table and consults none of it. */
  readonly dormant?: true
  readonly sets: readonly NamedSet[]
  readonly chains: readonly Chain[]
}

/** A chain; with `base` it is called by the kernel at a hook, without it only by jumps. */
export interface Chain {
  readonly name: string
  readonly base?: BaseChain
  readonly rules: readonly Rule[]
}

export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route'
  readonly hook: Hook | 'prerouting' | 'postrouting' | 'ingress' | 'egress'
  /** Lower is earlier; `filter` is 0. */
  readonly priority: number
  readonly policy: 'accept' | 'drop'
}

/** Statements run left to right; the first match that fails ends the rule. */
export interface Rule {
  readonly statements: readonly Statement[]
  /** Where the rule comes from: `grants[0]: from family to ssh`. The kernel keeps it with the rule. */
  readonly comment?: string
}

export type Statement = Match | Limit | Log | MarkConnection | Counter | VerdictStatement

export type Match = FieldMatch | BitsMatch | OpaqueMatch

/**
 * Some fields of the packet, taken together, lie in a set of values (`in`) or do not (`not-in`).
 * A field that the packet does not have fails the match either way: `not-in` is no complement (design section 5).
 */
export interface FieldMatch {
  readonly kind: 'field'
  readonly fields: readonly FieldName[]
  readonly test: 'in' | 'not-in'
  readonly values: Values
}

export type Values =
  | { readonly kind: 'literal'; readonly elements: readonly Element[] }
  | { readonly kind: 'set'; readonly name: SetName }

/** `(field & mask)` equals, or does not equal, `value`. `ct state established` is `not-equal` 0 under its bit. */
export interface BitsMatch {
  readonly kind: 'bits'
  readonly field: BitFieldName
  readonly mask: number
  readonly test: 'equal' | 'not-equal'
  readonly value: number
}

/** A statement that admit does not model, kept as its text: it may hold for a packet or not. */
export interface OpaqueMatch {
  readonly kind: 'opaque'
  readonly text: string
  /** What else it may do; absent where it only holds or not. */
  readonly effect?: OpaqueEffect
}

/**
 * `verdict`: it may decide by itself (`vmap`, `queue`). `packet`: it always holds and changes what later rules see
 * (`dnat`, `notrack`). `mark`: it always holds and sets the connection's mark. `none`: it always holds and changes
 * nothing that the model can match.
 */
export type OpaqueEffect = 'verdict' | 'packet' | 'mark' | 'none'

/** Fails once more than `rate` packets a `per` have reached it, after a burst. */
export interface Limit {
  readonly kind: 'limit'
  readonly rate: number
  readonly per: 'second' | 'minute' | 'hour' | 'day'
  /** In packets. nft's own default is 5. */
  readonly burst: number
}

export interface Log {
  readonly kind: 'log'
  readonly prefix: string
  /** `log flags ether`: the line shows MACSRC, MACDST and MACPROTO. */
  readonly ether: boolean
}

/** `ct mark set ct mark | bits` */
export interface MarkConnection {
  readonly kind: 'mark-connection'
  readonly bits: number
}

export interface Counter {
  readonly kind: 'counter'
}

export interface VerdictStatement {
  readonly kind: 'verdict'
  readonly verdict: Verdict
}

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'reject'; readonly answer: RejectAnswer }
  | { readonly kind: 'jump'; readonly chain: string }
  | { readonly kind: 'goto'; readonly chain: string }
  | { readonly kind: 'return' }
  | { readonly kind: 'continue' }

/** What the sender is told: a TCP reset, or an ICMP error of either family (`icmpx`). */
export type RejectAnswer =
  | 'tcp reset'
  | 'admin-prohibited'
  | 'port-unreachable'
  | 'host-unreachable'
  | 'no-route'

/** A set's name inside its table: nft's identifier, a letter and then letters, digits, `_`, `-`, `.`; at most 127. */
export type SetName = Brand<string, 'SetName'>

export interface NamedSet {
  readonly name: SetName
  /** What an element is made of, in order: `['ether saddr', 'meta time']`. */
  readonly fields: readonly FieldName[]
  /** Elements may be ranges. Without it each element is one value. */
  readonly interval: boolean
  readonly elements: readonly Element[]
}

/** One interval for each field of the set or match. */
export type Element = readonly Interval[]

/** From `low` to `high`, both inclusive; a single value has both equal. */
export interface Interval {
  readonly low: Scalar
  readonly high: Scalar
}

/**
 * A field's value. Numbers for all that fits 53 bits: MAC addresses, IPv4 addresses, ports, protocols, seconds;
 * bigint for IPv6 addresses; strings for interface names (never a range).
 */
export type Scalar = number | bigint | string

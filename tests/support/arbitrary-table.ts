import * as fc from 'fast-check'
import { utf8Length } from '../../src/backends/nftables/names.ts'
import type { FieldName } from '../../src/ruleset/fields.ts'
import { BIT_FIELDS, FIELDS } from '../../src/ruleset/fields.ts'
import type {
  BitsMatch,
  Element,
  FieldMatch,
  Interval,
  NamedSet,
  Rule,
  Scalar,
  SetName,
  Statement,
  Table,
  Verdict,
} from '../../src/ruleset/ruleset.ts'
import { INPUT_BASE, TABLE, is, one } from './tables.ts'

/** Tables that nft takes and lists as they are, with every kind of set, match and statement of the model. */
export function arbitraryTable(): fc.Arbitrary<Table> {
  return fc.uniqueArray(arbitrarySet(), { selector: (set) => set.name, maxLength: 4 }).chain((sets) => {
    const rules = fc.array(arbitraryRule(sets), { maxLength: 8 })
    return fc.tuple(rules, rules, rules).map(
      ([input, output, late]): Table => ({
        ...TABLE,
        sets,
        chains: [
          { name: 'input', base: INPUT_BASE, rules: input },
          {
            name: 'output',
            base: { type: 'filter', hook: 'output', priority: -10, policy: 'accept' },
            rules: output,
          },
          { name: 'late', rules: late.map(withoutJumps) },
        ],
      }),
    )
  })
}

/** Where no rule tells, 1.0.6's JSON leaves `ip saddr` and `ip daddr` the same: these are those that it is read as. */
const SET_FIELDS: readonly (readonly FieldName[])[] = [
  ['ether saddr'],
  ['ip saddr'],
  ['ip6 saddr'],
  ['iifname'],
  ['tcp dport'],
  ['ether saddr', 'meta time'],
  ['ether saddr', 'ip saddr', 'meta time'],
  ['ip6 saddr', 'tcp dport'],
  ['iifname', 'ether saddr'],
]

function arbitrarySet(): fc.Arbitrary<NamedSet> {
  const name = fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,20}\.(mac|ip4|ip6)(-until)?$/)
  return fc.tuple(name, fc.constantFrom(...SET_FIELDS), fc.boolean()).chain(([setName, fields, ranges]) => {
    // An interface name is never a range, and a set of nothing else takes no interval flag on every version.
    const interval = (ranges || fields.includes('meta time')) && fields[0] !== 'iifname'
    return arbitraryElements(fields, interval, 0, 6).map((elements) => {
      return { name: setName as SetName, fields, interval, elements }
    })
  })
}

/** Elements that differ in their first part and do not overlap there: nft refuses those that do. */
function arbitraryElements(
  fields: readonly FieldName[],
  ranges: boolean,
  minLength: number,
  maxLength: number,
): fc.Arbitrary<readonly Element[]> {
  const element = fc.tuple(...fields.map((field) => arbitraryInterval(field, ranges)))
  return fc
    .array(element, { minLength, maxLength })
    .map((elements) =>
      elements.filter((each, index) => !elements.slice(0, index).some((old) => touch(old[0], each[0]))),
    )
}

function touch(a: Interval | undefined, b: Interval | undefined): boolean {
  return a === undefined || b === undefined || (a.low <= b.high && b.low <= a.high)
}

const NAMES = ['lo', 'eth0', 'eth1.5', 'br-1a2b', 'wg0', '@odd', '$x', 'a_very_long_nam']

function arbitraryScalar(field: FieldName): fc.Arbitrary<Scalar> {
  const { type } = FIELDS[field]
  switch (type) {
    case 'ifname':
      return fc.constantFrom(...NAMES)
    case 'ether_addr':
      return fc.nat({ max: 2 ** 48 - 1 })
    case 'ipv4_addr':
      return fc.nat({ max: 2 ** 32 - 1 })
    case 'ipv6_addr':
      return fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })
    case 'inet_service':
      return fc.nat({ max: 65535 })
    case 'time':
      return fc.integer({ min: 1, max: 4_000_000_000 })
    case 'nfproto':
      return fc.constantFrom(2, 10)
    case 'ct_dir':
      return fc.constantFrom(0, 1)
    case 'inet_proto':
      return fc.constantFrom(1, 2, 6, 17, 33, 47, 50, 51, 58, 108, 112, 132, 136, 250)
    case 'integer':
    case 'icmp_type':
    case 'icmpv6_type':
    case 'igmp_type':
      return fc.nat({ max: 255 })
    default:
      throw new Error(type satisfies never)
  }
}

const RANGED: ReadonlySet<string> = new Set(['ipv4_addr', 'ipv6_addr', 'inet_service', 'time'])

function arbitraryInterval(field: FieldName, ranges: boolean): fc.Arbitrary<Interval> {
  const scalar = arbitraryScalar(field)
  const { type } = FIELDS[field]
  if (!ranges || !RANGED.has(type)) return scalar.map(one)
  const range = fc.tuple(scalar, scalar).map(([a, b]) => (a <= b ? { low: a, high: b } : { low: b, high: a }))
  if (type === 'time') return range
  return fc.oneof(
    scalar.map(one),
    range,
    scalar.chain((value) => arbitraryPrefix(type, value)),
  )
}

function arbitraryPrefix(type: string, value: Scalar): fc.Arbitrary<Interval> {
  const width = type === 'ipv6_addr' ? 128 : type === 'ipv4_addr' ? 32 : 16
  return fc.nat({ max: width }).map((bits) => {
    const low = (BigInt(value) >> BigInt(bits)) << BigInt(bits)
    const high = low + (1n << BigInt(bits)) - 1n
    return typeof value === 'bigint' ? { low, high } : { low: Number(low), high: Number(high) }
  })
}

function arbitraryRule(sets: readonly NamedSet[]): fc.Arbitrary<Rule> {
  const matches = fc.oneof(
    ...MATCHES.map((group) => fc.tuple(...group.map((field) => arbitraryMatch([field])))),
    ...sets.map((set) => fc.tuple(arbitrarySetMatch(set))),
    fc.tuple(arbitraryMatch(['ip saddr', 'tcp dport'])),
    fc.tuple(arbitraryMatch(['iifname', 'oifname'])),
    // nft lists `meta nfproto ipv4` before an IGMP type, whether or not it was written.
    fc.tuple(fc.constant(is('meta nfproto', 2)), arbitraryMatch(['igmp type'])),
    fc.tuple(arbitraryMatch(['tcp dport']), arbitraryTcpFlags()),
    fc.constant([]),
  )
  const bits = fc.array(arbitraryBits(), { maxLength: 2 })
  const acts = fc.tuple(
    optional(arbitraryLimit()),
    optional(arbitraryLog()),
    optional(fc.constant<Statement>({ kind: 'mark-connection', bits: 0x10000000 })),
    arbitraryVerdict().map((verdict): Statement => ({ kind: 'verdict', verdict })),
  )
  return fc.tuple(matches, bits, acts, optional(arbitraryComment())).map(([first, second, last, comment]) => {
    const statements = [...first, ...second, ...last].filter((statement) => statement !== undefined)
    return comment === undefined ? { statements } : { statements, comment }
  })
}

/**
 * Fields that one rule may test together. `meta l4proto tcp` before `tcp dport`, or `meta nfproto ipv4` before
 * `ip saddr`, is left out: nft lists such a rule without the first, since the second implies it.
 */
const MATCHES: readonly (readonly FieldName[])[] = [
  ['iifname', 'ip saddr', 'tcp dport'],
  ['ether saddr', 'ip6 saddr', 'udp sport', 'udp dport'],
  ['ip daddr', 'sctp dport'],
  ['ip saddr', 'icmp type'],
  ['ip6 daddr', 'ip6 hoplimit', 'icmpv6 type'],
  ['meta nfproto', 'udp dport'],
  ['oifname', 'meta l4proto', 'ct direction'],
  ['meta time', 'tcp sport'],
]

function arbitraryMatch(fields: readonly FieldName[]): fc.Arbitrary<FieldMatch> {
  const [first] = fields
  const ranges = first !== undefined && RANGED.has(FIELDS[first].type)
  return fc
    .tuple(
      arbitraryElements(fields, ranges, 1, first === 'meta time' ? 1 : 4),
      fc.constantFrom('in', 'not-in'),
    )
    .map(([elements, test]) => ({ kind: 'field', fields, test, values: { kind: 'literal', elements } }))
}

function arbitrarySetMatch(set: NamedSet): fc.Arbitrary<FieldMatch> {
  const { fields, name } = set
  return fc
    .constantFrom('in', 'not-in')
    .map((test) => ({ kind: 'field', fields, test, values: { kind: 'set', name } }))
}

function arbitraryBits(): fc.Arbitrary<BitsMatch> {
  const among = fc
    .constantFrom('ct state', 'ct status')
    .chain((field) =>
      fc
        .tuple(arbitraryFlags(field), TESTS)
        .map(([mask, test]): BitsMatch => ({ kind: 'bits', field, mask, test, value: 0 })),
    )
  const mark = fc
    .tuple(fc.integer({ min: 1, max: 0xffffffff }), fc.nat({ max: 0xffffffff }), TESTS)
    .map(([mask, value, test]): BitsMatch => {
      return { kind: 'bits', field: 'ct mark', mask, test, value: (mask & value) >>> 0 }
    })
  return fc.oneof(among, mark)
}

function arbitraryTcpFlags(): fc.Arbitrary<BitsMatch> {
  return fc.tuple(arbitraryFlags('tcp flags'), arbitraryFlags('tcp flags'), TESTS).map(
    ([mask, value, test]): BitsMatch => ({
      kind: 'bits',
      field: 'tcp flags',
      mask,
      test,
      value: mask & value,
    }),
  )
}

const TESTS = fc.constantFrom('equal', 'not-equal')

function arbitraryFlags(field: 'ct state' | 'ct status' | 'tcp flags'): fc.Arbitrary<number> {
  return fc
    .subarray<number>(Object.values(BIT_FIELDS[field]), { minLength: 1 })
    .map((chosen) => chosen.reduce((sum, bit) => sum | bit, 0))
}

function arbitraryLimit(): fc.Arbitrary<Statement> {
  return fc.record({
    kind: fc.constant('limit'),
    rate: fc.integer({ min: 1, max: 1000 }),
    per: fc.constantFrom('second', 'minute', 'hour', 'day'),
    burst: fc.integer({ min: 1, max: 100 }),
  })
}

function arbitraryLog(): fc.Arbitrary<Statement> {
  return fc.record({
    kind: fc.constant('log'),
    prefix: arbitraryComment().map((text) => text.replaceAll('$', '')),
    ether: fc.boolean(),
  })
}

function arbitraryVerdict(): fc.Arbitrary<Verdict> {
  return fc.oneof(
    fc.constantFrom<Verdict>({ kind: 'accept' }, { kind: 'drop' }, { kind: 'return' }, { kind: 'continue' }),
    fc
      .constantFrom('admin-prohibited', 'port-unreachable', 'host-unreachable', 'no-route')
      .map((answer): Verdict => ({ kind: 'reject', answer })),
    fc.constantFrom<Verdict>({ kind: 'jump', chain: 'late' }, { kind: 'goto', chain: 'late' }),
  )
}

/** What a comment may hold: any script, up to 127 bytes, but for quotes, controls and reordering marks. */
function arbitraryComment(): fc.Arbitrary<string> {
  return fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .map((text) => text.replace(/["\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, ''))
    .filter((text) => utf8Length(text) <= 127)
}

function optional<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined, freq: 1 })
}

function withoutJumps(rule: Rule): Rule {
  const statements = rule.statements.map((statement): Statement => {
    const jumps = statement.kind === 'verdict' && ['jump', 'goto'].includes(statement.verdict.kind)
    return jumps ? { kind: 'verdict', verdict: { kind: 'return' } } : statement
  })
  return { ...rule, statements }
}

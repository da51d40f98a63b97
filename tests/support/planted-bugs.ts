import { PROTOCOL_NUMBER } from '../../src/net/protocol.ts'
import type { FieldName } from '../../src/ruleset/fields.ts'
import type {
  Element,
  FieldMatch,
  Match,
  NamedSet,
  Rule,
  Statement,
  Table,
} from '../../src/ruleset/ruleset.ts'

/** A mistake that a compiler could make, as a patch on what it compiles. It changes nothing where it has no place. */
export interface PlantedBug {
  readonly name: string
  readonly plant: (table: Table) => Table
}

const FAR_FUTURE = 4_102_444_800

/** Each would let somebody in or lock somebody out; the law must find every one, in the model and in the kernel. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  // Connections
  without('the reply rule forgets the mark of connections picked up', 'meaning.reply', (match) =>
    isBits(match, 'ct mark'),
  ),
  without('the reply rule forgets the direction', 'meaning.reply', (match) => isField(match, 'ct direction')),
  without('everything related is let in, not errors only', 'meaning.related', (match) =>
    isField(match, 'icmp type', 'icmpv6 type'),
  ),
  rules('redirects count as errors', (rule) => [
    changeMatches(rule, (match) =>
      isField(match, 'icmp type') && has(rule, 'meaning.related') ? withMore(match, 5) : match,
    ),
  ]),
  rules('invalid packets are judged like others', (rule) => (has(rule, 'meaning.invalid') ? [] : [rule])),
  chain('connections picked up by the host are not marked', 'output', () => []),
  rules('a first SYN with ECN bits counts as picked up', (rule) => [
    changeMatches(rule, (match) => (isBits(match, 'tcp flags') ? { ...match, mask: 0xff } : match)),
  ]),
  chain('forwarded connections are picked up', 'forward', (all) =>
    all.filter((rule) => !has(rule, 'meaning.picked-up')),
  ),

  // What is not judged, and what the network needs
  rules('unguarded is matched where packets leave', (rule) =>
    has(rule, 'host.unguarded') ? [changeFields(rule, 'iifname', 'oifname')] : [rule],
  ),
  rules('lo is judged', (rule) => (has(rule, 'meaning.lo') ? [] : [rule])),
  rules('all that comes in by a bridge counts as bridged, whatever its frame was sent to', (rule) => [
    changeMatches(rule, (match) => {
      if (match.kind !== 'field') return match
      if (match.fields[0] === 'ether daddr') return undefined
      return match.fields[0] === 'iifname' && match.fields.length === 2 ? projected(match, 0) : match
    }),
  ]),
  without('the hop limit of neighbour discovery is not checked', 'meaning.network', (match) =>
    isField(match, 'ip6 hoplimit'),
  ),
  without('DHCPv6 answers come from anywhere', 'meaning.network', (match) => isField(match, 'ip6 saddr')),
  without('every IGMP message is a query', 'meaning.network', (match) => isField(match, 'igmp type')),
  without('DHCP answers come over IPv6 too', 'meaning.network: DHCP', (match) =>
    isField(match, 'meta nfproto'),
  ),

  // Who
  rules('a bound device is known by its MAC alone', (rule, table) => [
    changeMatches(rule, (match) => (isBound(match) ? firstFieldOfSet(match, table) : match)),
  ]),
  rules('IPv6 addresses are forgotten', (rule) => (names(rule, /\.ip6$/) ? [] : [rule])),
  rules('devices with an end are forgotten', (rule) => (names(rule, /-until$/) ? [] : [rule])),
  rules('source and destination are swapped', (rule) => [
    changeFields(rule, 'ip saddr', 'ip daddr', /\.ip4$/),
  ]),
  sets('an end in the past is ignored', (set) => changeTimes(set, ({ low }) => ({ low, high: FAR_FUTURE }))),
  sets('a device is let in from its end on', (set) =>
    changeTimes(set, ({ high }) => ({ low: high, high: FAR_FUTURE })),
  ),
  sets('a network counts as its first address', (set) => ({
    ...set,
    elements: set.elements.map((element) => firstOnly(set, element)),
  })),
  sets('the last of an audience is forgotten', (set) =>
    set.elements.length < 2 ? set : { ...set, elements: set.elements.slice(0, -1) },
  ),

  // What and where
  without('`on` is ignored', 'grants', (match) => isField(match, 'iifname')),
  without('`through` is ignored', 'grants', (match) => isField(match, 'ip daddr', 'ip6 daddr')),
  without('a grant about this host opens all that it forwards', 'grants', (match) =>
    isBits(match, 'ct status'),
  ),
  rules('ports end one too late', (rule) => [
    changeMatches(rule, (match) =>
      isField(match, 'tcp dport', 'udp dport') ? withHigherEnds(match) : match,
    ),
  ]),
  rules('tcp and udp are swapped', (rule) => [
    has(rule, 'grants') ? changeFields(rule, 'tcp dport', 'udp dport') : rule,
  ]),
  rules('ping means IPv4 only', (rule) =>
    has(rule, 'grants') && matchesField(rule, 'icmpv6 type') ? [] : [rule],
  ),
  rules('a dnat-ed connection is judged by the translated port', (rule) => [judgedByTranslatedPort(rule)]),
  rules('a dialled port is open for the other protocol', (rule) => [
    has(rule, 'grants') && matchesField(rule, 'ct original proto-dst')
      ? changeMatches(rule, swapProtocols)
      : rule,
  ]),

  // The end
  chain('the final drop is missing', 'input', (all) => all.slice(0, -1), 'accept'),
]

function rules(name: string, change: (rule: Rule, table: Table) => readonly Rule[]): PlantedBug {
  return {
    name,
    plant: (table) => ({
      ...table,
      chains: table.chains.map((one) => ({
        ...one,
        rules: one.rules.flatMap((rule) => change(rule, table)),
      })),
    }),
  }
}

function sets(name: string, change: (set: NamedSet) => NamedSet): PlantedBug {
  return { name, plant: (table) => ({ ...table, sets: table.sets.map(change) }) }
}

function chain(
  name: string,
  chainName: string,
  change: (all: readonly Rule[]) => readonly Rule[],
  policy?: 'accept',
): PlantedBug {
  return {
    name,
    plant: (table) => ({
      ...table,
      chains: table.chains.map((one) => {
        if (one.name !== chainName) return one
        const base =
          one.base === undefined ? {} : { base: { ...one.base, ...(policy === undefined ? {} : { policy }) } }
        return { ...one, ...base, rules: change(one.rules) }
      }),
    }),
  }
}

/** The matches that fit are left out of the rules that come from there. */
function without(name: string, origin: string, fits: (match: Match) => boolean): PlantedBug {
  return rules(name, (rule) => {
    if (!has(rule, origin)) return [rule]
    return [
      {
        ...rule,
        statements: rule.statements.filter((statement) => !(isMatch(statement) && fits(statement))),
      },
    ]
  })
}

function has(rule: Rule, origin: string): boolean {
  return rule.comment?.startsWith(origin) ?? false
}

function isMatch(statement: Statement): statement is Match {
  return statement.kind === 'field' || statement.kind === 'bits'
}

function isField(match: Match, ...fields: readonly FieldName[]): match is FieldMatch {
  return match.kind === 'field' && match.fields.some((field) => fields.includes(field))
}

function isBits(match: Match, field: string): match is Match & { kind: 'bits' } {
  return match.kind === 'bits' && match.field === field
}

/** A match for which `change` gives undefined is left out. */
function changeMatches(rule: Rule, change: (match: Match) => Match | undefined): Rule {
  return {
    ...rule,
    statements: rule.statements.flatMap((statement): readonly Statement[] => {
      const changed = isMatch(statement) ? change(statement) : statement
      return changed === undefined ? [] : [changed]
    }),
  }
}

/** Puts one field for another, in matches on sets of these names if any are given. */
function changeFields(rule: Rule, from: FieldName, to: FieldName, sets?: RegExp): Rule {
  return changeMatches(rule, (match) => {
    if (match.kind !== 'field') return match
    if (sets !== undefined && !(match.values.kind === 'set' && sets.test(match.values.name))) return match
    return { ...match, fields: match.fields.map((field) => (field === from ? to : field)) }
  })
}

function names(rule: Rule, pattern: RegExp): boolean {
  return rule.statements.some(
    (statement) =>
      statement.kind === 'field' && statement.values.kind === 'set' && pattern.test(statement.values.name),
  )
}

function matchesField(rule: Rule, field: FieldName): boolean {
  return rule.statements.some((statement) => isMatch(statement) && isField(statement, field))
}

function isBound(match: Match): match is FieldMatch {
  return match.kind === 'field' && match.values.kind === 'set' && /\.mac-ip[46]$/.test(match.values.name)
}

function firstFieldOfSet(match: FieldMatch, table: Table): FieldMatch {
  if (match.values.kind !== 'set') return match
  const name = match.values.name
  const elements = table.sets.find((set) => set.name === name)?.elements ?? []
  return projected({ ...match, values: { kind: 'literal', elements } }, 0)
}

/** Only one of the fields taken together. */
function projected(match: FieldMatch, index: number): FieldMatch {
  const field = match.fields[index]
  if (field === undefined || match.values.kind !== 'literal') return match
  const firsts = match.values.elements.flatMap((element) => element.slice(index, index + 1))
  const unique = [...new Map(firsts.map((interval) => [interval.low, interval])).values()]
  return {
    ...match,
    fields: [field],
    values: { kind: 'literal', elements: unique.map((interval) => [interval]) },
  }
}

function withMore(match: FieldMatch, value: number): FieldMatch {
  if (match.values.kind !== 'literal') return match
  return {
    ...match,
    values: { kind: 'literal', elements: [...match.values.elements, [{ low: value, high: value }]] },
  }
}

function withHigherEnds(match: FieldMatch): FieldMatch {
  if (match.values.kind !== 'literal') return match
  const elements = match.values.elements.map(
    (element): Element =>
      element.map(({ low, high }) => ({
        low,
        high: typeof high === 'number' ? Math.min(65_535, high + 1) : high,
      })),
  )
  return { ...match, values: { kind: 'literal', elements } }
}

function firstOnly({ fields }: NamedSet, element: Element): Element {
  return element.map((interval, index) =>
    fields[index] !== 'meta time' && typeof interval.low !== 'string' && interval.low !== interval.high
      ? { low: interval.low, high: interval.low }
      : interval,
  )
}

function changeTimes(
  set: NamedSet,
  change: (time: { low: number; high: number }) => { low: number; high: number },
): NamedSet {
  const at = set.fields.indexOf('meta time')
  if (at < 0) return set
  const elements = set.elements.map(
    (element): Element =>
      element.map((interval, index) =>
        index === at ? change({ low: Number(interval.low), high: Number(interval.high) }) : interval,
      ),
  )
  return { ...set, elements }
}

function swapProtocols(match: Match): Match {
  if (!isField(match, 'meta l4proto') || match.values.kind !== 'literal') return match
  const other =
    match.values.elements[0]?.[0]?.low === PROTOCOL_NUMBER.tcp ? PROTOCOL_NUMBER.udp : PROTOCOL_NUMBER.tcp
  return { ...match, values: { kind: 'literal', elements: [[{ low: other, high: other }]] } }
}

function judgedByTranslatedPort(rule: Rule): Rule {
  const protocols = [
    [PROTOCOL_NUMBER.tcp, 'tcp dport'],
    [PROTOCOL_NUMBER.udp, 'udp dport'],
    [PROTOCOL_NUMBER.sctp, 'sctp dport'],
  ] as const
  const port = protocols.find(([number]) =>
    rule.statements.some(
      (statement) =>
        statement.kind === 'field' &&
        statement.fields[0] === 'meta l4proto' &&
        statement.values.kind === 'literal' &&
        statement.values.elements[0]?.[0]?.low === number,
    ),
  )
  return port === undefined ? rule : changeFields(rule, 'ct original proto-dst', port[1])
}

import { InternalError } from '../base/internal-error.ts'
import { ipFromNumber } from '../net/ip-address.ts'
import type { Packet } from '../packet/packet.ts'
import type { FieldName } from '../ruleset/fields.ts'
import type { Element, FieldMatch, Interval, Rule, Ruleset, Scalar, Table } from '../ruleset/ruleset.ts'
import { fieldValue } from './field-value.ts'
import { elementsOf, fieldHolds } from './holds.ts'
import type { JourneyOptions } from './journey.ts'
import { journey } from './journey.ts'

/** A field of a packet that may have any value of its domain; the intervals are sorted and apart. */
export interface FreeField {
  readonly field: FieldName
  readonly domain: readonly Interval[]
}

export interface Representatives {
  readonly packets: readonly Packet[]
  /** False where there were more than `most`: then each field is varied alone, and acceptance proves nothing. */
  readonly complete: boolean
  /** How many all of them are. */
  readonly count: number
}

/** Packets that one question may take: some tens of microseconds each. */
const MOST = 50_000
/** Elements of one match that name several free fields at once, such as `ip saddr . tcp sport`. */
const MOST_JOINT = 5_000

/**
 * Packets that stand for all that the free fields allow: for each field the constants that a rule on the packet's way
 * compares it with and their neighbours, of these one for each class of values that every match treats alike, and
 * then the product of the fields. Whatever the ruleset does to a packet of the domain, it does to one of these.
 */
export function representatives(
  ruleset: Ruleset,
  packet: Packet,
  free: readonly FreeField[],
  options: JourneyOptions & { readonly most?: number } = {},
): Representatives {
  const names = free.map(({ field }) => field)
  const { cuts, whole } = cutsOf(ruleset, packet, names, options)
  const values = free.map(({ field, domain }) =>
    classes(domain, cuts.get(field) ?? [], fieldValue(field, packet)),
  )
  const count = values.reduce((total, each) => total * each.length, 1)
  const complete = whole && count <= (options.most ?? MOST)
  const rows = complete ? product(values) : star(values)
  return { packets: rows.map((row) => filled(packet, names, row)), complete, count }
}

/** The packet with a value in a field. Only fields that a sender can choose are here. */
export function withField(packet: Packet, field: FieldName, value: Scalar): Packet {
  switch (field) {
    case 'ip saddr':
    case 'ip6 saddr':
      return { ...packet, source: ipFromNumber(packet.family, BigInt(value)) }
    case 'ip daddr':
    case 'ip6 daddr':
      return { ...packet, destination: ipFromNumber(packet.family, BigInt(value)) }
    case 'tcp sport':
    case 'udp sport':
      return { ...packet, sourcePort: Number(value) }
    case 'tcp dport':
    case 'udp dport':
      return { ...packet, destinationPort: Number(value) }
    case 'ip6 hoplimit':
      return { ...packet, hopLimit: Number(value) }
    default:
      throw new InternalError(`${field} is no field that can be left free`)
  }
}

/** What one match, or one element of one, holds of a field: sorted intervals, none touching another. */
type Cut = readonly Interval[]

function cutsOf(
  ruleset: Ruleset,
  packet: Packet,
  names: readonly FieldName[],
  options: JourneyOptions,
): { readonly cuts: ReadonlyMap<FieldName, readonly Cut[]>; readonly whole: boolean } {
  let whole = true
  const cuts = new Map<FieldName, Map<unknown, Cut>>(names.map((name) => [name, new Map()]))
  const stops = journey(ruleset, packet, options)
  const doubtful = new Set(stops.filter((stop) => !stop.certain).map((stop) => stop.table))
  for (const table of new Set(stops.map((stop) => stop.table))) {
    for (const rule of table.chains.flatMap((chain) => chain.rules)) {
      if (misses(rule, table, packet, names, doubtful.has(table))) continue
      for (const statement of rule.statements) {
        if (statement.kind !== 'field') continue
        if (!addCuts(cuts, statement, table, packet, doubtful.has(table))) whole = false
      }
    }
  }
  return { cuts: new Map([...cuts].map(([name, each]) => [name, [...each.values()]])), whole }
}

/** Does some match on fixed fields alone keep every packet of the domain out of this rule? */
function misses(
  rule: Rule,
  table: Table,
  packet: Packet,
  free: readonly FieldName[],
  doubtful: boolean,
): boolean {
  return rule.statements.some(
    (statement) =>
      statement.kind === 'field' &&
      !statement.fields.some((field) => free.includes(field) || isTracking(field)) &&
      !(doubtful && statement.fields.includes('iifname')) &&
      !fieldHolds(packet, table, statement),
  )
}

/** Chains before connection tracking see another value. */
function isTracking(field: FieldName): boolean {
  return field.startsWith('ct ')
}

/** False where there are too many to be told apart. */
function addCuts(
  cuts: ReadonlyMap<FieldName, Map<unknown, Cut>>,
  match: FieldMatch,
  table: Table,
  packet: Packet,
  doubtful: boolean,
): boolean {
  const free = match.fields.flatMap((field, index) => (cuts.has(field) ? [{ field, index }] : []))
  const [first] = free
  if (first === undefined) return true
  const elements = elementsOf(table, match)
  if (match.fields.length === 1) {
    cuts.get(first.field)?.set(elements, union(elements))
    return true
  }
  const fixed = fixedParts(match.fields, cuts, packet, doubtful)
  if (fixed === undefined) return true
  const fitting = elements.filter((element) => fits(element, fixed))
  if (free.length === 1) {
    const own = fitting.map((element) => element.slice(first.index, first.index + 1))
    cuts.get(first.field)?.set(match, joined(own.flat()))
    return true
  }
  for (const { field, index } of free) {
    for (const element of fitting.slice(0, MOST_JOINT)) {
      const interval = element[index]
      if (interval !== undefined) cuts.get(field)?.set(element, [interval])
    }
  }
  return fitting.length <= MOST_JOINT
}

interface Fixed {
  readonly index: number
  readonly value: Scalar
}

/**
 * Where an element must hold what value for some packet of the domain to fit it; undefined where none can. Of what
 * tracking sets, and of an interface that is in doubt, any value may come.
 */
function fixedParts(
  fields: readonly FieldName[],
  free: ReadonlyMap<FieldName, unknown>,
  packet: Packet,
  doubtful: boolean,
): readonly Fixed[] | undefined {
  const fixed: Fixed[] = []
  for (const [index, field] of fields.entries()) {
    if (free.has(field) || isTracking(field) || (doubtful && field === 'iifname')) continue
    const value = fieldValue(field, packet)
    if (value === undefined) return undefined
    fixed.push({ index, value })
  }
  return fixed
}

function fits(element: Element, fixed: readonly Fixed[]): boolean {
  return fixed.every(({ index, value }) => {
    const interval = element[index]
    return interval !== undefined && interval.low <= value && value <= interval.high
  })
}

/** A set is asked about again and again; its elements never change. */
const unions = new WeakMap<readonly Element[], Cut>()

function union(elements: readonly Element[]): Cut {
  const known = unions.get(elements)
  if (known !== undefined) return known
  const fresh = joined(elements.flatMap((element) => element.slice(0, 1)))
  unions.set(elements, fresh)
  return fresh
}

function joined(intervals: readonly Interval[]): Cut {
  const sorted = intervals.toSorted((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  const result: Interval[] = []
  for (const interval of sorted) {
    const last = result.at(-1)
    if (last !== undefined && interval.low <= after(last.high)) {
      if (interval.high > last.high) result[result.length - 1] = { low: last.low, high: interval.high }
    } else result.push(interval)
  }
  return result
}

/**
 * One value for each class: each value of the domain is inside the same cuts as one of these. `usual` stands for its
 * own class, so that packets look as people know them.
 */
function classes(
  domain: readonly Interval[],
  cuts: readonly Cut[],
  usual: Scalar | undefined,
): readonly Scalar[] {
  const found = new Map<bigint, Scalar>()
  for (const interval of domain) {
    const { signature: first, turns } = turnsIn(interval, cuts)
    let signature = first
    let from = interval.low
    const note = (to: Scalar): void => {
      if (usual !== undefined && from <= usual && usual <= to) found.set(signature, usual)
      else if (!found.has(signature)) found.set(signature, from)
    }
    for (const { at, bit } of turns) {
      if (at > from) note(before(at))
      signature ^= bit
      from = at
    }
    note(interval.high)
  }
  return [...found.values()]
}

interface Turn {
  readonly at: Scalar
  readonly bit: bigint
}

/** Which cuts hold the interval's first value, as bits, and where that turns, in order. */
function turnsIn(
  interval: Interval,
  cuts: readonly Cut[],
): { readonly signature: bigint; readonly turns: readonly Turn[] } {
  let signature = 0n
  const turns: Turn[] = []
  for (const [index, cut] of cuts.entries()) {
    const bit = 1n << BigInt(index)
    for (let at = firstEnding(cut, interval.low); at < cut.length; at++) {
      const part = cut[at]
      if (part === undefined || part.low > interval.high) break
      if (part.low <= interval.low) signature ^= bit
      else turns.push({ at: part.low, bit })
      if (part.high < interval.high) turns.push({ at: after(part.high), bit })
    }
  }
  turns.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  return { signature, turns }
}

/** The first part of a cut that does not end before `value`. */
function firstEnding(cut: Cut, value: Scalar): number {
  let low = 0
  let high = cut.length
  while (low < high) {
    const middle = (low + high) >> 1
    const part = cut[middle]
    if (part !== undefined && part.high < value) low = middle + 1
    else high = middle
  }
  return low
}

function after(value: Scalar): Scalar {
  if (typeof value === 'string') throw new InternalError('names have no order')
  return typeof value === 'bigint' ? value + 1n : value + 1
}

function before(value: Scalar): Scalar {
  if (typeof value === 'string') throw new InternalError('names have no order')
  return typeof value === 'bigint' ? value - 1n : value - 1
}

function product(values: readonly (readonly Scalar[])[]): readonly (readonly Scalar[])[] {
  return values.reduce<readonly (readonly Scalar[])[]>(
    (rows, each) => rows.flatMap((row) => each.map((value) => [...row, value])),
    [[]],
  )
}

/** Each field's values, with the first of every other field. */
function star(values: readonly (readonly Scalar[])[]): readonly (readonly Scalar[])[] {
  return values.flatMap((each, index) =>
    each.map((value) => values.map((other, at) => (at === index ? value : (other[0] ?? 0)))),
  )
}

function filled(packet: Packet, names: readonly FieldName[], row: readonly Scalar[]): Packet {
  return names.reduce((next, name, index) => {
    const value = row[index]
    return value === undefined ? next : withField(next, name, value)
  }, packet)
}

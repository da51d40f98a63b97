import type { FieldName } from './fields.ts'
import type { Chain, Element, Interval, NamedSet, Rule, Scalar, Statement, Table } from './ruleset.ts'

/**
 * The form in which two tables that mean the same rule by rule are deeply equal, whichever way the kernel lists
 * them: sets and chains by name, elements in order, adjacent ranges of one-field sets joined, counters left out,
 * and the low end of a `meta time` range (when an element was first applied) forgotten.
 */
export function normaliseTable(table: Table): Table {
  return {
    family: table.family,
    name: table.name,
    ...(table.dormant === true ? { dormant: true } : {}),
    sets: table.sets.map(normaliseSet).sort(byName),
    chains: table.chains.map(normaliseChain).sort(byName),
  }
}

export function sameTable(a: Table, b: Table): boolean {
  return canonicalText(normaliseTable(a)) === canonicalText(normaliseTable(b))
}

export function sameRule(a: Rule, b: Rule): boolean {
  return canonicalText(normaliseRule(a)) === canonicalText(normaliseRule(b))
}

export function normaliseRule(rule: Rule): Rule {
  const statements = rule.statements
    .filter((statement) => statement.kind !== 'counter')
    .map((statement) => normaliseStatement(statement))
  return rule.comment === undefined ? { statements } : { statements, comment: rule.comment }
}

/** A text that is equal for equal elements; the low end of a `meta time` range does not count. */
export function elementKey(fields: readonly FieldName[], element: Element): string {
  return element
    .map((interval, index) => intervalKey(fields[index] === 'meta time' ? forgetLow(interval) : interval))
    .join(' . ')
}

function normaliseChain(chain: Chain): Chain {
  const rules = chain.rules.map(normaliseRule)
  return chain.base === undefined
    ? { name: chain.name, rules }
    : { name: chain.name, base: chain.base, rules }
}

function normaliseSet(set: NamedSet): NamedSet {
  return { ...set, elements: normaliseElements(set.fields, set.elements, set.interval) }
}

function normaliseStatement(statement: Statement): Statement {
  if (statement.kind !== 'field' || statement.values.kind !== 'literal') return statement
  const elements = normaliseElements(statement.fields, statement.values.elements, true)
  return { ...statement, values: { kind: 'literal', elements } }
}

function normaliseElements(
  fields: readonly FieldName[],
  elements: readonly Element[],
  interval: boolean,
): readonly Element[] {
  const timeless = fields.includes('meta time')
    ? elements.map((element) =>
        element.map((part, index) => (fields[index] === 'meta time' ? forgetLow(part) : part)),
      )
    : elements
  const keyed = new Map(timeless.map((element) => [element.map(intervalKey).join(' . '), element]))
  const unique = [...keyed.values()]
  if (fields.length === 1 && interval) return joinRanges(unique)
  return [...keyed.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, element]) => element)
}

function forgetLow(interval: Interval): Interval {
  return { low: 0, high: interval.high }
}

function joinRanges(elements: readonly Element[]): readonly Element[] {
  const intervals = elements.flatMap((element) => element.slice(0, 1))
  intervals.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  const joined: Interval[] = []
  for (const next of intervals) {
    const last = joined.at(-1)
    if (last !== undefined && touches(last.high, next.low)) {
      if (next.high > last.high) joined[joined.length - 1] = { low: last.low, high: next.high }
    } else {
      joined.push(next)
    }
  }
  return joined.map((interval) => [interval])
}

function touches(high: Scalar, low: Scalar): boolean {
  if (typeof high === 'bigint' && typeof low === 'bigint') return low <= high + 1n
  if (typeof high === 'number' && typeof low === 'number') return low <= high + 1
  return high === low
}

function intervalKey(interval: Interval): string {
  return interval.low === interval.high ? String(interval.low) : `${interval.low}-${interval.high}`
}

function canonicalText(value: Table | Rule): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

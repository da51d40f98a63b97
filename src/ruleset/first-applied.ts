import type { FieldName } from './fields.ts'
import { elementKey } from './normalise.ts'
import type { Element, NamedSet, Table } from './ruleset.ts'

/**
 * Keeps what the kernel (or the stored file) already knows about an element with `meta time`: when it was first
 * applied, the low end of its range. A clock that is set back behind it refuses, so it must not move with every apply.
 */
export function keepFirstApplied(wanted: Table, known: Table | undefined): Table {
  if (known === undefined) return wanted
  const sets = new Map(known.sets.map((set) => [set.name, set]))
  return { ...wanted, sets: wanted.sets.map((set) => keepInSet(set, sets.get(set.name))) }
}

/**
 * The moment (seconds) before which some element with `meta time` refuses, because the clock said so when it was first
 * applied; undefined where none is in the future. The policy itself knows of no such moment.
 */
export function firstAppliedAfter(table: Table, now: number): number | undefined {
  const ahead = table.sets.flatMap(({ fields, elements }) => {
    const at = fields.indexOf('meta time')
    return at < 0 ? [] : elements.map((element) => Number(element[at]?.low ?? 0)).filter((low) => low > now)
  })
  return ahead.length === 0 ? undefined : Math.max(...ahead)
}

function keepInSet(set: NamedSet, known: NamedSet | undefined): NamedSet {
  const timed = set.fields.includes('meta time')
  if (!timed || known === undefined || known.fields.join() !== set.fields.join()) return set
  const byKey = new Map(known.elements.map((element) => [elementKey(known.fields, element), element]))
  return {
    ...set,
    elements: set.elements.map((element) => {
      const same = byKey.get(elementKey(set.fields, element))
      return same === undefined ? element : withTimeOf(set.fields, element, same)
    }),
  }
}

function withTimeOf(fields: readonly FieldName[], element: Element, known: Element): Element {
  return element.map((interval, index) =>
    fields[index] === 'meta time' ? (known[index] ?? interval) : interval,
  )
}

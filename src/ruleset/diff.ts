import { elementKey, sameRule } from './normalise.ts'
import type { BaseChain, Chain, Element, NamedSet, SetName, Table } from './ruleset.ts'
import type { Operation, Transaction } from './transaction.ts'

/**
 * The changes that turn the observed table into the wanted one. No base chain is deleted and made again, since
 * its drop policy would come into force after its rules (133 packets of a flood got through so, design section 5):
 * chains that differ are emptied and refilled, sets change by the elements that differ, the rest is not touched.
 * A set that is made anew under its name takes every chain with it: a rule keeps the set that it was made with.
 * No operations: nothing to change.
 */
export function diffTable(observed: Table | undefined, wanted: Table): Transaction {
  const table = { family: wanted.family, name: wanted.name }
  const before = observed ?? { ...table, sets: [], chains: [] }
  const sets = setChanges(before.sets, wanted.sets)
  const chains = chainChanges(before.chains, wanted.chains, sets.redefined.length > 0)
  const operations: Operation[] = [
    ...(observed === undefined || observed.dormant === true ? [{ kind: 'add-table' } as const] : []),
    ...chains.flushes,
    ...chains.removals,
    ...sets.redefined.map((set): Operation => ({ kind: 'delete-set', set })),
    ...sets.additions,
    ...chains.additions,
    ...chains.rules,
    ...sets.removals,
  ]
  return { table, operations }
}

interface SetChanges {
  readonly additions: readonly Operation[]
  readonly removals: readonly Operation[]
  /** Sets that are deleted and made again under their name; no rule may refer to them meanwhile. */
  readonly redefined: readonly SetName[]
}

function setChanges(before: readonly NamedSet[], wanted: readonly NamedSet[]): SetChanges {
  const old = new Map(before.map((set) => [set.name, set]))
  const names = new Set(wanted.map((set) => set.name))
  const redefined: SetName[] = []
  const additions = wanted.flatMap((set): readonly Operation[] => {
    const same = old.get(set.name)
    const changes = same === undefined ? undefined : elementChanges(same, set)
    if (changes !== undefined)
      return [...deleteElements(set, changes.gone), ...addElements(set, changes.fresh)]
    if (same !== undefined) redefined.push(set.name)
    return addWholeSet(set)
  })
  const removals = before
    .filter((set) => !names.has(set.name))
    .map((set): Operation => ({ kind: 'delete-set', set: set.name }))
  return { additions, removals, redefined }
}

/**
 * The most elements that are taken out of an interval set of several fields (nft_set_pipapo) one by one: each costs
 * the kernel 3 to 12 ms, and the whole set made anew some microseconds an element.
 */
const MOST_DELETIONS = 50

export interface ElementChanges {
  readonly gone: readonly Element[]
  readonly fresh: readonly Element[]
}

/**
 * The elements that differ; undefined where the set is better made anew. In one transaction deletions come first: a
 * range that replaces another of the same key must not meet it (nft_set_pipapo refuses overlaps).
 */
export function elementChanges(before: NamedSet, wanted: NamedSet): ElementChanges | undefined {
  if (!sameDefinition(before, wanted)) return undefined
  const keyOf = (element: Element): string => elementKey(wanted.fields, element)
  const old = new Set(before.elements.map(keyOf))
  const next = new Set(wanted.elements.map(keyOf))
  const gone = before.elements.filter((element) => !next.has(keyOf(element)))
  if (wanted.interval && wanted.fields.length > 1 && gone.length > MOST_DELETIONS) return undefined
  const fresh = wanted.elements.filter((element) => !old.has(keyOf(element)))
  return { gone, fresh }
}

/** The set without an element first: nft takes a long list of elements in a command of its own. */
export function addWholeSet(set: NamedSet): readonly Operation[] {
  return [{ kind: 'add-set', set: { ...set, elements: [] } }, ...addElements(set, set.elements)]
}

export function addElements({ name, fields }: NamedSet, elements: readonly Element[]): readonly Operation[] {
  return elements.length === 0 ? [] : [{ kind: 'add-elements', set: name, fields, elements }]
}

export function deleteElements(
  { name, fields }: NamedSet,
  elements: readonly Element[],
): readonly Operation[] {
  return elements.length === 0 ? [] : [{ kind: 'delete-elements', set: name, fields, elements }]
}

function sameDefinition(a: NamedSet, b: NamedSet): boolean {
  return a.interval === b.interval && a.fields.join(' . ') === b.fields.join(' . ')
}

interface ChainChanges {
  readonly flushes: readonly Operation[]
  readonly removals: readonly Operation[]
  readonly additions: readonly Operation[]
  readonly rules: readonly Operation[]
}

function chainChanges(before: readonly Chain[], wanted: readonly Chain[], refillAll: boolean): ChainChanges {
  const old = new Map(before.map((chain) => [chain.name, chain]))
  const kept = new Set(
    wanted.filter((chain) => sameHook(old.get(chain.name)?.base, chain.base)).map((chain) => chain.name),
  )
  const gone = before.filter((chain) => !kept.has(chain.name))
  const changed = wanted.filter((chain) => {
    const same = old.get(chain.name)
    return refillAll || same === undefined || !kept.has(chain.name) || !sameRules(same, chain)
  })
  const toFlush = [...gone, ...changed.filter((chain) => old.has(chain.name) && kept.has(chain.name))]
  const toAdd = wanted.filter((chain) => {
    const same = old.get(chain.name)
    return same === undefined || !kept.has(chain.name) || same.base?.policy !== chain.base?.policy
  })
  return {
    flushes: toFlush.map((chain) => ({ kind: 'flush-chain', chain: chain.name })),
    removals: gone.map((chain) => ({ kind: 'delete-chain', chain: chain.name })),
    additions: toAdd.map((chain) =>
      chain.base === undefined
        ? { kind: 'add-chain', chain: chain.name }
        : { kind: 'add-chain', chain: chain.name, base: chain.base },
    ),
    rules: changed.flatMap((chain): readonly Operation[] => [
      // Somebody may have made and filled it since it was looked for: an apply at the same time, for instance.
      ...(kept.has(chain.name) && old.has(chain.name)
        ? []
        : [{ kind: 'flush-chain', chain: chain.name } as const]),
      ...chain.rules.map((rule): Operation => ({ kind: 'add-rule', chain: chain.name, rule })),
    ]),
  }
}

export function sameHook(a: BaseChain | undefined, b: BaseChain | undefined): boolean {
  return a?.type === b?.type && a?.hook === b?.hook && a?.priority === b?.priority
}

export function sameRules(a: Chain, b: Chain): boolean {
  return (
    a.rules.length === b.rules.length &&
    a.rules.every((rule, index) => {
      const other = b.rules[index]
      return other !== undefined && sameRule(rule, other)
    })
  )
}

import type { ElementChanges } from './diff.ts'
import { elementChanges, sameRules } from './diff.ts'
import { sameRule } from './normalise.ts'
import { overlap } from './overlap.ts'
import type { Chain, NamedSet, Rule, SetName, Table } from './ruleset.ts'

export interface SetPlan {
  readonly fresh: readonly NamedSet[]
  readonly gone: readonly SetName[]
  /** Rules that stay as they are ask these: an element more is the new policy come early, one that stays longer the old one. */
  readonly within: readonly ({ readonly set: NamedSet } & ElementChanges)[]
  /**
   * These are filled beside their old self and asked there first: new elements must not meet old rules, nor old elements new
   * rules, nor a range one that it overlaps. Without changes: made anew.
   */
  readonly beside: readonly { readonly set: NamedSet; readonly changes: ElementChanges | undefined }[]
}

export function planSets(before: Table, wanted: Table): SetPlan {
  const old = new Map(before.sets.map((set) => [set.name, set]))
  const within: SetPlan['within'][number][] = []
  const beside: SetPlan['beside'][number][] = []
  for (const set of wanted.sets) {
    const known = old.get(set.name)
    if (known === undefined) continue
    const changes = elementChanges(known, set)
    if (changes !== undefined && changes.gone.length + changes.fresh.length === 0) continue
    const early = changes !== undefined && !(set.interval && overlap([...changes.gone, ...changes.fresh]))
    if (early && sameAsking(before, wanted, set.name)) within.push({ set, ...changes })
    else beside.push({ set, changes })
  }
  const names = new Set(wanted.sets.map(({ name }) => name))
  return {
    fresh: wanted.sets.filter(({ name }) => !old.has(name)),
    gone: before.sets.map(({ name }) => name).filter((name) => !names.has(name)),
    within,
    beside,
  }
}

export function isOneSet(before: Table, wanted: Table, { fresh, gone, within, beside }: SetPlan): boolean {
  const old = new Map(before.chains.map((chain) => [chain.name, chain]))
  return (
    fresh.length + gone.length === 0 &&
    within.length + beside.length === 1 &&
    beside.every(({ changes }) => changes !== undefined) &&
    wanted.chains.every((chain) => {
      const known = old.get(chain.name)
      return known !== undefined && sameRules(known, chain) && known.base?.policy === chain.base?.policy
    })
  )
}

/** Is the set asked by the same rules in both? */
function sameAsking(before: Table, wanted: Table, name: SetName): boolean {
  const [a, b] = [before, wanted].map(({ chains }) =>
    chains
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .flatMap((chain) =>
        chain.rules.filter((rule) => asks(rule, name)).map((rule) => [chain.name, rule] as const),
      ),
  )
  return (
    a?.length === b?.length &&
    a?.every(([chain, rule], index) => {
      const [otherChain, otherRule] = b?.[index] ?? []
      return chain === otherChain && otherRule !== undefined && sameRule(rule, otherRule)
    }) === true
  )
}

export interface ChainPlan {
  /** Their new rules are made in a chain beside them, which they hand over to until their own are there. */
  readonly beside: readonly Chain[]
  readonly refilled: readonly Chain[]
  readonly policies: readonly Chain[]
}

export function planChains(before: Table, wanted: Table, sets: SetPlan): ChainPlan {
  const old = new Map(before.chains.map((chain) => [chain.name, chain]))
  const copied = sets.beside.map(({ set }) => set.name)
  const asking = (chain: Chain, names: readonly SetName[]): boolean =>
    chain.rules.some((rule) => names.some((name) => asks(rule, name)))
  const changed = wanted.chains.filter((chain) => {
    const known = old.get(chain.name)
    return known === undefined || !sameRules(known, chain) || asking(chain, copied)
  })
  const beside = changed.filter((chain) => asking(chain, copied) || chain.rules.some(holdsIntervals))
  return {
    beside,
    refilled: changed.filter((chain) => !beside.includes(chain)),
    policies: wanted.chains.filter(({ name, base }) => old.get(name)?.base?.policy !== base?.policy),
  }
}

function asks(rule: Rule, name: SetName): boolean {
  return rule.statements.some(
    (one) => one.kind === 'field' && one.values.kind === 'set' && one.values.name === name,
  )
}

/** Does nft make a nameless interval set for it? One range of one field is a comparison. */
function holdsIntervals(rule: Rule): boolean {
  return rule.statements.some(
    (one) =>
      one.kind === 'field' &&
      one.values.kind === 'literal' &&
      (one.values.elements.length > 1 || one.fields.length > 1) &&
      one.values.elements.some((element) => element.some(({ low, high }) => low !== high)),
  )
}

export interface CopyNames {
  readonly sets: ReadonlyMap<SetName, SetName>
  readonly chains: ReadonlyMap<string, string>
}

/** Short: a set's own name may be as long as nft allows. */
export function copyNames(before: Table, wanted: Table, sets: SetPlan, chains: ChainPlan): CopyNames {
  const taken = new Set<string>(
    [before, wanted].flatMap((table) => [...table.sets, ...table.chains].map(({ name }) => name)),
  )
  let count = 0
  const free = (): string => {
    let name: string
    do name = `next.${count++}`
    while (taken.has(name))
    return name
  }
  return {
    sets: new Map(sets.beside.map(({ set }) => [set.name, free() as SetName])),
    chains: new Map(chains.beside.map(({ name }) => [name, free()])),
  }
}

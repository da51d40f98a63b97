import type { FieldName } from '../ruleset/fields.ts'
import { FIELDS } from '../ruleset/fields.ts'
import type {
  BaseChain,
  Element,
  FieldMatch,
  NamedSet,
  Rule,
  SetName,
  Table,
  TableRef,
} from '../ruleset/ruleset.ts'
import { overlap } from '../ruleset/overlap.ts'
import { identifier } from '../backends/nftables/names.ts'
import type { KernelError } from './kernel.ts'

/** A table under change: the fake kernel's operations, each refused as the real kernel or nft refuses it. */
export interface TableDraft {
  readonly sets: Map<string, SetDraft>
  readonly chains: Map<string, ChainDraft>
}

interface SetDraft {
  readonly definition: Omit<NamedSet, 'elements'>
  /** By their text, so that adding one again changes nothing. */
  readonly elements: Map<string, Element>
}

interface ChainDraft {
  readonly base: BaseChain | undefined
  readonly rules: readonly Rule[]
}

export function draftOf(table: Table): TableDraft {
  const sets = table.sets.map(({ elements, ...definition }): readonly [string, SetDraft] => [
    definition.name,
    { definition, elements: new Map(elements.map((element) => [keyOf(element), element])) },
  ])
  const chains = table.chains.map(({ name, base, rules }): readonly [string, ChainDraft] => [
    name,
    { base, rules },
  ])
  return { sets: new Map(sets), chains: new Map(chains) }
}

export function tableOf({ family, name }: TableRef, draft: TableDraft): Table {
  return {
    family,
    name,
    sets: [...draft.sets.values()].map(({ definition, elements }) => ({
      ...definition,
      elements: [...elements.values()],
    })),
    chains: [...draft.chains].map(([chain, { base, rules }]) =>
      base === undefined ? { name: chain, rules } : { name: chain, base, rules },
    ),
  }
}

export function addSet(draft: TableDraft, set: NamedSet): KernelError | undefined {
  const { elements, ...definition } = set
  const known = draft.sets.get(identifier(set.name))
  if (known === undefined) draft.sets.set(set.name, { definition, elements: new Map() })
  else if (known.definition.interval !== set.interval || !sameTypes(known.definition.fields, set.fields)) {
    return rejected(`there is a set ${set.name} of another kind`)
  }
  return addElements(draft, set.name, elements)
}

export function deleteSet(draft: TableDraft, name: SetName): KernelError | undefined {
  if (!draft.sets.has(name)) return notFound(`there is no set ${name}`)
  for (const [chain, { rules }] of draft.chains) {
    if (rules.some((rule) => setsOf(rule).some((match) => match.name === name))) {
      return rejected(`the set ${name} is in use in ${chain}`)
    }
  }
  draft.sets.delete(name)
  return undefined
}

export function addElements(
  draft: TableDraft,
  name: SetName,
  elements: readonly Element[],
): KernelError | undefined {
  const set = draft.sets.get(name)
  if (set === undefined) return notFound(`there is no set ${name}`)
  if (!set.definition.interval && elements.some(isRange)) return rejected(`the set ${name} holds no ranges`)
  for (const element of elements) set.elements.set(keyOf(element), element)
  if (set.definition.interval && overlap([...set.elements.values()])) {
    return rejected(`the set ${name} would hold ranges that overlap`)
  }
  return undefined
}

export function deleteElements(
  draft: TableDraft,
  name: SetName,
  elements: readonly Element[],
): KernelError | undefined {
  const set = draft.sets.get(name)
  if (set === undefined) return notFound(`there is no set ${name}`)
  for (const element of elements) {
    if (!set.elements.delete(keyOf(element)))
      return notFound(`the set ${name} has no element ${keyOf(element)}`)
  }
  return undefined
}

export function addChain(
  draft: TableDraft,
  name: string,
  base: BaseChain | undefined,
): KernelError | undefined {
  const known = draft.chains.get(identifier(name))
  if (known === undefined) {
    draft.chains.set(name, { base, rules: [] })
    return undefined
  }
  if (base === undefined) return undefined
  if (!sameHook(known.base, base)) return rejected(`the chain ${name} is at another hook`)
  draft.chains.set(name, { base, rules: known.rules })
  return undefined
}

export function flushChain(draft: TableDraft, name: string): KernelError | undefined {
  const chain = draft.chains.get(name)
  if (chain === undefined) return notFound(`there is no chain ${name}`)
  draft.chains.set(name, { base: chain.base, rules: [] })
  return undefined
}

export function deleteChain(draft: TableDraft, name: string): KernelError | undefined {
  if (!draft.chains.has(name)) return notFound(`there is no chain ${name}`)
  for (const [caller, { rules }] of draft.chains) {
    if (caller !== name && rules.some((rule) => targetsOf(rule).includes(name)))
      return rejected(`${caller} jumps to ${name}`)
  }
  draft.chains.delete(name)
  return undefined
}

export function addRule(draft: TableDraft, name: string, rule: Rule): KernelError | undefined {
  const refusal = ruleRefusal(draft, name, rule)
  if (refusal === undefined) {
    const { base, rules } = draft.chains.get(name) ?? { base: undefined, rules: [] }
    draft.chains.set(name, { base, rules: [...rules, rule] })
    return undefined
  }
  return rule.comment === undefined ? refusal : { ...refusal, origin: rule.comment }
}

export function deleteGoto(draft: TableDraft, name: string, target: string): KernelError | undefined {
  const { base, rules } = draft.chains.get(name) ?? { base: undefined, rules: [] }
  const [first, ...rest] = rules
  if (first?.statements.length !== 1 || first.comment !== undefined || !goesTo(first, target)) {
    return notFound(`${name} does not begin with a goto ${target}`)
  }
  draft.chains.set(name, { base, rules: rest })
  return undefined
}

function goesTo(rule: Rule, target: string): boolean {
  const [statement] = rule.statements
  return (
    statement?.kind === 'verdict' && statement.verdict.kind === 'goto' && statement.verdict.chain === target
  )
}

function ruleRefusal(draft: TableDraft, name: string, rule: Rule): KernelError | undefined {
  if (!draft.chains.has(name)) return notFound(`there is no chain ${name}`)
  for (const match of setsOf(rule)) {
    const set = draft.sets.get(match.name)
    if (set === undefined) return notFound(`there is no set ${match.name}`)
    if (!sameTypes(set.definition.fields, match.fields))
      return rejected(`the set ${match.name} is of another type`)
  }
  for (const target of targetsOf(rule)) {
    const chain = draft.chains.get(target)
    if (chain === undefined) return notFound(`there is no chain ${target}`)
    if (chain.base !== undefined) return rejected(`${target} is a base chain: nothing can jump there`)
    if (closesLoop(draft, name, target)) return rejected(`${name} and ${target} would be a loop`)
  }
  return undefined
}

/** Loops are refused where packets can get into them: nft_chain_validate walks from the base chains only. */
function closesLoop(draft: TableDraft, from: string, to: string): boolean {
  const bases = [...draft.chains].flatMap(([name, { base }]) => (base === undefined ? [] : [name]))
  if (!reachable(draft, bases).has(from)) return false
  const behind = reachable(draft, [to])
  return behind.has(from) || [...behind].some((name) => reachable(draft, callsOf(draft, name)).has(name))
}

function callsOf(draft: TableDraft, name: string): readonly string[] {
  return (draft.chains.get(name)?.rules ?? []).flatMap(targetsOf)
}

function reachable(draft: TableDraft, from: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const waiting = [...from]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    waiting.push(...callsOf(draft, name))
  }
  return seen
}

function setsOf(rule: Rule): readonly { readonly name: SetName; readonly fields: readonly FieldName[] }[] {
  return rule.statements
    .filter((statement): statement is FieldMatch => statement.kind === 'field')
    .flatMap(({ fields, values }) => (values.kind === 'set' ? [{ name: values.name, fields }] : []))
}

function targetsOf(rule: Rule): readonly string[] {
  return rule.statements.flatMap((statement) => {
    if (statement.kind !== 'verdict') return []
    const { verdict } = statement
    return verdict.kind === 'jump' || verdict.kind === 'goto' ? [verdict.chain] : []
  })
}

function sameTypes(a: readonly FieldName[], b: readonly FieldName[]): boolean {
  return a.map((field) => FIELDS[field].type).join() === b.map((field) => FIELDS[field].type).join()
}

function sameHook(a: BaseChain | undefined, b: BaseChain): boolean {
  return a?.type === b.type && a.hook === b.hook && a.priority === b.priority
}

function keyOf(element: Element): string {
  return element.map(({ low, high }) => (low === high ? String(low) : `${low}-${high}`)).join(' . ')
}

function isRange(element: Element): boolean {
  return element.some(({ low, high }) => low !== high)
}

function notFound(message: string): KernelError {
  return { kind: 'not-found', message }
}

function rejected(message: string): KernelError {
  return { kind: 'rejected', message }
}

import { addElements, addWholeSet, deleteElements, diffTable, sameHook } from './diff.ts'
import type { ElementChanges } from './diff.ts'
import type { Chain, NamedSet, Rule, Statement, Table } from './ruleset.ts'
import { copyNames, isOneSet, planChains, planSets } from './stage-plan.ts'
import type { CopyNames } from './stage-plan.ts'
import type { Operation, Transaction } from './transaction.ts'

/**
 * A change of a table that is in force, in transactions one after the other. After each of them, and while the kernel commits it,
 * a packet is admitted only if the rules of before or those wanted admit it, and refused only if one of them refuses it,
 * as long as both are lists of what is admitted that end in a drop.
 */
export interface Stages {
  /** What no packet meets yet: new sets, new rules in chains that nothing calls. And elements that come early. */
  readonly prepare: Transaction
  /** Old rules to new ones. */
  readonly change: Transaction
  /** Each thing to its own name and place, and away with what is not needed any more. */
  readonly tidy: readonly Transaction[]
}

/**
 * The stages from the observed table to the wanted one. One transaction is not enough, though nft commits it at once: the kernel
 * turns to new rules and hashed elements at one moment, and to new contents of interval sets (nft_set_pipapo, and nft_set_rbtree
 * since it looks up in an array: Linux 6.18) only when it has gone through the rest of the transaction. In between new rules
 * meet old or empty sets, also the nameless ones in `tcp dport { 22, 7000-7001 }`: measured under a flood of one admitted device,
 * 150 such changes refused 36 to 149 of 800,000 packets; in stages none. A table that is not in force changes in one, and so
 * does one whose chains at a hook are at another, or that has other chains without a hook: admit makes none of either.
 */
export function stagesOf(observed: Table | undefined, goal: Table): Stages {
  if (observed === undefined || observed.dormant === true || !isKin(observed, goal)) {
    return inOne(diffTable(observed, goal))
  }
  const added = missing(goal, observed)
  const removed = missing(observed, goal)
  const before: Table = { ...observed, chains: [...observed.chains, ...added.map((one) => open(one, []))] }
  const wanted: Table = { ...goal, chains: [...goal.chains, ...removed.map((one) => open(one, [ACCEPT]))] }
  const sets = planSets(before, wanted)
  const chains = planChains(before, wanted, sets)
  // One set changes at one moment, of whatever kind it is.
  if (isOneSet(before, wanted, sets)) return inOne(diffTable(before, wanted))
  const names = copyNames(before, wanted, sets, chains)
  const table = { family: wanted.family, name: wanted.name }
  const stage = (...operations: readonly Operation[]): Transaction => ({ table, operations })
  const copied = (rule: Rule): Rule => withSets(rule, names.sets)
  return {
    prepare: stage(
      ...added.map((chain) => hook(open(chain, []))),
      ...sets.fresh.flatMap(addWholeSet),
      ...sets.beside.flatMap(({ set }) => addWholeSet({ ...set, name: nameIn(names.sets, set.name) })),
      ...sets.within.flatMap(({ set, fresh }) => addElements(set, fresh)),
      ...chains.beside.flatMap((chain) =>
        refill({ ...chain, name: nameIn(names.chains, chain.name) }, copied),
      ),
    ),
    change: stage(
      ...chains.policies.map(hook),
      ...chains.beside.flatMap((chain) => hand(chain, nameIn(names.chains, chain.name))),
      ...chains.refilled.flatMap((chain) => [flush(chain), ...rulesOf(chain)]),
    ),
    tidy: [
      stage(
        ...chains.beside.flatMap((chain) => hand(chain, nameIn(names.chains, chain.name))),
        ...sets.beside.flatMap(({ set, changes }) => becoming(set, changes)),
        ...chains.beside.flatMap(rulesOf),
      ),
      stage(
        ...chains.beside.map(
          ({ name }): Operation => ({
            kind: 'delete-goto',
            chain: name,
            target: nameIn(names.chains, name),
          }),
        ),
      ),
      stage(
        ...[...names.chains.values(), ...removed.map(({ name }) => name)].flatMap(
          (chain): readonly Operation[] => [
            { kind: 'flush-chain', chain },
            { kind: 'delete-chain', chain },
          ],
        ),
        ...[...names.sets.values(), ...sets.gone].map((set): Operation => ({ kind: 'delete-set', set })),
        ...sets.within.flatMap(({ set, gone }) => deleteElements(set, gone)),
      ),
    ].filter(({ operations }) => operations.length > 0),
  }
}

function inOne(change: Transaction): Stages {
  return { prepare: { table: change.table, operations: [] }, change, tidy: [] }
}

/** Is every chain that is in only one of them at a hook, and each that is in both at the same? */
function isKin(a: Table, b: Table): boolean {
  const others = new Map(b.chains.map((chain) => [chain.name, chain]))
  return (
    [...missing(a, b), ...missing(b, a)].every(({ base }) => base !== undefined) &&
    a.chains.every(({ name, base }) => !others.has(name) || sameHook(others.get(name)?.base, base))
  )
}

/** The chains of the one that the other lacks. */
function missing(one: Table, other: Table): readonly Chain[] {
  const names = new Set(other.chains.map(({ name }) => name))
  return one.chains.filter(({ name }) => !names.has(name))
}

const ACCEPT: Rule = { statements: [{ kind: 'verdict', verdict: { kind: 'accept' } }] }

/**
 * What a chain at a hook is before it judges, and after: there, and refusing nothing. A drop policy is in force as soon as the
 * chain is made, before its rules are, and as long as it is there, after they are gone.
 */
function open({ name, base }: Chain, rules: readonly Rule[]): Chain {
  return base === undefined ? { name, rules } : { name, base: { ...base, policy: 'accept' }, rules }
}

function nameIn<Name extends string>(names: ReadonlyMap<Name, Name>, name: Name): Name {
  return names.get(name) ?? name
}

function withSets(rule: Rule, names: CopyNames['sets']): Rule {
  const statements = rule.statements.map((one): Statement => {
    if (one.kind !== 'field' || one.values.kind !== 'set') return one
    return { ...one, values: { kind: 'set', name: nameIn(names, one.values.name) } }
  })
  return { ...rule, statements }
}

/** A chain that nothing calls yet, with its rules. */
function refill({ name, rules }: Chain, copied: (rule: Rule) => Rule): readonly Operation[] {
  return [
    { kind: 'add-chain', chain: name },
    ...rules.map((rule): Operation => ({ kind: 'add-rule', chain: name, rule: copied(rule) })),
  ]
}

/** Nothing but a goto, whatever the chain held: it fails where the chain beside it is no more, because somebody undid it all. */
function hand(chain: Chain, target: string): readonly Operation[] {
  const verdict = { kind: 'goto', chain: target } as const
  return [
    flush(chain),
    { kind: 'add-rule', chain: chain.name, rule: { statements: [{ kind: 'verdict', verdict }] } },
  ]
}

function becoming(set: NamedSet, changes: ElementChanges | undefined): readonly Operation[] {
  return changes === undefined
    ? [{ kind: 'delete-set', set: set.name }, ...addWholeSet(set)]
    : [...deleteElements(set, changes.gone), ...addElements(set, changes.fresh)]
}

function flush({ name }: Chain): Operation {
  return { kind: 'flush-chain', chain: name }
}

function rulesOf({ name, rules }: Chain): readonly Operation[] {
  return rules.map((rule) => ({ kind: 'add-rule', chain: name, rule }))
}

function hook({ name, base }: Chain): Operation {
  return base === undefined ? { kind: 'add-chain', chain: name } : { kind: 'add-chain', chain: name, base }
}

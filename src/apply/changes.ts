import { originPath } from '../compile/origin.ts'
import { cidrRange } from '../net/cidr.ts'
import { macToNumber } from '../net/mac-address.ts'
import type { Identity, Policy } from '../policy/policy.ts'
import { diffTable } from '../ruleset/diff.ts'
import type { FieldName } from '../ruleset/fields.ts'
import { elementWords } from './element-words.ts'
import { elementKey, normaliseRule } from '../ruleset/normalise.ts'
import type { Chain, Element, NamedSet, Rule, Table } from '../ruleset/ruleset.ts'

/** One thing that an apply would add to the kernel's rules or take from them, in words, by where it comes from. */
export interface Change {
  readonly sign: 'added' | 'removed'
  readonly what: 'table' | 'chain' | 'rule' | 'element'
  /** The path in the policy: `grants[0]`, `devices.laptop`, `host.unguarded`, `meaning.reply`. */
  readonly origin?: string
  readonly words: string
}

/** What differs between the rules in the kernel (none: no table) and the wanted ones; empty where nothing does. */
export function changesBetween(
  observed: Table | undefined,
  wanted: Table,
  policy: Policy | undefined,
): readonly Change[] {
  const before = observed ?? { ...wanted, sets: [], chains: [] }
  const table: readonly Change[] =
    observed === undefined
      ? [{ sign: 'added', what: 'table', words: `table ${wanted.family} ${wanted.name}` }]
      : observed.dormant === true
        ? [
            {
              sign: 'removed',
              what: 'table',
              words: 'flags dormant: the kernel consults none of these rules',
            },
          ]
        : []
  const changes = [
    ...table,
    ...elementChanges(before, wanted, deviceIndex(policy)),
    ...chainChanges(before, wanted),
    ...ruleChanges(before, wanted),
  ]
  // Someone else's empty set or chain, or another priority: nothing that admits or refuses by itself.
  const silent = changes.length === 0 && diffTable(observed, wanted).operations.length > 0
  return silent ? [{ sign: 'added', what: 'table', words: 'sets and chains as admit defines them' }] : changes
}

type DeviceIndex = ReadonlyMap<string, string>

/** Device names by the part of an element that tells the sender, without time. */
function deviceIndex(policy: Policy | undefined): DeviceIndex {
  const index = new Map<string, string>()
  for (const device of policy?.devices ?? []) {
    for (const identity of device.identities) index.set(identityKey(identity), device.name)
  }
  return index
}

function identityKey(identity: Identity): string {
  const mac = identity.kind === 'address' ? '' : macToNumber(identity.mac)
  if (identity.kind === 'mac') return `${mac}|`
  const { low, high } = cidrRange(identity.cidr)
  return `${mac}|${low}-${high}`
}

function deviceOf(fields: readonly FieldName[], element: Element, index: DeviceIndex): string | undefined {
  const mac = fields[0] === 'ether saddr' ? String(element[0]?.low) : ''
  const address = element.find(
    (_, position) => fields[position] === 'ip saddr' || fields[position] === 'ip6 saddr',
  )
  return index.get(`${mac}|${address === undefined ? '' : `${address.low}-${address.high}`}`)
}

function elementChanges(before: Table, wanted: Table, index: DeviceIndex): readonly Change[] {
  const old = new Map(before.sets.map((set) => [set.name, set]))
  const next = new Map(wanted.sets.map((set) => [set.name, set]))
  const change = (sign: Change['sign'], set: NamedSet, element: Element): Change => {
    const device = deviceOf(set.fields, element, index)
    const who = device === undefined ? '' : `${device}, `
    const origin = device === undefined ? {} : { origin: `devices.${device}` }
    const audience = set.name.slice(0, set.name.lastIndexOf('.'))
    return {
      sign,
      what: 'element',
      ...origin,
      words: `${audience}: ${who}${elementWords(set.fields, element)}`,
    }
  }
  return [
    ...wanted.sets.flatMap((set) =>
      missing(set, old.get(set.name)).map((element) => change('added', set, element)),
    ),
    ...before.sets.flatMap((set) =>
      missing(set, next.get(set.name)).map((element) => change('removed', set, element)),
    ),
  ]
}

/** The elements of `set` that `other` lacks. */
function missing(set: NamedSet, other: NamedSet | undefined): readonly Element[] {
  if (other === undefined) return set.elements
  const known = new Set(other.elements.map((element) => elementKey(other.fields, element)))
  return set.elements.filter((element) => !known.has(elementKey(set.fields, element)))
}

function chainChanges(before: Table, wanted: Table): readonly Change[] {
  const describe = ({ name, base }: Chain): string =>
    base === undefined ? `chain ${name}` : `chain ${name} (hook ${base.hook}, policy ${base.policy})`
  return onlyIn(wanted.chains.map(describe), before.chains.map(describe)).map(
    ({ sign, item }): Change => ({ sign, what: 'chain', words: item }),
  )
}

function ruleChanges(before: Table, wanted: Table): readonly Change[] {
  // The kernel lists chains in the order of their making, which says nothing; that of the rules inside does.
  const rules = ({ chains }: Table): readonly string[] =>
    [...chains]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((chain) => chain.rules.map((rule) => `${chain.name}\t${ruleKey(rule)}`))
  const comments = new Map<string, string | undefined>(
    [...before.chains, ...wanted.chains].flatMap((chain) =>
      chain.rules.map((rule) => [`${chain.name}\t${ruleKey(rule)}`, rule.comment] as const),
    ),
  )
  const changes = onlyIn(rules(wanted), rules(before)).map(({ sign, item }) =>
    ruleChange(sign, item.slice(0, item.indexOf('\t')), comments.get(item)),
  )
  if (changes.length > 0) return merged(changes)
  const order = JSON.stringify(rules(before)) === JSON.stringify(rules(wanted))
  return order ? [] : [{ sign: 'added', what: 'rule', words: 'the same rules in another order' }]
}

function ruleKey(rule: Rule): string {
  return JSON.stringify(normaliseRule(rule), (_, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part,
  )
}

function ruleChange(sign: Change['sign'], chain: string, comment: string | undefined): Change {
  if (comment === undefined) return { sign, what: 'rule', words: `${chain}: a rule without a comment` }
  const origin = originPath(comment)
  const words = `${chain}: ${origin === undefined ? comment : comment.slice(origin.length + 2)}`
  return origin === undefined ? { sign, what: 'rule', words } : { sign, what: 'rule', origin, words }
}

/** A grant is several rules: one line for all that come from the same place. */
function merged(changes: readonly Change[]): readonly Change[] {
  return [
    ...new Map(changes.map((change) => [`${change.sign} ${change.origin} ${change.words}`, change])).values(),
  ]
}

/** Items that one list has more often than the other. */
function onlyIn(
  wanted: readonly string[],
  before: readonly string[],
): readonly { readonly sign: Change['sign']; readonly item: string }[] {
  const surplus = (list: readonly string[], from: readonly string[]): readonly string[] => {
    const counts = new Map<string, number>()
    for (const item of from) counts.set(item, (counts.get(item) ?? 0) + 1)
    return list.filter((item) => {
      const left = counts.get(item) ?? 0
      counts.set(item, left - 1)
      return left <= 0
    })
  }
  return [
    ...surplus(wanted, before).map((item) => ({ sign: 'added', item }) as const),
    ...surplus(before, wanted).map((item) => ({ sign: 'removed', item }) as const),
  ]
}

import { printable } from '../../base/terminal.ts'
import type { Result } from '../../base/result.ts'
import { fail, ok } from '../../base/result.ts'
import type { FieldName, FieldType } from '../../ruleset/fields.ts'
import { FIELDS } from '../../ruleset/fields.ts'
import type {
  BaseChain,
  Chain,
  Element,
  NamedSet,
  Rule,
  Ruleset,
  SetName,
  Table,
  TableFamily,
} from '../../ruleset/ruleset.ts'
import type { JsonRecord } from './json-shape.ts'
import { arrayOf, isRecord, only, textOf } from './json-shape.ts'
import type { FindSet, SetUse } from './read-match.ts'
import { readElement, readField } from './read-match.ts'
import type { Unread } from './read-rule.ts'
import { readRule, unreadItem } from './read-rule.ts'

/** What a listing says, and what of it the model does not hold. Nothing is in neither. */
export interface ReadRuleset {
  readonly ruleset: Ruleset
  readonly unread: readonly Unread[]
}

/**
 * Reads what `nft -j list ruleset` or `nft -j list table …` printed, with or without `-n`, as text or parsed.
 * Statements that the model lacks become opaque matches; sets that it cannot hold whole are left out, so that a
 * match on one is opaque, and they are reported. An error is a text that is no such listing. `better` may replace
 * what was read of a rule's object.
 */
export function readJson(json: unknown, better: BetterRule = asRead): Result<ReadRuleset, string> {
  const parsed = typeof json === 'string' ? parseText(json) : ok(json)
  if (!parsed.ok) return parsed
  const objects = isRecord(parsed.value) ? arrayOf(parsed.value['nftables']) : undefined
  if (objects === undefined) return fail('this is not the JSON of nft: there is no list `nftables`')
  try {
    return ok(readObjects(objects, better))
  } catch (error) {
    // Writing an opaque match's text is the one thing here that goes as deep as the JSON does.
    if (error instanceof RangeError) return fail('this is not the JSON of nft: it is nested too deeply')
    throw error
  }
}

export type BetterRule = (object: JsonRecord, read: Rule) => Rule

function asRead(_object: JsonRecord, read: Rule): Rule {
  return read
}

function readObjects(objects: readonly unknown[], better: BetterRule): ReadRuleset {
  const drafts = new Map<string, TableDraft>()
  const unread: Unread[] = []
  for (const object of objects) readObject(object, drafts, unread)
  return { ruleset: { tables: [...drafts.values()].map((draft) => finish(draft, unread, better)) }, unread }
}

/** An error is one sentence. */
export function parseText(text: string): Result<unknown, string> {
  try {
    const value: unknown = JSON.parse(text)
    return ok(value)
  } catch (error) {
    const reason = error instanceof Error ? printable(error.message) : 'it cannot be parsed'
    return fail(`this is not the JSON of nft: ${reason}`)
  }
}

interface TableDraft {
  readonly family: TableFamily
  readonly name: string
  dormant: boolean
  readonly sets: Map<string, SetDraft>
  /** Names of sets and maps that could not be read whole. */
  readonly lost: Set<string>
  readonly chains: Map<string, { readonly base?: BaseChain; readonly rules: JsonRecord[] }>
}

interface SetDraft extends SetUse {
  readonly interval: boolean
  readonly elements: readonly Element[]
  fields: readonly FieldName[] | undefined
}

const FAMILIES: ReadonlySet<string> = new Set(['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev'])

function readObject(object: unknown, drafts: Map<string, TableDraft>, unread: Unread[]): void {
  const kind = isRecord(object) ? Object.keys(object)[0] : undefined
  const body = kind === undefined ? undefined : only(object, kind)
  if (kind === 'metainfo') return
  const family = isRecord(body) ? textOf(body, 'family') : undefined
  const name = isRecord(body) ? textOf(body, kind === 'table' ? 'name' : 'table') : undefined
  if (!isRecord(body) || family === undefined || name === undefined || !FAMILIES.has(family)) {
    unread.push(unreadItem('', object, 'decides'))
    return
  }
  const draft = tableDraft(drafts, family as TableFamily, name)
  if (kind === 'table') {
    const flags = arrayOf(body['flags']) ?? [body['flags']]
    // nft 1.0.6 prints any text that its memory holds in place of a flag's name (use after free), so that whatever is
    // not another flag's name is taken for this one, the only flag that opens a host.
    draft.dormant = flags.some((flag) => flag !== undefined && !OTHER_TABLE_FLAGS.has(flag))
    const others = flags.some((flag) => OTHER_TABLE_FLAGS.has(flag))
    if (others || 'comment' in body) unread.push(unreadItem(`${family} ${name}`, object, 'detail'))
    return
  }
  const understood =
    (kind === 'set' && readSet(body, draft, unread)) ||
    (kind === 'chain' && readChain(body, draft)) ||
    (kind === 'rule' && draft.chains.get(textOf(body, 'chain') ?? '')?.rules.push(body) !== undefined)
  if (understood) return
  if (kind === 'set' || kind === 'map') draft.lost.add(textOf(body, 'name') ?? '')
  const weight = kind !== undefined && NAMED_OBJECTS.has(kind) ? 'object' : 'decides'
  unread.push(unreadItem(`${family} ${name}`, object, weight))
}

const OTHER_TABLE_FLAGS: ReadonlySet<unknown> = new Set(['owner', 'persist'])

/** Objects that do nothing but by a rule that names them. */
const NAMED_OBJECTS: ReadonlySet<string> = new Set([
  'set',
  'map',
  'element',
  'flowtable',
  'counter',
  'quota',
  'limit',
  'synproxy',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'secmark',
])

function tableDraft(drafts: Map<string, TableDraft>, family: TableFamily, name: string): TableDraft {
  const key = `${family} ${name}`
  const known = drafts.get(key)
  if (known !== undefined) return known
  const draft: TableDraft = {
    family,
    name,
    dormant: false,
    sets: new Map(),
    lost: new Set(),
    chains: new Map(),
  }
  drafts.set(key, draft)
  return draft
}

const HOOKS: ReadonlySet<string> = new Set<BaseChain['hook']>([
  'input',
  'forward',
  'output',
  'prerouting',
  'postrouting',
  'ingress',
  'egress',
])

function readChain(body: JsonRecord, draft: TableDraft): boolean {
  const name = textOf(body, 'name')
  if (name === undefined) return false
  const { type, hook, prio, policy } = body
  if (hook === undefined) {
    draft.chains.set(name, { rules: [] })
    return true
  }
  if (type !== 'filter' && type !== 'nat' && type !== 'route') return false
  if (typeof hook !== 'string' || !HOOKS.has(hook) || typeof prio !== 'number') return false
  const base: BaseChain = {
    type,
    hook: hook as BaseChain['hook'],
    priority: prio,
    policy: policy === 'drop' ? 'drop' : 'accept',
  }
  draft.chains.set(name, { base, rules: [] })
  return true
}

/** Of a set's other flags none hinders reading its elements: they are reported, since elements may come and go. */
function readSet(body: JsonRecord, draft: TableDraft, unread: Unread[]): boolean {
  const name = textOf(body, 'name')
  const definition = readDefinition(body['type'])
  if (name === undefined || definition === undefined) return false
  const flags = arrayOf(body['flags']) ?? (body['flags'] === undefined ? [] : [body['flags']])
  const elements: Element[] = []
  let changing = flags.some((flag) => flag !== 'interval' && flag !== 'constant')
  for (const item of arrayOf(body['elem']) ?? []) {
    const wrapped = only(item, 'elem')
    const element = readElement(definition.types, isRecord(wrapped) ? wrapped['val'] : item)
    if (element === undefined) return false
    if (isRecord(wrapped) && ('timeout' in wrapped || 'expires' in wrapped)) changing = true
    elements.push(element)
  }
  if (changing) {
    const rest = { ...body, elem: undefined }
    unread.push(unreadItem(`${draft.family} ${draft.name}`, { set: rest }, 'detail'))
  }
  const set: SetDraft = {
    ...definition,
    interval: flags.includes('interval'),
    elements,
    use(fields) {
      set.fields ??= fields
    },
  }
  draft.sets.set(name, set)
  return true
}

/** `"ether_addr"`, `["ether_addr", "time"]` (1.0.6), or `{"typeof": …}` with the fields themselves (1.1). */
function readDefinition(
  type: unknown,
): { readonly types: readonly FieldType[]; readonly fields: readonly FieldName[] | undefined } | undefined {
  const expression = only(type, 'typeof')
  if (expression !== undefined) {
    const parts = arrayOf(only(expression, 'concat')) ?? [expression]
    const fields = parts.map(readField).filter((field) => field !== undefined)
    if (fields.length !== parts.length) return undefined
    return { types: fields.map((field) => FIELDS[field].type), fields }
  }
  const names = arrayOf(type) ?? [type]
  const types = names
    .map((name) => (typeof name === 'string' ? FIELD_OF_TYPE.get(name) : undefined))
    .filter((known) => known !== undefined)
  if (types.length !== names.length || types.length === 0) return undefined
  return { types: types.map((field) => FIELDS[field].type), fields: undefined }
}

/** The field that stands for a type in a set that no rule matches on: the first of `FIELDS` with it. */
const FIELD_OF_TYPE: ReadonlyMap<string, FieldName> = new Map(
  (Object.keys(FIELDS) as FieldName[])
    .toReversed()
    .filter((field) => field !== 'tcp sport')
    .map((field) => [nftType(FIELDS[field].type), field]),
)

function nftType(type: FieldType): string {
  return type === 'nfproto' ? 'nf_proto' : type
}

/** A set of no type: no match on it can be read. */
const LOST: SetUse = { types: [], use() {} }

function finish(draft: TableDraft, unread: Unread[], better: BetterRule): Table {
  const { family, name } = draft
  const findSet: FindSet = (set) => draft.sets.get(set) ?? (draft.lost.has(set) ? LOST : undefined)
  const chains: Chain[] = []
  for (const [chain, { base, rules: bodies }] of draft.chains) {
    const where = `${family} ${name} ${chain}`
    const rules = bodies.map(
      (body): Rule =>
        better(
          body,
          readRule(body, findSet, (what, weight) => unread.push(unreadItem(where, what, weight))),
        ),
    )
    chains.push(base === undefined ? { name: chain, rules } : { name: chain, base, rules })
  }
  const sets: NamedSet[] = [...draft.sets].map(([set, { types, fields, interval, elements }]) => ({
    name: set as SetName,
    fields: fields ?? types.map((type) => FIELD_OF_TYPE.get(nftType(type)) ?? 'iifname'),
    interval,
    elements,
  }))
  return draft.dormant ? { family, name, dormant: true, sets, chains } : { family, name, sets, chains }
}

import { PROTOCOL_NUMBER } from '../../net/protocol.ts'
import { NFPROTO } from '../../ruleset/fields.ts'
import type { JsonRecord } from './json-shape.ts'
import { arrayOf, isRecord, only, textOf } from './json-shape.ts'
import { readField, readMatch } from './read-match.ts'

/** A verdict map with more elements is left as it is: it would become as many rules. */
const MOST_ELEMENTS = 500

/**
 * A listing with other people's idioms said in the words of the model, for judging packets only: a rule with a verdict
 * map becomes a rule for each of its elements, an interface index its name, a set of connection states a test of bits, and before a
 * field that the model lacks stands that the packet has its header.
 * What a packet meets is the same, or more doubtful; never less.
 */
export function inPlainWords(objects: readonly unknown[]): readonly unknown[] {
  const maps = new Map<string, readonly unknown[]>()
  for (const object of objects) {
    const map = only(object, 'map')
    const elements = isRecord(map) && map['map'] === 'verdict' ? arrayOf(map['elem']) : undefined
    if (isRecord(map) && elements !== undefined) maps.set(keyOf(map, textOf(map, 'name')), elements)
  }
  return objects.flatMap((object): readonly unknown[] => {
    const rule = only(object, 'rule')
    const expressions = isRecord(rule) ? arrayOf(rule['expr']) : undefined
    if (!isRecord(rule) || expressions === undefined) return [object]
    const find = (name: string): readonly unknown[] | undefined => maps.get(keyOf(rule, name))
    return expanded(expressions.flatMap(plainMatch), find).map((expr) => ({ rule: { ...rule, expr } }))
  })
}

function keyOf(object: JsonRecord, name: string | undefined): string {
  return JSON.stringify([object['family'], object['table'], name])
}

type FindMap = (name: string) => readonly unknown[] | undefined

/** One list of expressions for each way through the first verdict map, if any. */
function expanded(expressions: readonly unknown[], find: FindMap): readonly (readonly unknown[])[] {
  const at = expressions.findIndex((expression) => only(expression, 'vmap') !== undefined)
  const vmap = only(expressions[at], 'vmap')
  if (!isRecord(vmap)) return [expressions]
  const { key, data } = vmap
  const elements = typeof data === 'string' ? find(data.replace(/^@/, '')) : arrayOf(only(data, 'set'))
  if (elements === undefined || elements.length > MOST_ELEMENTS) return [expressions]
  const ways: (readonly unknown[])[] = []
  for (const element of elements) {
    const [wrapped, verdict] = arrayOf(element) ?? []
    const inner = only(wrapped, 'elem')
    const value = isRecord(inner) ? inner['val'] : wrapped
    // A catch-all element holds where all others fail: that is no rule of the model.
    if (verdict === undefined || value === undefined || value === '*') return [expressions]
    const match = plainMatch({ match: { op: '==', left: key, right: value } })
    ways.push([...expressions.slice(0, at), ...match, verdict, ...expressions.slice(at + 1)])
  }
  return ways
}

function plainMatch(expression: unknown): readonly unknown[] {
  const match = only(expression, 'match')
  if (!isRecord(match)) return [expression]
  const { op, left, right } = match
  const meta = only(left, 'meta')
  const key = isRecord(meta) ? meta['key'] : undefined
  if ((key === 'iif' || key === 'oif') && areNames(right)) {
    return [{ match: { ...match, left: { meta: { key: `${key}name` } } } }]
  }
  const ct = only(left, 'ct')
  const states = arrayOf(only(right, 'set'))
  if (isRecord(ct) && ct['key'] === 'state' && states !== undefined && (op === '==' || op === '!=')) {
    // A packet has exactly one of the states.
    return [{ match: { op: op === '==' ? 'in' : '!', left, right: states } }]
  }
  return readMatch(match, () => undefined) === undefined ? [...implied(left), expression] : [expression]
}

/** What nft implies before a field of a header that the model lacks: the packet has that header. */
function implied(left: unknown): readonly unknown[] {
  const field = arrayOf(only(left, '&'))?.[0] ?? left
  const payload = only(field, 'payload')
  if (!isRecord(payload) || 'tunnel' in payload || readField(field) !== undefined) return []
  const [key, value] = HEADERS.get(textOf(payload, 'protocol') ?? '') ?? []
  return key === undefined ? [] : [{ match: { op: '==', left: { meta: { key } }, right: value } }]
}

const HEADERS: ReadonlyMap<string, readonly [key: 'nfproto' | 'l4proto', value: number]> = new Map<
  string,
  readonly ['nfproto' | 'l4proto', number]
>([
  ['ip', ['nfproto', NFPROTO.ipv4]],
  ['ip6', ['nfproto', NFPROTO.ipv6]],
  ...Object.entries(PROTOCOL_NUMBER).map(([name, number]) => [name, ['l4proto', number]] as const),
])

/** nft lists the name of an interface that is there, and the number of one that has gone. */
function areNames(right: unknown): boolean {
  const names = arrayOf(only(right, 'set')) ?? [right]
  return names.every((name) => typeof name === 'string' && !/^\d+$/.test(name))
}

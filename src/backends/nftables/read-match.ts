import type { BitFieldName, FieldName, FieldType } from '../../ruleset/fields.ts'
import { BIT_FIELDS, FIELDS } from '../../ruleset/fields.ts'
import type { BitsMatch, Element, Interval, Match, SetName } from '../../ruleset/ruleset.ts'
import { arrayOf, isRecord, only, textOf } from './json-shape.ts'
import { fullMask } from './render-rule.ts'
import { prefixInterval, readScalar } from './scalar.ts'

/** What a set of the same table holds, as far as matching on it needs to know. */
export interface SetUse {
  readonly types: readonly FieldType[]
  /** Told the fields of each match on the set: JSON of nft 1.0.6 names a set's types only. */
  use(fields: readonly FieldName[]): void
}

export type FindSet = (name: string) => SetUse | undefined

/** Reads a `match` expression of nft's JSON; undefined where the model has no such match. */
export function readMatch(match: unknown, findSet: FindSet): Match | undefined {
  if (!isRecord(match)) return undefined
  const { op, left, right } = match
  const bits = readBitsMatch(op, left, right)
  if (bits !== undefined) return bits
  if (op !== '==' && op !== '!=') return undefined
  const fields = readFields(left)
  if (fields === undefined) return undefined
  const test = op === '==' ? 'in' : 'not-in'
  const set = typeof right === 'string' && right.startsWith('@') ? findSet(right.slice(1)) : undefined
  if (set !== undefined) {
    const types = fields.map((field) => FIELDS[field].type)
    if (set.types.join() !== types.join()) return undefined
    set.use(fields)
    return { kind: 'field', fields, test, values: { kind: 'set', name: String(right).slice(1) as SetName } }
  }
  const elements = readLiteral(
    fields.map((field) => FIELDS[field].type),
    right,
  )
  return elements && { kind: 'field', fields, test, values: { kind: 'literal', elements } }
}

/** Reads one element of a set: a value, prefix or range for each type; undefined where a part is none of its type. */
export function readElement(types: readonly FieldType[], value: unknown): Element | undefined {
  const [type] = types
  if (types.length === 1 && type !== undefined) {
    const interval = readInterval(type, value)
    return interval && [interval]
  }
  const parts = arrayOf(only(value, 'concat'))
  if (parts === undefined || parts.length !== types.length) return undefined
  const element: Interval[] = []
  for (const [index, each] of types.entries()) {
    const interval = readInterval(each, parts[index])
    if (interval === undefined) return undefined
    element.push(interval)
  }
  return element
}

function readLiteral(types: readonly FieldType[], right: unknown): readonly Element[] | undefined {
  const elements: Element[] = []
  for (const value of arrayOf(only(right, 'set')) ?? [right]) {
    const element = readElement(types, value)
    if (element === undefined) return undefined
    elements.push(element)
  }
  return elements
}

function readInterval(type: FieldType, value: unknown): Interval | undefined {
  if (typeof value !== 'object') {
    const scalar = readScalar(type, value)
    return scalar === undefined ? undefined : { low: scalar, high: scalar }
  }
  const prefix = only(value, 'prefix')
  if (isRecord(prefix)) {
    const address = readScalar(type, prefix['addr'])
    return address === undefined ? undefined : prefixInterval(type, address, Number(prefix['len']))
  }
  const range = arrayOf(only(value, 'range'))
  if (range === undefined || range.length !== 2 || type === 'ifname') return undefined
  const low = readScalar(type, range[0])
  const high = readScalar(type, range[1])
  return low !== undefined && high !== undefined && low <= high ? { low, high } : undefined
}

function readFields(left: unknown): readonly FieldName[] | undefined {
  const parts = arrayOf(only(left, 'concat'))
  if (parts === undefined) {
    const field = readField(left)
    return field && [field]
  }
  const fields: FieldName[] = []
  for (const part of parts) {
    const field = readField(part)
    if (field === undefined) return undefined
    fields.push(field)
  }
  return fields
}

/** One field of the model from an expression such as `{"payload": {"protocol": "ip", "field": "saddr"}}`. */
export function readField(expression: unknown): FieldName | undefined {
  const name = expressionName(expression)
  return name !== undefined && Object.hasOwn(FIELDS, name) ? (name as FieldName) : undefined
}

function expressionName(expression: unknown): string | undefined {
  const meta = only(expression, 'meta')
  if (isRecord(meta) && typeof meta['key'] === 'string') {
    const key = meta['key']
    return key === 'iifname' || key === 'oifname' ? key : `meta ${key}`
  }
  const ct = only(expression, 'ct')
  if (isRecord(ct) && typeof ct['key'] === 'string') {
    return 'dir' in ct ? `ct ${textOf(ct, 'dir')} ${ct['key']}` : `ct ${ct['key']}`
  }
  const payload = only(expression, 'payload')
  // `tunnel` payloads (`vxlan ip saddr`) name the same fields of another packet.
  if (isRecord(payload) && !('tunnel' in payload))
    return `${textOf(payload, 'protocol')} ${textOf(payload, 'field')}`
  return undefined
}

function readBitsMatch(op: unknown, left: unknown, right: unknown): BitsMatch | undefined {
  const masked = arrayOf(only(left, '&'))
  const name = expressionName(masked === undefined ? left : masked[0])
  if (name === undefined || !Object.hasOwn(BIT_FIELDS, name)) return undefined
  const field = name as BitFieldName
  const prefix = only(right, 'prefix')
  const value = readBits(field, isRecord(prefix) ? prefix['addr'] : right)
  if (value === undefined || (masked !== undefined && masked.length !== 2)) return undefined
  if (masked === undefined) {
    if (op === 'in') return { kind: 'bits', field, mask: value, test: 'not-equal', value: 0 }
    if (op === '!') return { kind: 'bits', field, mask: value, test: 'equal', value: 0 }
  }
  // 1.0.6 lists `ct mark & 0xfffffff0 == 0x10` as `ct mark 0x10/28`.
  const mask = isRecord(prefix)
    ? prefixMask(field, Number(prefix['len']))
    : masked === undefined
      ? fullMask(field)
      : readBits(field, masked[1])
  if (mask === undefined || (op !== '==' && op !== '!=')) return undefined
  return { kind: 'bits', field, mask, test: op === '==' ? 'equal' : 'not-equal', value }
}

/** The mask whose first `length` bits are set; undefined where the field has not so many. */
export function prefixMask(field: BitFieldName, length: number): number | undefined {
  const full = fullMask(field)
  const width = full.toString(2).length
  if (!Number.isInteger(length) || length < 1 || length > width) return undefined
  return full + 1 - 2 ** (width - length)
}

/** Bits by name or number, alone, listed, or joined by `|`, which older versions nest in pairs. */
function readBits(field: BitFieldName, value: unknown, depth = 0): number | undefined {
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= 0 && value <= fullMask(field) ? value : undefined
  }
  if (typeof value === 'string') {
    const names: Readonly<Record<string, number>> = BIT_FIELDS[field]
    return Object.hasOwn(names, value) ? names[value] : undefined
  }
  const parts = arrayOf(value) ?? arrayOf(only(value, '|'))
  if (parts === undefined || depth > 32) return undefined
  let bits = 0
  for (const part of parts) {
    const some = readBits(field, part, depth + 1)
    if (some === undefined) return undefined
    bits = (bits | some) >>> 0
  }
  return bits
}

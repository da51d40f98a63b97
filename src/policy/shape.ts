import type { Place } from '../base/place.ts'
import { nearest } from '../base/suggest.ts'
import type { DiagnosticCode } from './codes.ts'
import type { JsonSchema } from './json-schema.ts'
import type { Placed } from './policy.ts'
import type { Reading } from './reading.ts'
import type { YamlMap, YamlNode, YamlScalar } from './yaml/tree.ts'

/**
 * One kind of value in the language. What it reads and the JSON Schema that editors get come from the same
 * definition; `read` returns undefined after it has reported why.
 */
export interface Shape<T> {
  readonly read: (node: YamlNode, path: string, reading: Reading) => T | undefined
  readonly schema: () => JsonSchema
}

/** A key of a map. */
export interface Field<T> {
  readonly shape: Shape<T>
  /** What it means, for editors and the language page. */
  readonly doc: string
  readonly required?: true
  /** The value that holds when the key is absent, as it would be written. */
  readonly default?: string | number | boolean | readonly string[]
}

export type Fields = { readonly [key: string]: Field<unknown> }

/** What a map of these fields reads to; a field that is absent or was not readable is undefined. */
export type Draft<F extends Fields> = {
  readonly [K in keyof F]?: (F[K] extends Field<infer T> ? T : never) | undefined
} & { readonly place: Place; readonly broken: boolean }

/** A door: the value, or the code, message and fix that say why this text is none. */
export type Door<T> = (
  scalar: YamlScalar,
  place: Place,
) => { readonly value: T } | { readonly code: DiagnosticCode; readonly message: string; readonly fix: string }

/** A scalar that a door reads. `what` completes "… must be". */
export function scalar<T>(what: string, schema: JsonSchema, door: Door<T>): Shape<Placed<T>> {
  return {
    schema: () => schema,
    read(node, path, reading) {
      const place = reading.place(path, node)
      if (node.kind !== 'scalar') {
        reading.error(
          'wrong-type',
          place,
          `${lastStep(path)} must be ${what}, not a ${node.kind}`,
          `write ${what}`,
        )
        return undefined
      }
      if (node.text === '' && node.style === 'plain') {
        reading.error(
          'empty-value',
          place,
          `nothing is written for ${lastStep(path)}`,
          `write ${what}, or remove the key`,
        )
        return undefined
      }
      const result = door(node, place)
      if ('value' in result) return { value: result.value, place }
      reading.error(result.code, place, result.message, result.fix)
      return undefined
    },
  }
}

/** One of a few words. */
export function word<W extends string>(words: readonly W[]): Shape<Placed<W>> {
  const listed = words.length === 1 ? `${words[0]}` : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return scalar(listed, { enum: words }, ({ text }) => {
    const found = words.find((candidate) => candidate === text)
    if (found !== undefined) return { value: found }
    const meant = nearest(text, words)
    return {
      code: 'unknown-word',
      message: `"${text}" is not a word that can stand here`,
      fix: meant === undefined ? `write ${listed}` : `did you mean ${meant}?`,
    }
  })
}

/** One value or a list of them. An empty list is an error unless `empty` allows it. */
export function oneOrMany<T>(item: Shape<T>, empty: 'allowed' | 'refused' = 'refused'): Shape<readonly T[]> {
  const list = many(item, empty)
  return {
    schema: () => ({ anyOf: [item.schema(), list.schema()] }),
    read(node, path, reading) {
      if (node.kind === 'list') return list.read(node, path, reading)
      const one = item.read(node, path, reading)
      return one === undefined ? undefined : [one]
    },
  }
}

/** A list; items that are not readable are left out. */
export function many<T>(item: Shape<T>, empty: 'allowed' | 'refused' = 'refused'): Shape<readonly T[]> {
  return {
    schema: () => ({ type: 'array', items: item.schema(), ...(empty === 'refused' && { minItems: 1 }) }),
    read(node, path, reading) {
      if (node.kind !== 'list') {
        const place = reading.place(path, node)
        const fix = 'begin each entry with - on a line of its own, or write [ , ]'
        reading.error('wrong-type', place, `${lastStep(path)} must be a list`, fix)
        return undefined
      }
      if (node.items.length === 0 && empty === 'refused') {
        const place = reading.place(path, node)
        reading.error(
          'empty-list',
          place,
          `the list of ${lastStep(path)} is empty`,
          'name at least one, or remove the key',
        )
        return undefined
      }
      const read: T[] = []
      for (const [index, entry] of node.items.entries()) {
        const value = item.read(entry, `${path}[${index}]`, reading)
        if (value !== undefined) read.push(value)
      }
      return read
    },
  }
}

/** A value that may be left empty, as a section whose entries are all commented out. */
export function orNothing<T, N>(shape: Shape<T>, nothing: N): Shape<T | N> {
  return {
    schema: () => ({ anyOf: [shape.schema(), { type: 'null' }] }),
    read: (node, path, reading) =>
      node.kind === 'scalar' && node.text === '' && node.style === 'plain'
        ? nothing
        : shape.read(node, path, reading),
  }
}

/** A map with these keys and no others. */
export function record<F extends Fields>(what: string, fields: F): Shape<Draft<F>> {
  const byKey = new Map(Object.entries(fields))
  const required = [...byKey].filter(([, field]) => field.required === true)
  return {
    schema: () => recordSchema(fields),
    read(node, path, reading) {
      const place = reading.place(path, node)
      if (node.kind !== 'map') {
        const keys = [...byKey.keys()].slice(0, 3).join(', ')
        const fix = `write it with keys such as ${keys}`
        reading.error('wrong-type', place, `${what} must be a map of keys and values`, fix)
        return undefined
      }
      const before = reading.errors
      const values = readFields(what, byKey, node, path, reading)
      for (const [key, field] of required) {
        if (!Object.hasOwn(values, key)) {
          reading.error('missing-key', place, `${what} has no ${key}:`, `add ${key}: (${field.doc})`)
        }
      }
      return Object.assign(values, { place, broken: reading.errors > before }) as Draft<F>
    },
  }
}

function readFields(
  what: string,
  fields: ReadonlyMap<string, Field<unknown>>,
  map: YamlMap,
  path: string,
  reading: Reading,
): { [key: string]: unknown } {
  const values: { [key: string]: unknown } = {}
  for (const { key, value } of map.entries) {
    const inner = path === '' ? step(key) : `${path}.${step(key)}`
    const field = fields.get(key.text)
    if (field === undefined) {
      reportUnknownKey(what, key, path, [...fields.keys()], reading)
    } else if (Object.hasOwn(values, key.text)) {
      const fix = 'keep one of the two'
      reading.error('duplicate-key', reading.place(inner, key), `"${key.text}" is written twice`, fix)
    } else {
      values[key.text] = field.shape.read(value, inner, reading)
    }
  }
  return values
}

function reportUnknownKey(
  what: string,
  key: YamlScalar,
  path: string,
  known: readonly string[],
  reading: Reading,
): void {
  const meant = nearest(key.text, known)
  const fix = meant === undefined ? `the keys here are ${known.join(', ')}` : `did you mean ${meant}?`
  reading.error('unknown-key', reading.place(path, key), `${what} has no key "${key.text}"`, fix)
}

function recordSchema(fields: Fields): JsonSchema {
  const properties: { [key: string]: JsonSchema } = {}
  const required: string[] = []
  for (const [key, field] of Object.entries(fields)) {
    const described = {
      description: field.doc,
      ...(field.default !== undefined && { default: field.default }),
    }
    properties[key] = { ...described, ...field.shape.schema() }
    if (field.required === true) required.push(key)
  }
  return { type: 'object', additionalProperties: false, properties, ...(required.length > 0 && { required }) }
}

/** An entry of a map whose keys are names that the user chose. `value` is undefined where it was not readable. */
export interface Named<T> {
  readonly name: string
  /** Where the name stands; its path is the entry's. */
  readonly place: Place
  readonly value: T | undefined
}

/** A map from chosen names to values. `checkName` reports a name that cannot be one. */
export function named<T>(
  what: string,
  value: Shape<T>,
  namePattern: string,
  checkName: (name: YamlScalar, place: Place, reading: Reading) => void,
): Shape<readonly Named<T>[]> {
  return {
    schema: () => ({
      type: 'object',
      additionalProperties: false,
      patternProperties: { [namePattern]: value.schema() },
    }),
    read(node, path, reading) {
      if (node.kind !== 'map') {
        const fix = `write each as NAME: on a line of its own, indented by two spaces`
        reading.error(
          'wrong-type',
          reading.place(path, node),
          `${path} must be a map from names to ${what}`,
          fix,
        )
        return undefined
      }
      const first = new Map<string, Place>()
      return node.entries.map(({ key, value: inner }) => {
        const place = reading.place(`${path}.${step(key)}`, key)
        checkName(key, place, reading)
        const before = first.get(key.text)
        if (before === undefined) first.set(key.text, place)
        else {
          const message = `${what} "${key.text}" is already in line ${before.line}`
          reading.error('duplicate-key', place, message, 'give one of the two another name, or join them')
        }
        return { name: key.text, place, value: value.read(inner, place.path, reading) }
      })
    },
  }
}

function lastStep(path: string): string {
  return path === '' ? 'the policy' : path.slice(path.lastIndexOf('.') + 1)
}

/** A key as a step of a path; the longest name has 63 characters. */
function step(key: YamlScalar): string {
  return key.text.length <= 126 ? key.text : `${key.text.slice(0, 63)}…`
}

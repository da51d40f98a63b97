import { InternalError } from '../base/internal-error.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrRange, parseCidr } from '../net/cidr.ts'
import type { BitFieldName, FieldName } from './fields.ts'
import type {
  BitsMatch,
  Element,
  FieldMatch,
  Interval,
  Scalar,
  SetName,
  Verdict,
  VerdictStatement,
} from './ruleset.ts'

/** `fields` taken together lie in these elements. */
export function isIn(fields: readonly FieldName[], elements: readonly Element[]): FieldMatch {
  return { kind: 'field', fields, test: 'in', values: { kind: 'literal', elements } }
}

/** One field has one of these values. */
export function oneOf(field: FieldName, values: readonly Scalar[]): FieldMatch {
  return isIn(
    [field],
    values.map((value) => [only(value)]),
  )
}

export function noneOf(field: FieldName, values: readonly Scalar[]): FieldMatch {
  return { ...oneOf(field, values), test: 'not-in' }
}

export function inSet(fields: readonly FieldName[], name: SetName): FieldMatch {
  return { kind: 'field', fields, test: 'in', values: { kind: 'set', name } }
}

/** At least one of the bits is set. */
export function anyBit(field: BitFieldName, mask: number): BitsMatch {
  return { kind: 'bits', field, mask, test: 'not-equal', value: 0 }
}

export function only(value: Scalar): Interval {
  return { low: value, high: value }
}

/** A network's addresses as an interval in the scalar of its family: number for IPv4, bigint for IPv6. */
export function cidrInterval(cidr: Cidr): Interval {
  const { low, high } = cidrRange(cidr)
  return cidr.family === 'ip' ? { low: Number(low), high: Number(high) } : { low, high }
}

export function verdict(kind: 'accept' | 'drop'): VerdictStatement {
  const simple: Verdict = { kind }
  return { kind: 'verdict', verdict: simple }
}

/** Makes a set's name from text that compile has chosen: nft's identifier, at most 127 characters. */
export function setName(text: string): SetName {
  if (!/^[a-zA-Z][a-zA-Z0-9_.-]{0,126}$/.test(text)) throw new InternalError(`not a set name: ${text}`)
  return text as SetName
}

/** A network written in the source; a misspelt one is a bug. */
export function parseLiteralCidr(text: string): Cidr {
  const cidr = parseCidr(text)
  if (!cidr.ok) throw new InternalError(`not a network: ${text}`)
  return cidr.value
}

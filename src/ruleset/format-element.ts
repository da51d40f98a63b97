import { ipFromNumber } from '../net/ip-address.ts'
import { macFromNumber } from '../net/mac-address.ts'
import type { FieldName, FieldType } from './fields.ts'
import { FIELDS } from './fields.ts'
import type { Element, Interval, Scalar } from './ruleset.ts'

/** An element as a person reads it: `00:16:3e:00:00:08 from 10.0.0.0/8 until 2026-12-31T09:00:00Z`. */
export function describeElement(fields: readonly FieldName[], element: Element): string {
  return element
    .map((interval, index) => {
      const field = fields[index]
      const type = field === undefined ? 'integer' : FIELDS[field].type
      if (type === 'time') return `until ${instant(interval.high)}`
      return index === 0 ? intervalText(type, interval) : `from ${intervalText(type, interval)}`
    })
    .join(' ')
}

function intervalText(type: FieldType, interval: Interval): string {
  if (interval.low === interval.high) return scalarText(type, interval.low)
  const prefix = prefixOf(type, interval)
  if (prefix !== undefined) return `${scalarText(type, interval.low)}/${prefix}`
  return `${scalarText(type, interval.low)}-${scalarText(type, interval.high)}`
}

function scalarText(type: FieldType, value: Scalar): string {
  if (type === 'ether_addr') return macFromNumber(Number(value))
  if (type === 'ipv4_addr') return ipFromNumber('ip', BigInt(value))
  if (type === 'ipv6_addr') return ipFromNumber('ip6', BigInt(value))
  return String(value)
}

/** The prefix length where a range of addresses is exactly a network. */
function prefixOf(type: FieldType, { low, high }: Interval): number | undefined {
  if (type !== 'ipv4_addr' && type !== 'ipv6_addr') return undefined
  const size = BigInt(high) - BigInt(low) + 1n
  const bits = size.toString(2)
  const isPower = /^10*$/.test(bits)
  if (!isPower || BigInt(low) % size !== 0n) return undefined
  return (type === 'ipv4_addr' ? 32 : 128) - (bits.length - 1)
}

function instant(seconds: Scalar): string {
  return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z')
}

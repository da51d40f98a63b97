import { intervalText } from '../backends/nftables/scalar.ts'
import type { FieldName } from '../ruleset/fields.ts'
import { FIELDS } from '../ruleset/fields.ts'
import type { Element, Scalar } from '../ruleset/ruleset.ts'

/** An element as a person reads it: `00:16:3e:00:00:08 from 10.0.0.0/8 until 2026-12-31T09:00:00Z`. */
export function elementWords(fields: readonly FieldName[], element: Element): string {
  return element
    .map((interval, index) => {
      const field = fields[index]
      const type = field === undefined ? 'integer' : FIELDS[field].type
      if (type === 'time') return `until ${instant(interval.high)}`
      const text = intervalText(type, interval, 'names')
      return index === 0 ? text : `from ${text}`
    })
    .join(' ')
}

function instant(seconds: Scalar): string {
  return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z')
}

import type { Place } from '../base/place.ts'
import type { Placed } from './policy.ts'
import type { Reading } from './reading.ts'
import type { Shape } from './shape.ts'
import { scalar } from './shape.ts'
import type { YamlScalar } from './yaml/tree.ts'

/** Names that users choose: devices, groups, services. */
export const NAME_PATTERN = '^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N}_-]{0,62}$'
const NAME = new RegExp(NAME_PATTERN, 'u')

/** Words with a meaning of their own where names stand, and words that YAML programs read as something else. */
const RESERVED_EVERYWHERE = ['true', 'false', 'null']
const RESERVED_AUDIENCES = ['anyone', 'stranger', 'everything', 'ping']
const RESERVED_SERVICES = [
  'everything',
  'ping',
  'esp',
  'ah',
  'gre',
  'tcp',
  'udp',
  'sctp',
  'icmp',
  'anyone',
  'stranger',
]

/** Reports a name that no device or group can have. */
export function checkAudienceName(name: YamlScalar, place: Place, reading: Reading): void {
  checkName(name.text, RESERVED_AUDIENCES, place, reading)
}

/** Reports a name that no service can have. */
export function checkServiceName(name: YamlScalar, place: Place, reading: Reading): void {
  checkName(name.text, RESERVED_SERVICES, place, reading)
}

function checkName(text: string, reserved: readonly string[], place: Place, reading: Reading): void {
  if (reserved.includes(text) || RESERVED_EVERYWHERE.includes(text)) {
    reading.error(
      'reserved-name',
      place,
      `"${text}" has a meaning of its own and cannot be a name`,
      `choose another name, such as my-${text}`,
    )
  } else if (!NAME.test(text)) {
    reading.error('bad-name', place, `"${text}" cannot be a name`, nameFix(text))
  } else if (text.normalize('NFC') !== text) {
    // Two spellings of é would be two names that look the same.
    reading.error(
      'bad-name',
      place,
      `"${text}" is not in Unicode's composed form (NFC)`,
      `write ${text.normalize('NFC')}`,
    )
  }
}

function nameFix(text: string): string {
  const cleaned = text
    .trim()
    .replace(/[^\p{L}\p{M}\p{N}_-]+/gu, '-')
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .replace(/-+$/, '')
  const rule =
    'a name has letters, digits, _ and -, begins with a letter or digit, and has at most 63 characters'
  return cleaned !== text && NAME.test(cleaned) ? `write ${cleaned}; ${rule}` : rule
}

/** A mention of a name; whether anything has that name is checked later. */
export const mention: Shape<Placed<string>> = scalar(
  'a name',
  { type: ['string', 'number'], pattern: NAME_PATTERN },
  ({ text }) => ({ value: text }),
)

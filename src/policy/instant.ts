import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'

export interface InstantError {
  readonly message: string
  readonly fix: string
}

const SHAPE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(Z|([+-])(\d{2}):(\d{2}))$/

/**
 * Reads an RFC 3339 time, strictly: upper-case T and Z, seconds written, no fraction, a zone always. Gives seconds
 * since 1970. Years 2000 to 2199: nft keeps times as nanoseconds in 64 bits, which end in 2554 (unsigned) or 2262.
 */
export function parseInstant(text: string): Result<number, InstantError> {
  const found = SHAPE.exec(text)
  if (found === null) return fail(shapeError(text))
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number)
  if (year === undefined || month === undefined || day === undefined) return fail(shapeError(text))
  if (hour === undefined || minute === undefined || second === undefined) return fail(shapeError(text))
  if (year < 2000 || year > 2199)
    return fail({ message: 'the year is not from 2000 to 2199', fix: 'check the year' })
  const days = month >= 1 && month <= 12 ? new Date(Date.UTC(year, month, 0)).getUTCDate() : 0
  if (day < 1 || day > days) return fail({ message: 'there is no such day', fix: 'check month and day' })
  if (hour > 23 || minute > 59 || second > 59) {
    return fail({
      message: 'there is no such time of day',
      fix: 'write hours 00 to 23, minutes and seconds 00 to 59',
    })
  }
  const zoneHours = Number(found[9] ?? 0)
  const zoneMinutes = Number(found[10] ?? 0)
  if (zoneHours > 14 || zoneMinutes > 59)
    return fail({ message: 'there is no such zone', fix: 'write Z or +09:00' })
  const offset = (found[8] === '-' ? -1 : 1) * (zoneHours * 3600 + zoneMinutes * 60)
  return ok(Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - offset)
}

function shapeError(text: string): InstantError {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) {
    return {
      message: 'a date has no hour and no zone',
      fix: `write the moment, such as ${text}T23:59:59+00:00`,
    }
  }
  if (/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?$/.test(text)) {
    const full = text.replace(/[t ]/, 'T') + (text.length === 16 ? ':00' : '')
    return {
      message: 'it has no zone, and hosts differ in theirs',
      fix: `write the zone, such as ${full}+00:00 or ${full}Z`,
    }
  }
  if (/^\d+(s|m|h|d|w)$/.test(text)) {
    return {
      message: 'until is a moment, not a length of time',
      fix: 'write the moment, such as 2026-12-31T18:00:00+09:00',
    }
  }
  return {
    message: 'it is not written as RFC 3339 says',
    fix: 'write it like 2026-12-31T18:00:00+09:00 or 2026-12-31T09:00:00Z',
  }
}

/** The instant in canonical form: UTC, `2026-12-31T09:00:00Z`. */
export function formatInstant(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

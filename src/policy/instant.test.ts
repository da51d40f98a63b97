import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatInstant, parseInstant } from './instant.ts'

const GOOD: readonly (readonly [string, string])[] = [
  ['2026-12-31T18:00:00+09:00', '2026-12-31T09:00:00Z'],
  ['2026-12-31T23:59:59Z', '2026-12-31T23:59:59Z'],
  ['2028-02-29T00:00:00-03:30', '2028-02-29T03:30:00Z'],
  ['2000-01-01T00:00:00+14:00', '1999-12-31T10:00:00Z'],
]

for (const [text, utc] of GOOD) {
  test(`${text} is the moment ${utc}`, () => {
    const parsed = parseInstant(text)
    assert.ok(parsed.ok)
    assert.equal(formatInstant(parsed.value), utc)
  })
}

const BAD: readonly (readonly [text: string, fix: RegExp])[] = [
  ['2026-12-31', /2026-12-31T23:59:59\+00:00/],
  ['2026-12-31T18:00:00', /2026-12-31T18:00:00\+00:00 or 2026-12-31T18:00:00Z/],
  ['2026-12-31 18:00', /2026-12-31T18:00:00\+00:00/],
  ['2026-02-29T00:00:00Z', /check month and day/],
  ['2026-13-01T00:00:00Z', /check month and day/],
  ['2026-12-31T24:00:00Z', /hours 00 to 23/],
  ['2026-12-31T23:59:60Z', /seconds 00 to 59/],
  ['2026-12-31T18:00:00+15:00', /write Z or/],
  ['2026-12-31t18:00:00z', /2026-12-31T18:00:00\+09:00/],
  ['2026-12-31T18:00:00.5Z', /2026-12-31T18:00:00\+09:00/],
  ['1999-12-31T18:00:00Z', /check the year/],
  ['30d', /write the moment/],
  ['tomorrow', /2026-12-31T18:00:00\+09:00/],
  ['', /2026-12-31T18:00:00\+09:00/],
]

for (const [text, fix] of BAD) {
  test(`"${text}" is no moment, and the fix says what to write`, () => {
    const parsed = parseInstant(text)
    assert.ok(!parsed.ok)
    assert.match(parsed.error.fix, fix)
  })
}

test('a moment that is formatted reads as itself', () => {
  fc.assert(
    fc.property(fc.integer({ min: 946_684_800, max: 7_258_118_399 }), (seconds) => {
      assert.deepEqual(parseInstant(formatInstant(seconds)), { ok: true, value: seconds })
    }),
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { TimedRange } from './disjoint.ts'
import { disjoint } from './disjoint.ts'

/** Addresses of four bits: few enough to look at each. */
const BITS = 4

/** Networks of a four-bit address space, each with an until; any two are nested or apart. */
const ranges = fc.array(
  fc
    .record({
      value: fc.nat(2 ** BITS - 1),
      prefix: fc.nat(BITS),
      until: fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY),
    })
    .map(({ value, prefix, until }): TimedRange => {
      const size = 2 ** (BITS - prefix)
      const low = Math.floor(value / size) * size
      return { low: BigInt(low), high: BigInt(low + size - 1), until }
    }),
  { maxLength: 10 },
)

/** The latest until of those that contain the address; 0 where none does. */
function latest(list: readonly TimedRange[], address: bigint): number {
  return Math.max(
    0,
    ...list.filter(({ low, high }) => low <= address && address <= high).map(({ until }) => until),
  )
}

describe('disjoint', () => {
  test('every address keeps its latest until', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const made = disjoint(given)
        for (let address = 0n; address < 2n ** BigInt(BITS); address++) {
          assert.equal(latest(made, address), latest(given, address))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('no two ranges overlap, and they are in order', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const made = disjoint(given)
        for (const [index, range] of made.entries()) {
          assert.ok(range.low <= range.high)
          const before = made[index - 1]
          if (before !== undefined) assert.ok(before.high < range.low)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('the order of the given ranges does not matter, and a second time changes nothing', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const made = disjoint(given)
        assert.deepEqual(disjoint([...given].reverse()), made)
        assert.deepEqual(disjoint(made), made)
      }),
    )
  })

  test('a network inside another disappears, unless it lasts longer', () => {
    const range = (low: bigint, high: bigint, until: number): TimedRange => ({ low, high, until })
    assert.deepEqual(disjoint([range(0n, 15n, 2), range(4n, 7n, 1)]), [range(0n, 15n, 2)])
    assert.deepEqual(disjoint([range(0n, 15n, 1), range(4n, 7n, 2)]), [
      range(0n, 3n, 1),
      range(4n, 7n, 2),
      range(8n, 15n, 1),
    ])
    assert.deepEqual(disjoint([range(0n, 15n, 1), range(0n, 15n, 2)]), [range(0n, 15n, 2)])
    assert.deepEqual(disjoint([]), [])
  })

  test('IPv6 has room at its end', () => {
    const end = 2n ** 128n - 1n
    const made = disjoint([
      { low: 0n, high: end, until: 1 },
      { low: end, high: end, until: 2 },
    ])
    assert.deepEqual(made, [
      { low: 0n, high: end - 1n, until: 1 },
      { low: end, high: end, until: 2 },
    ])
  })
})

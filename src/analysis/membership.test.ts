import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Element, Scalar } from '../ruleset/ruleset.ts'
import { membership } from './membership.ts'

/** The plain definition: some element has each value between its ends. */
function isMember(elements: readonly Element[], values: readonly Scalar[]): boolean {
  return elements.some((element) =>
    element.every(({ low, high }, index) => {
      const value = values[index]
      return value !== undefined && low <= value && value <= high
    }),
  )
}

const interval = fc.tuple(fc.nat(12), fc.nat(4)).map(([low, more]) => ({ low, high: low + more }))
const single = fc.nat(12).map((value) => ({ low: value, high: value }))

describe('membership', () => {
  for (const fields of [1, 2, 3]) {
    for (const [kind, one] of [
      ['single values', single],
      ['ranges', interval],
      ['both', fc.oneof(single, interval)],
    ] as const) {
      test(`of ${kind}, ${fields} together, is what its definition says`, () => {
        const element = fc.array(one, { minLength: fields, maxLength: fields })
        const values = fc.array(fc.nat(17), { minLength: fields, maxLength: fields })
        fc.assert(
          fc.property(
            fc.array(element, { maxLength: 12 }),
            fc.array(values, { minLength: 1, maxLength: 8 }),
            (elements, asked) => {
              const contains = membership(elements)
              for (const question of asked) assert.equal(contains(question), isMember(elements, question))
            },
          ),
        )
      })
    }
  }

  test('of bigints and names', () => {
    const wide = membership([[{ low: 2n ** 100n, high: 2n ** 101n }]])
    assert.deepEqual(
      [2n ** 100n, 2n ** 101n, 2n ** 101n + 1n].map((value) => wide([value])),
      [true, true, false],
    )
    const names = membership([[{ low: 'eth0', high: 'eth0' }]])
    assert.deepEqual([names(['eth0']), names(['eth']), names(['eth00'])], [true, false, false])
  })

  test('of an empty set is nothing', () => assert.equal(membership([])([1]), false))
})

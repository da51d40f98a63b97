import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { only, setName } from './build.ts'
import { firstAppliedAfter, keepFirstApplied } from './first-applied.ts'
import type { Table } from './ruleset.ts'

function table(low: number, high = 2_000_000_000): Table {
  const element = [only(0x021100000001), { low, high }]
  return {
    family: 'inet',
    name: 'admit',
    sets: [
      {
        name: setName('g.mac-until'),
        fields: ['ether saddr', 'meta time'],
        interval: true,
        elements: [element],
      },
      {
        name: setName('g.mac'),
        fields: ['ether saddr'],
        interval: false,
        elements: [[only(0x021100000002)]],
      },
    ],
    chains: [],
  }
}

describe('when an element was first applied', () => {
  it('is kept while the element stays, and begins anew with another until', () => {
    assert.deepEqual(keepFirstApplied(table(1_900_000_000), table(1_800_000_000)), table(1_800_000_000))
    const later = table(1_900_000_000, 2_000_000_001)
    assert.deepEqual(keepFirstApplied(later, table(1_800_000_000)), later)
  })

  it('is told where it lies ahead of the clock', () => {
    assert.equal(firstAppliedAfter(table(1_800_000_000), 1_800_000_000.5), undefined)
    assert.equal(firstAppliedAfter(table(1_800_000_000), 1_799_999_999), 1_800_000_000)
  })
})

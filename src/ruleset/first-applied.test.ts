import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FULL_TABLE, TABLE, one, range, set } from '../../tests/support/tables.ts'
import { firstAppliedAfter, keepFirstApplied } from './first-applied.ts'
import { sameTable } from './normalise.ts'
import type { NamedSet, Table } from './ruleset.ts'

const FIELDS = ['ether saddr', 'meta time'] as const
const guests = (...elements: NamedSet['elements']): Table => ({
  ...TABLE,
  sets: [set('guest.mac-until', FIELDS, true, ...elements)],
  chains: [],
})
const elements = (table: Table): NamedSet['elements'] | undefined => table.sets[0]?.elements

describe('when an element was first applied', () => {
  it('is kept, for the elements that are known', () => {
    const known = guests([one(1), range(100, 900)], [one(2), range(200, 900)])
    const wanted = guests([one(1), range(500, 900)], [one(3), range(500, 900)])
    assert.deepEqual(elements(keepFirstApplied(wanted, known)), [
      [one(1), range(100, 900)],
      [one(3), range(500, 900)],
    ])
  })

  it('begins anew where the end is another one', () => {
    const kept = keepFirstApplied(guests([one(1), range(500, 950)]), guests([one(1), range(100, 900)]))
    assert.deepEqual(elements(kept), [[one(1), range(500, 950)]])
  })

  it('is what is wanted where nothing is known, or the set was of other fields', () => {
    const wanted = guests([one(1), range(500, 900)])
    const other: Table = {
      ...TABLE,
      sets: [set('guest.mac-until', ['ether saddr'], false, [one(1)])],
      chains: [],
    }
    assert.deepEqual(keepFirstApplied(wanted, undefined), wanted)
    assert.deepEqual(keepFirstApplied(wanted, { ...TABLE, sets: [], chains: [] }), wanted)
    assert.deepEqual(keepFirstApplied(wanted, other), wanted)
  })

  it('is told where it lies ahead of the clock', () => {
    const table = guests([one(1), range(100, 900)], [one(2), range(200, 900)])
    assert.equal(firstAppliedAfter(table, 200.5), undefined)
    assert.equal(firstAppliedAfter(table, 199), 200)
  })

  it('changes nothing else of a table, and nothing that counts', () => {
    const later: Table = {
      ...FULL_TABLE,
      sets: FULL_TABLE.sets.map((each) => ({
        ...each,
        elements: each.elements.map((element) =>
          element.map((part, index) =>
            each.fields[index] === 'meta time' ? { ...part, low: Number(part.low) + 5 } : part,
          ),
        ),
      })),
    }
    const kept = keepFirstApplied(later, FULL_TABLE)
    assert.deepEqual(kept, FULL_TABLE)
    assert.ok(sameTable(kept, later))
  })
})

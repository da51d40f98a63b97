import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryTable } from '../../tests/support/arbitrary-table.ts'
import { operationWords } from '../../tests/support/operation-words.ts'
import {
  ACCEPT,
  DROP,
  FULL_TABLE,
  INPUT_BASE,
  TABLE,
  inSet,
  is,
  one,
  range,
  rule,
  set,
} from '../../tests/support/tables.ts'
import { FakeKernel } from '../kernel/fake-kernel.ts'
import { diffTable } from './diff.ts'
import { normaliseTable } from './normalise.ts'
import type { Element, NamedSet, Rule, Table } from './ruleset.ts'

/** What the difference does, in order. */
function words(before: Table | undefined, after: Table): readonly string[] {
  return diffTable(before, after).operations.map(operationWords)
}

async function afterApplying(before: Table | undefined, after: Table): Promise<Table> {
  const kernel = new FakeKernel(before === undefined ? [] : [before])
  const applied = await kernel.apply(diffTable(before, after))
  assert.ok(applied.ok, applied.ok ? '' : applied.error.message)
  const observed = await kernel.observe(TABLE)
  assert.ok(observed.ok && observed.value !== undefined)
  return observed.value
}

const BOUND = ['ether saddr', 'ip saddr'] as const

function bound(count: number, from = 0): readonly Element[] {
  return Array.from({ length: count }, (_, index) => [one(from + index + 1), one(from + index + 1)])
}

function table(sets: readonly NamedSet[], ...rules: readonly Rule[]): Table {
  return {
    ...TABLE,
    sets,
    chains: [{ name: 'input', base: INPUT_BASE, rules: [...rules, rule('meaning: the rest', DROP)] }],
  }
}

function desks(elements: readonly Element[]): Table {
  const match = inSet(BOUND, 'desks.mac-ip4')
  return table([set('desks.mac-ip4', BOUND, true, ...elements)], rule('grants[0]: desks', match, ACCEPT))
}

describe('the difference of two tables', () => {
  it('is nothing between a table and itself, in whatever order it lists its sets and elements', () => {
    const turned = {
      ...FULL_TABLE,
      sets: FULL_TABLE.sets.toReversed().map((each) => ({ ...each, elements: each.elements.toReversed() })),
    }
    assert.deepEqual(words(FULL_TABLE, FULL_TABLE), [])
    assert.deepEqual(words(FULL_TABLE, turned), [])
  })

  it('leads from any table to any other, in one transaction', async () => {
    const pairs = fc.tuple(fc.option(arbitraryTable(), { nil: undefined }), arbitraryTable())
    await fc.assert(
      fc.asyncProperty(pairs, async ([before, after]) => {
        const reached = await afterApplying(before, after)
        assert.deepEqual(normaliseTable(reached), normaliseTable(after))
        assert.deepEqual(words(reached, after), [])
      }),
    )
  })

  it('adds a device as an element, and touches no chain', () => {
    assert.deepEqual(words(desks(bound(3)), desks(bound(4))), ['add-elements desks.mac-ip4 1'])
  })

  it('takes old elements out before it puts new ones in', () => {
    assert.deepEqual(words(desks(bound(3)), desks(bound(3, 1))), [
      'delete-elements desks.mac-ip4 1',
      'add-elements desks.mac-ip4 1',
    ])
  })

  it('empties and refills a chain whose rules differ, and never makes a base chain anew', () => {
    const before = table([], rule('grants[0]: ssh', is('tcp dport', 22), ACCEPT))
    const after = table([], rule('grants[0]: ssh', is('tcp dport', 2222), ACCEPT))
    assert.deepEqual(words(before, after), ['flush-chain input', 'add-rule input', 'add-rule input'])
  })

  it('makes a base chain anew only where its hook is another', () => {
    const moved: Table = {
      ...desks([]),
      chains: [{ name: 'input', base: { ...INPUT_BASE, priority: 10 }, rules: [rule('all', DROP)] }],
    }
    assert.deepEqual(words(desks([]), moved), [
      'flush-chain input',
      'delete-chain input',
      'add-chain input',
      // Empty or not, should somebody have made it meanwhile.
      'flush-chain input',
      'add-rule input',
    ])
  })

  it('sets a policy without emptying the chain', () => {
    const before = table([])
    const after: Table = {
      ...before,
      chains: before.chains.map((chain) => ({ ...chain, base: { ...INPUT_BASE, policy: 'accept' } })),
    }
    assert.deepEqual(words(before, after), ['add-chain input'])
  })
})

describe('a set that is made anew', () => {
  const refill = ['add-rule input', 'add-rule input']
  const anew = (count: number): readonly string[] => [
    'flush-chain input',
    'delete-set desks.mac-ip4',
    'add-set desks.mac-ip4',
    `add-elements desks.mac-ip4 ${count}`,
    ...refill,
  ]

  it('is one whose fields differ: the chains let go of it first', () => {
    const other: Table = table(
      [set('desks.mac-ip4', ['ether saddr'], false, [one(1)])],
      rule('grants[0]: desks', inSet(['ether saddr'], 'desks.mac-ip4'), ACCEPT),
    )
    assert.deepEqual(words(desks(bound(2)), other), anew(1))
  })

  it('is an interval set of several fields that loses more than 50 elements', async () => {
    assert.deepEqual(words(desks(bound(60)), desks(bound(10))), ['delete-elements desks.mac-ip4 50'])
    assert.deepEqual(words(desks(bound(61)), desks(bound(10))), anew(10))
    const reached = await afterApplying(desks(bound(200)), desks(bound(7, 90)))
    assert.deepEqual(normaliseTable(reached), normaliseTable(desks(bound(7, 90))))
  })

  it('is not one of a single field, nor one whose elements are looked up by hash', () => {
    const addresses = (count: number): Table =>
      table([set('ip.ip4', ['ip saddr'], true, ...bound(count).map((element) => element.slice(0, 1)))])
    assert.deepEqual(words(addresses(200), addresses(1)), ['delete-elements ip.ip4 199'])
    const hashed = (count: number): Table => table([set('desks.mac-ip4', BOUND, false, ...bound(count))])
    assert.deepEqual(words(hashed(200), hashed(1)), ['delete-elements desks.mac-ip4 199'])
  })

  it('is not one whose elements only forgot when they were first applied', () => {
    const fields = ['ether saddr', 'meta time'] as const
    const guests = (since: number): Table =>
      table([
        set(
          'guest.mac-until',
          fields,
          true,
          ...bound(100).map(([mac]) => [mac ?? one(0), range(since, 9000)]),
        ),
      ])
    assert.deepEqual(words(guests(1000), guests(2000)), [])
  })
})

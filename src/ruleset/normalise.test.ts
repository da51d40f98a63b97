import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryTable } from '../../tests/support/arbitrary-table.ts'
import { ACCEPT, DROP, FULL_TABLE, TABLE, is, one, range, rule, set } from '../../tests/support/tables.ts'
import { elementKey, normaliseTable, sameRule, sameTable } from './normalise.ts'
import type { NamedSet, Table } from './ruleset.ts'

const withSets = (...sets: readonly NamedSet[]): Table => ({ ...TABLE, sets, chains: [] })
const addresses = (...elements: NamedSet['elements']): Table =>
  withSets(set('ip.ip4', ['ip saddr'], true, ...elements))

describe('the normal form', () => {
  it('is its own normal form', () => {
    fc.assert(
      fc.property(arbitraryTable(), (table) => {
        const once = normaliseTable(table)
        assert.deepEqual(normaliseTable(once), once)
        assert.ok(sameTable(table, once))
      }),
    )
  })

  it('does not depend on the order of sets, chains and elements, but on that of rules', () => {
    const turned: Table = {
      ...FULL_TABLE,
      sets: FULL_TABLE.sets.toReversed().map((each) => ({ ...each, elements: each.elements.toReversed() })),
      chains: FULL_TABLE.chains.toReversed(),
    }
    assert.ok(sameTable(FULL_TABLE, turned))
    const rules = (table: Table): Table => ({
      ...table,
      chains: table.chains.map((chain) => ({ ...chain, rules: chain.rules.toReversed() })),
    })
    assert.ok(!sameTable(FULL_TABLE, rules(FULL_TABLE)))
  })

  it('joins what touches in a set of one field, of numbers and of IPv6 addresses', () => {
    assert.ok(sameTable(addresses([range(1, 5)], [one(6)], [range(4, 9)]), addresses([range(1, 9)])))
    assert.ok(!sameTable(addresses([range(1, 5)], [one(7)]), addresses([range(1, 7)])))
    const six = (...elements: NamedSet['elements']): Table =>
      withSets(set('ip.ip6', ['ip6 saddr'], true, ...elements))
    assert.ok(sameTable(six([one(1n)], [range(2n, 8n)]), six([range(1n, 8n)])))
  })

  it('joins no names, and nothing in a set of several fields or without ranges', () => {
    const names = set('if', ['iifname'], false, [one('eth0')], [one('eth1')])
    assert.equal(normaliseTable(withSets(names)).sets[0]?.elements.length, 2)
    const ports = set('p', ['tcp dport'], false, [one(1)], [one(2)])
    assert.equal(normaliseTable(withSets(ports)).sets[0]?.elements.length, 2)
    const pairs = set('m', ['ether saddr', 'ip saddr'], true, [one(1), one(1)], [one(1), one(2)])
    assert.equal(normaliseTable(withSets(pairs)).sets[0]?.elements.length, 2)
  })

  it('forgets when an element was first applied, and keeps when it ends', () => {
    const guest = (low: number, high: number): Table =>
      withSets(set('g', ['ether saddr', 'meta time'], true, [one(1), range(low, high)]))
    assert.ok(sameTable(guest(10, 90), guest(20, 90)))
    assert.ok(!sameTable(guest(10, 90), guest(10, 91)))
  })

  it('tells an IPv6 address from an IPv4 address of the same number', () => {
    assert.ok(
      !sameTable(
        withSets(set('x', ['ip saddr'], true, [one(1)])),
        withSets(set('x', ['ip saddr'], true, [one(1n)])),
      ),
    )
  })
})

describe('two rules', () => {
  it('are the same whatever their counters, and not whatever their comments', () => {
    const plain = rule('grants[0]: ssh', is('tcp dport', 22, 80), ACCEPT)
    assert.ok(sameRule(plain, rule('grants[0]: ssh', is('tcp dport', 80, 22), { kind: 'counter' }, ACCEPT)))
    assert.ok(!sameRule(plain, rule('grants[1]: ssh', is('tcp dport', 22, 80), ACCEPT)))
    assert.ok(!sameRule(plain, rule('grants[0]: ssh', is('tcp dport', 22, 80), DROP)))
  })
})

describe('the key of an element', () => {
  it('is equal for equal elements and different for others', () => {
    const key = (...element: NamedSet['elements'][number]): string =>
      elementKey(['ether saddr', 'meta time'], element)
    assert.equal(key(one(1), range(5, 9)), key(one(1), range(7, 9)))
    assert.notEqual(key(one(1), range(5, 9)), key(one(2), range(5, 9)))
    assert.notEqual(key(one(1), range(5, 9)), key(one(1), range(5, 8)))
    assert.notEqual(elementKey(['ip saddr'], [range(1, 5)]), elementKey(['ip saddr'], [one(15)]))
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { arbitraryIn, fixedPacket, freeFields, withDoubts } from '../../tests/support/doubtful-table.ts'
import {
  ACCEPT,
  DROP,
  INPUT_BASE,
  inSet,
  is,
  not,
  one,
  range,
  rule,
  set,
  within,
} from '../../tests/support/tables.ts'
import { ip } from '../../tests/support/sample-host.ts'
import type { Packet } from '../packet/packet.ts'
import type { NamedSet, Rule, Ruleset, Scalar } from '../ruleset/ruleset.ts'
import type { Decision } from './decide.ts'
import { decide } from './decide.ts'
import type { FreeField } from './representatives.ts'
import { representatives, withField } from './representatives.ts'

/** Everything that tells two answers apart. */
function answer(decision: Decision): string {
  if (decision.kind === 'accept') return 'accept'
  const path = decision.path.map(({ chain, index }) => `${chain} ${index}`)
  return JSON.stringify([decision.kind, path, decision.kind === 'hangs' ? decision.on.length : 0])
}

function rulesetOf(sets: readonly NamedSet[], ...rules: readonly Rule[]): Ruleset {
  return {
    tables: [{ family: 'inet', name: 't', sets, chains: [{ name: 'input', base: INPUT_BASE, rules }] }],
  }
}

/** Its own source is outside every domain and set below, but for the whole space. */
const SYN: Packet = { ...fixedPacket('ip'), source: ip('0.0.0.0') }
const SOURCE: FreeField = { field: 'ip saddr', domain: [{ low: 0, high: 2 ** 32 - 1 }] }
const SPORT: FreeField = { field: 'tcp sport', domain: [{ low: 1, high: 65535 }] }

function sourcesOf(
  ruleset: Ruleset,
  domain: FreeField['domain'] = SOURCE.domain,
  packet: Packet = SYN,
): readonly string[] {
  const { packets, complete } = representatives(ruleset, packet, [{ ...SOURCE, domain }])
  assert.ok(complete)
  return packets.map(({ source }) => source)
}

describe('representatives', () => {
  test('stand for every packet of the domain, for random tables', () => {
    let several = 0
    fc.assert(
      fc.property(
        withDoubts(),
        fc.constantFrom('ip' as const, 'ip6' as const),
        fc.infiniteStream(fc.nat({ max: 3 })),
        fc.gen(),
        (tables, family, dice, gen) => {
          const ruleset: Ruleset = { tables }
          const free = freeFields(family).filter(() => dice.next().value !== 0)
          const { packets, complete } = representatives(ruleset, fixedPacket(family), free, { most: 2000 })
          if (!complete) return
          const answers = new Set(packets.map((packet) => answer(decide(ruleset, packet))))
          if (answers.size > 1) several++
          for (let times = 0; times < 20; times++) {
            const values = free.map((field): Scalar => gen(() => arbitraryIn(field)))
            const packet = free.reduce(
              (next, { field }, index) => withField(next, field, values[index] ?? 0),
              fixedPacket(family),
            )
            assert.ok(answers.has(answer(decide(ruleset, packet))), JSON.stringify(values.map(String)))
          }
        },
      ),
      { numRuns: 150 },
    )
    assert.ok(several > 5, 'the tables show too little')
  })

  test('are one for each class: inside and outside what a rule compares with', () => {
    const inside = rulesetOf([], rule('a', within(['ip saddr'], [range(10, 20)]), DROP))
    assert.deepEqual(sourcesOf(inside), ['0.0.0.0', '0.0.0.10'])
    assert.deepEqual(sourcesOf(inside, [{ low: 12, high: 15 }]), ['0.0.0.12'])
    assert.deepEqual(sourcesOf(inside, [{ low: 20, high: 21 }]), ['0.0.0.20', '0.0.0.21'])
    assert.deepEqual(sourcesOf(rulesetOf([], rule('a', not(is('ip saddr', 7)), DROP))), [
      '0.0.0.0',
      '0.0.0.7',
    ])
    assert.deepEqual(sourcesOf(rulesetOf([], rule('a', DROP))), ['0.0.0.0'])
  })

  test('the packet’s own value stands for its class', () => {
    const inside = rulesetOf([], rule('a', within(['ip saddr'], [range(10, 20)]), DROP))
    const usual = (source: string): readonly string[] =>
      sourcesOf(inside, SOURCE.domain, { ...SYN, source: ip(source) })
    assert.deepEqual(usual('0.0.0.15'), ['0.0.0.0', '0.0.0.15'])
    assert.deepEqual(usual('0.0.0.99'), ['0.0.0.99', '0.0.0.10'])
  })

  test('touching and overlapping elements are one', () => {
    const parts = within(['ip saddr'], [range(10, 12)], [range(13, 20)], [range(15, 17)])
    assert.deepEqual(sourcesOf(rulesetOf([], rule('a', parts, DROP))), ['0.0.0.0', '0.0.0.10'])
  })

  test('heed of a set only what fits the fixed fields, and no rule that the packet cannot meet', () => {
    const mac = 0x00163e000001
    const pairs = set('p', ['ether saddr', 'ip saddr'], true, [one(mac), range(5, 6)], [one(9), range(7, 8)])
    const meets = rule('a', inSet(['ether saddr', 'ip saddr'], 'p'), DROP)
    assert.deepEqual(sourcesOf(rulesetOf([pairs], meets)), ['0.0.0.0', '0.0.0.5'])
    const misses = rule('b', is('udp dport', 53), is('ip saddr', 77), DROP)
    assert.deepEqual(sourcesOf(rulesetOf([], misses)), ['0.0.0.0'])
  })

  test('fields that a match takes together are cut together', () => {
    const pair = within(['ip saddr', 'tcp sport'], [range(5, 6), range(100, 200)], [one(9), one(100)])
    const ruleset = rulesetOf([], rule('a', pair, DROP), rule('b', ACCEPT))
    const { packets, complete } = representatives(ruleset, SYN, [SOURCE, SPORT])
    assert.ok(complete)
    const refused = packets.filter((packet) => decide(ruleset, packet).kind === 'refuse')
    assert.ok(refused.some(({ source }) => source === '0.0.0.9'))
    assert.ok(refused.some(({ source }) => source === '0.0.0.5'))
    assert.ok(refused.length < packets.length)
  })

  test('over the bound say so, and vary each field alone', () => {
    const rules = Array.from({ length: 300 }, (_, index) =>
      rule(`${index}`, is('ip saddr', index * 3), is('tcp sport', index * 3 + 1), DROP),
    )
    const { packets, complete, count } = representatives(rulesetOf([], ...rules), SYN, [SOURCE, SPORT], {
      most: 1000,
    })
    assert.equal(complete, false)
    assert.equal(count, 301 * 301)
    assert.equal(packets.length, 602)
  })

  test('ten sets of 10,000 elements cost well under a second', () => {
    const sets = Array.from({ length: 10 }, (_, number) =>
      set(
        `s${number}`,
        ['ip saddr'],
        true,
        ...Array.from({ length: 10_000 }, (__, index) => [
          range(index * 100_003 + number, index * 100_003 + number + 50),
        ]),
      ),
    )
    const ruleset = rulesetOf(
      sets,
      ...sets.map((each) => rule(each.name, inSet(['ip saddr'], each.name), DROP)),
    )
    const began = performance.now()
    const { packets, complete } = representatives(ruleset, SYN, [SOURCE, SPORT])
    const took = performance.now() - began
    assert.ok(complete)
    assert.equal(packets.length, 20)
    assert.ok(took < 3000, `${took} ms`)
  })
})

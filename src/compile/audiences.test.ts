import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { arbitraryPolicy } from '../../tests/support/policy-arbitrary.ts'
import { audienceKey, audienceSets } from './audiences.ts'
import type { NamedSet } from '../ruleset/ruleset.ts'

const NOW = 1_800_000_000

function setsOf(devices: string, ...grants: readonly string[]): readonly NamedSet[] {
  const lines = grants.map((from) => `  - { from: ${from}, to: ssh }\n`).join('')
  const policy = policyOf(`admit: 1\nsafety: { admins: 0 }\ndevices:\n${devices}\ngrants:\n${lines}`, NOW)
  return [...audienceSets(policy, NOW).values()].flatMap((audience) => audience.sets.map(({ set }) => set))
}

const names = (sets: readonly NamedSet[]): readonly string[] => sets.map((set) => set.name)

describe('the sets of those whom grants name', () => {
  test('one for each kind of identity', () => {
    const devices = [
      '  a: { mac: 00:16:3e:00:00:01, address: [192.0.2.1, "2001:db8::1"] }',
      '  b: { bound: { mac: 00:16:3e:00:00:02, address: [192.0.2.2, "2001:db8::2"] } }',
      '  c: { mac: 00:16:3e:00:00:03, until: 2027-02-01T00:00:00Z }',
    ].join('\n')
    assert.deepEqual(
      setsOf(devices, '[a, b, c]').map(({ name, fields, interval }) => [
        name.replace(/^[^.]*/, ''),
        fields,
        interval,
      ]),
      [
        ['.mac', ['ether saddr'], false],
        ['.mac-until', ['ether saddr', 'meta time'], true],
        ['.ip4', ['ip saddr'], true],
        ['.ip6', ['ip6 saddr'], true],
        ['.mac-ip4', ['ether saddr', 'ip saddr'], true],
        ['.mac-ip6', ['ether saddr', 'ip6 saddr'], true],
      ],
    )
  })

  test('grants to the same people share theirs, in whatever order they are named', () => {
    const devices = '  a: { mac: 00:16:3e:00:00:01 }\n  b: { mac: 00:16:3e:00:00:02 }'
    assert.equal(setsOf(devices, '[a, b]', '[b, a]', '[a, b, a]').length, 1)
    assert.equal(setsOf(devices, 'a', 'b', '[a, b]').length, 3)
  })

  test('a name that nft takes is the set’s name; others begin alike and end in a hash', () => {
    const one = (name: string): readonly string[] =>
      names(setsOf(`  ${name}: { mac: 00:16:3e:00:00:01 }`, name))
    assert.deepEqual(one('laptop'), ['laptop.mac'])
    assert.deepEqual(one('my-lap_top2'), ['my-lap_top2.mac'])
    assert.match(one('家')[0] ?? '', /^g_+[0-9a-f]{8}\.mac$/)
    assert.match(one('7up')[0] ?? '', /^g7up_[0-9a-f]{8}\.mac$/)
    assert.match(one('x'.repeat(63))[0] ?? '', /^x{24}_[0-9a-f]{8}\.mac$/)
  })

  test('an until that is past makes an element that matches no more', () => {
    const [set] = setsOf('  a: { mac: 00:16:3e:00:00:01, until: 2026-01-01T00:00:00Z }', 'a')
    const until = Date.parse('2026-01-01T00:00:00Z') / 1000
    assert.deepEqual(set?.elements[0]?.[1], { low: until, high: until })
  })

  test('of two untils for one MAC the later counts', () => {
    const devices = [
      '  a: { bound: { mac: 00:16:3e:00:00:01, address: 192.0.2.0/24 }, until: 2027-02-01T00:00:00Z }',
      '  b: { bound: { mac: 00:16:3e:00:00:01, address: 192.0.2.7 }, until: 2027-03-01T00:00:00Z }',
    ].join('\n')
    const [set] = setsOf(devices, '[a, b]')
    assert.deepEqual(
      set?.elements.map((element) => new Date(Number(element[2]?.high) * 1000).toISOString().slice(0, 10)),
      ['2027-02-01', '2027-03-01', '2027-02-01'],
    )
  })

  test('names are unique and nft identifiers, elements have the fields of their set and never overlap', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), ({ policy }) => {
        const sets = [...audienceSets(policy, NOW).values()].flatMap((audience) => audience.sets)
        const taken = sets.map(({ set }) => set.name)
        assert.equal(new Set(taken).size, taken.length)
        for (const { set } of sets) {
          assert.match(set.name, /^[a-zA-Z][a-zA-Z0-9_.-]{0,126}$/)
          assert.ok(set.elements.length > 0)
          for (const element of set.elements) assert.equal(element.length, set.fields.length)
          for (const [index, a] of set.elements.entries()) {
            for (const b of set.elements.slice(index + 1)) {
              const apart = a.some((interval, field) => {
                const other = b[field]
                return other !== undefined && (interval.high < other.low || other.high < interval.low)
              })
              assert.ok(apart, `${set.name} has overlapping elements`)
            }
          }
        }
      }),
    )
  })

  test('the key of an audience knows neither order nor repetition', () => {
    assert.equal(audienceKey(['b', 'a', 'b']), audienceKey(['a', 'b']))
    assert.notEqual(audienceKey(['a', 'b']), audienceKey(['ab']))
  })
})

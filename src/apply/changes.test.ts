import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { arbitraryPolicy, GENERATED_NOW } from '../../tests/support/policy-arbitrary.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { compile } from '../compile/compile.ts'
import type { Policy } from '../policy/policy.ts'
import { oneOf, setName, verdict } from '../ruleset/build.ts'
import { diffTable } from '../ruleset/diff.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { changesBetween } from './changes.ts'

const NOW = GENERATED_NOW
const rules = (policy: Policy): Table => compile(policy, UNKNOWN_HOST, { now: NOW })

const BEFORE = `admit: 1
safety: { admins: 0 }
devices:
  laptop: { mac: 00:16:3e:00:00:01 }
  phone: { mac: 00:16:3e:00:00:02 }
  office: { address: 203.0.113.0/24 }
  desk: { bound: { mac: 00:16:3e:00:00:03, address: 192.0.2.3 } }
  guest: { mac: 00:16:3e:00:00:04, until: 2027-02-01T00:00:00Z }
groups: { all: [laptop, phone, office, desk, guest] }
grants:
  - { from: all, to: ssh }
`

/** The changes in words from the first policy to the second. */
function changes(before: string | undefined, after: string): readonly string[] {
  const policy = policyOf(after, NOW)
  const observed = before === undefined ? undefined : rules(policyOf(before, NOW))
  return changesBetween(observed, rules(policy), policy).map(
    ({ sign, words, origin }) =>
      `${sign === 'added' ? '+' : '-'} ${words}${origin === undefined ? '' : ` [${origin}]`}`,
  )
}

describe('what an apply would change, in words', () => {
  test('nothing', () => assert.deepEqual(changes(BEFORE, BEFORE), []))

  test('everything, where there is no table: devices by name, rules by where they come from', () => {
    const all = changes(undefined, BEFORE)
    assert.equal(all[0], '+ table inet admit')
    assert.deepEqual(
      all.filter((line) => line.startsWith('+ all: ')),
      [
        '+ all: laptop, 00:16:3e:00:00:01 [devices.laptop]',
        '+ all: phone, 00:16:3e:00:00:02 [devices.phone]',
        '+ all: guest, 00:16:3e:00:00:04 until 2027-02-01T00:00:00Z [devices.guest]',
        '+ all: office, 203.0.113.0/24 [devices.office]',
        '+ all: desk, 00:16:3e:00:00:03 from 192.0.2.3 [devices.desk]',
      ],
    )
    assert.ok(all.includes('+ chain input (hook input, policy drop)'))
    assert.ok(all.includes('+ input: from all to ssh [grants[0]]'))
    assert.ok(all.includes('+ input: answers to what this host dialled [meaning.reply]'))
  })

  test('a device more, a device less', () => {
    assert.deepEqual(changes(BEFORE, BEFORE.replace('00:00:01', '00:00:09')), [
      '+ all: laptop, 00:16:3e:00:00:09 [devices.laptop]',
      '- all: 00:16:3e:00:00:01',
    ])
    assert.deepEqual(changes(BEFORE, BEFORE.replace('[laptop, phone', '[phone')), [
      '- all: laptop, 00:16:3e:00:00:01 [devices.laptop]',
    ])
  })

  test('a later until', () => {
    assert.deepEqual(changes(BEFORE, BEFORE.replace('2027-02', '2027-03')), [
      '+ all: guest, 00:16:3e:00:00:04 until 2027-03-01T00:00:00Z [devices.guest]',
      '- all: guest, 00:16:3e:00:00:04 until 2027-02-01T00:00:00Z [devices.guest]',
    ])
  })

  test('another service: the grant once, though it is several rules', () => {
    assert.deepEqual(changes(BEFORE, BEFORE.replace('to: ssh', 'to: https')), [
      '+ input: from all to https [grants[0]]',
      '- input: from all to ssh [grants[0]]',
    ])
  })

  test('forwarding', () => {
    const kept = changes(BEFORE, BEFORE.replace('devices:', 'host: { forward: keep }\ndevices:'))
    assert.deepEqual(kept, [
      '- chain forward (hook forward, policy drop)',
      '- forward: refused packets [host.log]',
      '- forward: no grant admits it [meaning.refuse]',
    ])
  })

  test('rules that a hand has changed, and an order', () => {
    const policy = policyOf(BEFORE, NOW)
    const wanted = rules(policy)
    const by = (change: (chains: Table['chains']) => Table['chains']): readonly string[] =>
      changesBetween({ ...wanted, chains: change(wanted.chains) }, wanted, policy).map(
        ({ sign, words }) => `${sign} ${words}`,
      )
    const extra = { statements: [oneOf('iifname', ['eth9']), verdict('accept')] }
    const inInput = (change: (list: Table['chains'][number]['rules']) => Table['chains'][number]['rules']) =>
      by((chains) =>
        chains.map((chain) => (chain.name === 'input' ? { ...chain, rules: change(chain.rules) } : chain)),
      )
    assert.deepEqual(
      inInput((list) => [extra, ...list]),
      ['removed input: a rule without a comment'],
    )
    assert.deepEqual(
      inInput((list) => [{ ...extra, comment: 'mine' }, ...list]),
      ['removed input: mine'],
    )
    assert.deepEqual(
      inInput((list) => list.slice(0, -1)),
      ['added input: no grant admits it'],
    )
    assert.deepEqual(
      inInput((list) => [...list].reverse()),
      ['added the same rules in another order'],
    )
    assert.deepEqual(
      by((chains) => [...chains, { name: 'mine', rules: [] }]),
      ['removed chain mine'],
    )
  })

  test('not the order of the chains, which is that of their making', () => {
    const policy = policyOf(BEFORE, NOW)
    const wanted = rules(policy)
    assert.deepEqual(changesBetween({ ...wanted, chains: [...wanted.chains].reverse() }, wanted, policy), [])
  })

  test('also what shows in no rule and no element', () => {
    const policy = policyOf(BEFORE, NOW)
    const wanted = rules(policy)
    const empty = { name: setName('mine'), fields: ['ip saddr'], interval: true, elements: [] } as const
    const observed = { ...wanted, sets: [...wanted.sets, empty] }
    assert.deepEqual(
      changesBetween(observed, wanted, policy).map(({ words }) => words),
      ['sets and chains as admit defines them'],
    )
    const later = wanted.chains.map((chain) =>
      chain.base === undefined ? chain : { ...chain, base: { ...chain.base, priority: 5 } },
    )
    assert.equal(changesBetween({ ...wanted, chains: later }, wanted, policy).length, 1)
  })

  test('nothing is said exactly where nothing would be done', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), arbitraryPolicy(), fc.boolean(), (one, other, same) => {
        const wanted = rules(one.policy)
        const observed = rules(same ? one.policy : other.policy)
        const quiet = changesBetween(observed, wanted, one.policy).length === 0
        assert.equal(quiet, diffTable(observed, wanted).operations.length === 0)
      }),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryTable } from '../../tests/support/arbitrary-table.ts'
import { operationWords } from '../../tests/support/operation-words.ts'
import {
  ACCEPT,
  DROP,
  INPUT_BASE,
  TABLE,
  inSet,
  is,
  one,
  range,
  rule,
  set,
  within,
} from '../../tests/support/tables.ts'
import { evaluate } from '../analysis/evaluate.ts'
import { FakeKernel } from '../kernel/fake-kernel.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { ipFromNumber } from '../net/ip-address.ts'
import { macFromNumber } from '../net/mac-address.ts'
import type { Packet } from '../packet/packet.ts'
import { diffTable } from './diff.ts'
import { normaliseTable } from './normalise.ts'
import type { Chain, Element, NamedSet, Rule, Statement, Table } from './ruleset.ts'
import { stagesOf } from './stages.ts'
import type { Transaction } from './transaction.ts'

/** What the stages do, a list for each transaction. */
function words(before: Table | undefined, after: Table): readonly (readonly string[])[] {
  return transactionsOf(before, after).map(({ operations }) => operations.map(operationWords))
}

function transactionsOf(before: Table | undefined, after: Table): readonly Transaction[] {
  const { prepare, change, tidy } = stagesOf(before, after)
  return [prepare, change, ...tidy].filter(({ operations }) => operations.length > 0)
}

const MACS = [1, 2, 3]
const ADDRESSES = [11, 12, 13]
const PORTS = [22, 23, 24, 25]

const laptop = (...macs: readonly number[]): NamedSet =>
  set('laptop.mac', ['ether saddr'], false, ...macs.map((mac) => [one(mac)]))
const office = (...addresses: readonly number[]): NamedSet =>
  set('office.ip4', ['ip saddr'], true, ...addresses.map((address) => [one(address)]))
const askLaptop = (...ports: readonly Statement[]): Rule =>
  rule('grants[0]: laptop', ...ports, inSet(['ether saddr'], 'laptop.mac'), ACCEPT)
const askOffice = (...ports: readonly Statement[]): Rule =>
  rule('grants[1]: office', ...ports, inSet(['ip saddr'], 'office.ip4'), ACCEPT)

function input(...rules: readonly Rule[]): Chain {
  return { name: 'input', base: INPUT_BASE, rules: [...rules, rule('meaning.refuse', DROP)] }
}

function table(sets: readonly NamedSet[], ...chains: readonly Chain[]): Table {
  return { ...TABLE, sets, chains }
}

describe('a change in stages', () => {
  it('is no transaction where nothing differs', () => {
    const same = table([laptop(1)], input(askLaptop()))
    assert.deepEqual(words(same, same), [])
  })

  it('is one where there is no table yet, or one that sleeps', () => {
    const wanted = table([laptop(1)], input(askLaptop()))
    assert.equal(words(undefined, wanted).length, 1)
    assert.equal(words({ ...wanted, dormant: true }, wanted).length, 1)
  })

  it('is one where one set gains, loses and replaces elements', () => {
    const of = (...addresses: readonly number[]): Table => table([office(...addresses)], input(askOffice()))
    assert.deepEqual(words(of(11, 12), of(12, 13)), [
      ['delete-elements office.ip4 1', 'add-elements office.ip4 1'],
    ])
  })

  it('puts elements in early and takes them out late, where the rules that ask are the same', () => {
    const before = table([laptop(1, 2), office(11)], input(askLaptop(), askOffice()))
    const after = table([laptop(1), office(11, 12)], input(askLaptop(), askOffice()))
    assert.deepEqual(words(before, after), [['add-elements office.ip4 1'], ['delete-elements laptop.mac 1']])
  })

  it('makes new sets first, then turns to the new rules, then takes old sets away', () => {
    const before = table([laptop(1)], input(askLaptop()))
    const after = table([office(11)], input(askOffice()))
    assert.deepEqual(words(before, after), [
      ['add-set office.ip4', 'add-elements office.ip4 1'],
      ['flush-chain input', 'add-rule input', 'add-rule input'],
      ['delete-set laptop.mac'],
    ])
  })

  it('hands over to a chain beside it while rules with nameless interval sets are made', () => {
    const ports = within(['tcp dport'], [one(22)], [range(24, 25)])
    const before = table([laptop(1)], input(askLaptop()))
    const after = table([laptop(1)], input(askLaptop(ports)))
    assert.deepEqual(words(before, after), [
      ['add-chain next.0', 'add-rule next.0', 'add-rule next.0'],
      ['flush-chain input', 'add-rule input'],
      ['flush-chain input', 'add-rule input', 'add-rule input', 'add-rule input'],
      ['delete-goto input'],
      ['flush-chain next.0', 'delete-chain next.0'],
    ])
  })

  it('fills a set beside itself where its elements and the rules that ask it change together', () => {
    const before = table([laptop(1)], input(askLaptop(is('tcp dport', 22))))
    const after = table([laptop(2)], input(askLaptop(is('tcp dport', 23))))
    assert.deepEqual(words(before, after), [
      ['add-set next.0', 'add-elements next.0 1', 'add-chain next.1', 'add-rule next.1', 'add-rule next.1'],
      ['flush-chain input', 'add-rule input'],
      [
        'flush-chain input',
        'add-rule input',
        'delete-elements laptop.mac 1',
        'add-elements laptop.mac 1',
        'add-rule input',
        'add-rule input',
      ],
      ['delete-goto input'],
      ['flush-chain next.1', 'delete-chain next.1', 'delete-set next.0'],
    ])
  })

  it('makes a chain at a hook open, and opens one before it goes', () => {
    const forward: Chain = {
      name: 'forward',
      base: { ...INPUT_BASE, hook: 'forward' },
      rules: [rule('meaning.refuse', DROP)],
    }
    const without = table([], input())
    const beside = table([], input(), forward)
    assert.deepEqual(words(without, beside), [
      ['add-chain forward'],
      ['add-chain forward', 'flush-chain forward', 'add-rule forward'],
    ])
    assert.deepEqual(words(beside, without), [
      ['add-chain forward', 'flush-chain forward', 'add-rule forward'],
      ['flush-chain forward', 'delete-chain forward'],
    ])
  })

  it('takes names that nobody has', () => {
    const before = table(
      [laptop(1), set('next.0', ['ip saddr'], false)],
      input(askLaptop(is('tcp dport', 22))),
    )
    const after = table([laptop(2)], input(askLaptop(is('tcp dport', 23))))
    assert.deepEqual(words(before, after)[0]?.slice(0, 1), ['add-set next.1'])
  })

  it('leads from any table to any other', async () => {
    const pairs = fc.tuple(fc.option(arbitraryTable(), { nil: undefined }), arbitraryTable())
    await fc.assert(
      fc.asyncProperty(pairs, async ([before, after]) => {
        const states = await statesOf(before, after, transactionsOf(before, after))
        assert.deepEqual(normaliseTable(states.at(-1) ?? assert.fail('no state')), normaliseTable(after))
      }),
    )
  })
})

/** The table before, after each transaction, and at the end. */
async function statesOf(
  before: Table | undefined,
  after: Table,
  transactions: readonly Transaction[],
): Promise<readonly Table[]> {
  const kernel = new FakeKernel(before === undefined ? [] : [before])
  const states: Table[] = before === undefined ? [] : [before]
  for (const transaction of transactions) {
    const applied = await kernel.apply(transaction)
    assert.ok(applied.ok, applied.ok ? '' : applied.error.message)
    const observed = await kernel.observe(after)
    assert.ok(observed.ok && observed.value !== undefined)
    states.push(observed.value)
  }
  return states
}

/** Lists of what is admitted over a small world, in which every packet can be tried. */
const elementsOf = (values: readonly number[]): fc.Arbitrary<readonly Element[]> =>
  fc.subarray([...values]).map((some) => some.map((value) => [one(value)]))

const rangesOf = (values: readonly number[]): fc.Arbitrary<readonly Element[]> =>
  fc.oneof(
    elementsOf(values),
    fc.constantFrom<readonly Element[]>(
      [[range(values[0] ?? 0, values.at(-1) ?? 0)]],
      [[range(values[0] ?? 0, values[1] ?? 0)]],
      [[range(values[1] ?? 0, values.at(-1) ?? 0)]],
    ),
  )

const SETS = {
  'a.mac': { fields: ['ether saddr'], interval: false, elements: elementsOf(MACS) },
  'b.mac': { fields: ['ether saddr'], interval: false, elements: elementsOf(MACS) },
  'a.ip4': { fields: ['ip saddr'], interval: true, elements: rangesOf(ADDRESSES) },
  'b.ip4': { fields: ['ip saddr'], interval: true, elements: rangesOf(ADDRESSES) },
  'a.mac-until': {
    fields: ['ether saddr', 'meta time'],
    interval: true,
    elements: elementsOf(MACS).chain((macs) =>
      fc.integer({ min: 900, max: 1100 }).map((end) => macs.map(([mac]) => [mac ?? one(0), range(0, end)])),
    ),
  },
} as const

type SetKey = keyof typeof SETS

const ports = fc.option(
  fc
    .uniqueArray(fc.constantFrom(...PORTS), { minLength: 1, maxLength: 3 })
    .chain((some) =>
      fc
        .boolean()
        .map((ranged) => [
          within(
            ['tcp dport'],
            ...some.map((port): Element => [ranged && port === 24 ? range(24, 25) : one(port)]),
          ),
        ]),
    ),
  { nil: [] },
)

const allowList: fc.Arbitrary<Table> = fc
  .record({
    names: fc.subarray(Object.keys(SETS) as SetKey[]),
    forward: fc.boolean(),
    seeds: fc.array(fc.tuple(ports, fc.nat(), fc.boolean()), { minLength: 1, maxLength: 5 }),
  })
  .chain(({ names, forward, seeds }) =>
    fc.tuple(...names.map((name) => SETS[name].elements)).map((contents): Table => {
      const sets = names.map((name, index) =>
        set(name, SETS[name].fields, SETS[name].interval, ...(contents[index] ?? [])),
      )
      const rules = seeds.flatMap(([match, pick, early]): readonly Rule[] => {
        const name = names[pick % names.length]
        if (name === undefined) return []
        return [rule(early ? 'one' : 'other', ...match, inSet(SETS[name].fields, name), ACCEPT)]
      })
      const chains = [input(...rules)]
      if (forward) {
        chains.push({
          ...input(...rules.slice(0, 2)),
          name: 'forward',
          base: { ...INPUT_BASE, hook: 'forward' },
        })
      }
      return table(sets, ...chains)
    }),
  )

const PACKETS: readonly Packet[] = (['input', 'forward'] as const).flatMap((hook) =>
  MACS.flatMap((mac) =>
    ADDRESSES.flatMap((source) =>
      PORTS.map(
        (destinationPort): Packet => ({
          hook,
          iif: 'eth0' as InterfaceName,
          mac: macFromNumber(mac),
          family: 'ip',
          source: ipFromNumber('ip', BigInt(source)),
          destination: ipFromNumber('ip', 0x0a00_0001n),
          protocol: 6,
          destinationPort,
          tcpFlags: 2,
          hopLimit: 64,
          tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
          time: 1000,
        }),
      ),
    ),
  ),
)

const verdicts = (state: Table): readonly string[] =>
  PACKETS.map((packet) => evaluate({ tables: [state] }, packet).verdict)

/**
 * What packets may meet while a transaction is committed. The new rules, and interval sets as they were: those without a name,
 * and those that were not there, are still empty. And the old rules, with what is in the sets already.
 */
function whileCommitted(before: Table, after: Table, { operations }: Transaction): readonly Table[] {
  const old = new Map(before.sets.map((one) => [one.name, one]))
  const next = new Map(after.sets.map((one) => [one.name, one]))
  const young = new Set(operations.flatMap((one) => (one.kind === 'add-rule' ? [one.rule] : [])))
  const newRules: Table = {
    ...after,
    sets: after.sets.map((one) =>
      one.interval ? { ...one, elements: old.get(one.name)?.elements ?? [] } : one,
    ),
    chains: after.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.map((one) => (young.has(one) ? withoutIntervals(one) : one)),
    })),
  }
  const oldRules: Table = { ...before, sets: before.sets.map((one) => next.get(one.name) ?? one) }
  return [newRules, oldRules]
}

function withoutIntervals(one: Rule): Rule {
  const statements = one.statements.map((statement): Statement => {
    if (statement.kind !== 'field' || statement.values.kind !== 'literal') return statement
    const { elements } = statement.values
    const ranged = elements.length > 1 && elements.some((each) => each.some(({ low, high }) => low !== high))
    return ranged ? { ...statement, values: { kind: 'literal', elements: [] } } : statement
  })
  return { ...one, statements }
}

describe('on the way from one list of what is admitted to another', () => {
  /** Packets whose verdict was neither that of before nor the wanted one, at some moment. */
  async function strays(before: Table, after: Table, transactions: readonly Transaction[]): Promise<number> {
    const states = await statesOf(before, after, transactions)
    const [from, to] = [verdicts(before), verdicts(after)]
    const moments = transactions.flatMap((transaction, index) => {
      const [earlier, later] = [states[index], states[index + 1]]
      assert.ok(earlier !== undefined && later !== undefined)
      return [later, ...whileCommitted(earlier, later, transaction)]
    })
    return moments
      .flatMap((moment) => verdicts(moment))
      .filter((verdict, index) => {
        const packet = index % PACKETS.length
        return verdict !== from[packet] && verdict !== to[packet]
      }).length
  }
  const pairs = fc.tuple(allowList, allowList)

  it('no packet ever meets a verdict that is neither', async () => {
    const property = fc.asyncProperty(pairs, async ([before, after]) => {
      assert.equal(await strays(before, after, transactionsOf(before, after)), 0)
    })
    await fc.assert(property, { numRuns: 2000 })
  })

  it('in one transaction some would', async () => {
    const property = fc.asyncProperty(pairs, async ([before, after]) => {
      return (await strays(before, after, [diffTable(before, after)])) === 0
    })
    const { failed } = await fc.check(property, { numRuns: 2000 })
    assert.ok(failed)
  })
})

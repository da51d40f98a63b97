import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ADMIT_TABLE, compile } from '../src/compile/compile.ts'
import { readPolicy } from '../src/policy/read.ts'
import { diffTable } from '../src/ruleset/diff.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import type { FakeMachine } from './support/fake-system.ts'
import { FAKE_NOW, fakeMachine, runAdmit } from './support/fake-system.ts'
import { expectOk } from './support/expect-ok.ts'
import { SAMPLE_HOST } from './support/sample-host.ts'

const PATH = '/etc/admit/policy.yaml'
const RULES = '/var/lib/admit/rules.nft'
const HEAD = 'admit: 1\nsafety: { admins: 0 }\n'

/** Policies that differ in devices, kinds of identity, services, settings, and in nothing but a time. */
const POLICIES: readonly string[] = [
  HEAD,
  `${HEAD}devices:\n  a: { mac: 00:16:3e:00:00:01 }\ngrants: [{ from: a, to: everything }]\n`,
  `${HEAD}devices:\n  a: { mac: [00:16:3e:00:00:01, 00:16:3e:00:00:02] }\ngrants: [{ from: a, to: ssh }]\n`,
  `${HEAD}devices:\n  a: { mac: 00:16:3e:00:00:01, until: 2027-02-01T00:00:00Z }\ngrants: [{ from: a, to: ssh }]\n`,
  `${HEAD}devices:\n  a: { mac: 00:16:3e:00:00:01, until: 2027-03-01T00:00:00Z }\ngrants: [{ from: a, to: ssh }]\n`,
  `${HEAD}host: { forward: keep, log: off }\ndevices:\n  a: { address: [10.0.0.0/8, "2001:db8::/32"] }\ngrants: [{ from: a, to: [ssh, ping] }]\n`,
  `${HEAD}host: { forward: guard, refuse: reject }\ndevices:\n  a: { address: 10.0.0.0/8 }\n  b: { address: 10.1.0.0/16, until: 2027-02-01T00:00:00Z }\ngrants:\n  - { from: [a, b], to: https }\n  - { from: a, to: ssh, through: 192.168.0.0/16 }\n`,
]

type Step =
  | { readonly kind: 'apply'; readonly policy: number }
  | {
      readonly kind: 'stop' | 'start' | 'reload' | 'flush-by-hand' | 'delete-by-hand' | 'lose-stored' | 'wait'
    }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.nat(POLICIES.length - 1).map((policy): Step => ({ kind: 'apply', policy })) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Step>(
      { kind: 'stop' },
      { kind: 'start' },
      { kind: 'reload' },
      { kind: 'flush-by-hand' },
      { kind: 'delete-by-hand' },
      { kind: 'lose-stored' },
      { kind: 'wait' },
    ),
  },
)

async function held(machine: FakeMachine): Promise<Table | undefined> {
  return expectOk(await machine.kernel.observe(ADMIT_TABLE), 'observe')
}

function freshly(policy: number): Table {
  const read = readPolicy(POLICIES[policy] ?? '', { systemServices: new Map(), now: FAKE_NOW })
  assert.ok(read.policy !== undefined)
  return compile(read.policy, SAMPLE_HOST, { now: FAKE_NOW })
}

function same(a: Table | undefined, b: Table | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameTable(a, b)
}

/** Does the step; what it promises must hold afterwards. Gives the rules that are stored then. */
async function take(machine: FakeMachine, step: Step, stored: Table | undefined): Promise<Table | undefined> {
  const before = await held(machine)
  const exit = async (...args: readonly string[]): Promise<number> => (await runAdmit(machine, args)).exit
  switch (step.kind) {
    case 'apply': {
      machine.files.set(PATH, POLICIES[step.policy] ?? '')
      const wanted = freshly(step.policy)
      assert.equal(await exit('plan'), same(before, wanted) ? 0 : 1)
      assert.equal(await held(machine), before)
      assert.equal(await exit('apply'), 0)
      const after = await held(machine)
      assert.ok(same(after, wanted), 'the kernel holds what a fresh apply would make')
      assert.equal(await exit('plan'), 0)
      assert.equal(await exit('status'), 0)
      return after
    }
    case 'start':
    case 'reload':
      assert.equal(await exit(step.kind), stored === undefined ? 4 : 0)
      assert.ok(same(await held(machine), stored ?? before))
      return stored
    case 'stop':
      assert.equal(await exit('stop', '--open'), 0)
      assert.equal(await held(machine), undefined)
      return stored
    case 'flush-by-hand':
      await machine.kernel.apply({
        table: ADMIT_TABLE,
        operations: [{ kind: 'flush-chain', chain: 'input' }],
      })
      return stored
    case 'delete-by-hand':
      await machine.kernel.apply({ table: ADMIT_TABLE, operations: [{ kind: 'delete-table' }] })
      return stored
    case 'lose-stored':
      machine.files.delete(RULES)
      return undefined
    case 'wait':
      machine.now += 3600
      return stored
    default:
      return step satisfies never
  }
}

describe('any commands in any order', () => {
  test('end where a fresh apply or the stored rules say', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const machine = fakeMachine()
        let stored: Table | undefined
        for (const one of steps) stored = await take(machine, one, stored)
        const present = await held(machine)
        const status = await runAdmit(machine, ['status'])
        assert.equal(
          status.exit,
          present !== undefined && stored !== undefined && same(present, stored) ? 0 : 1,
        )
      }),
      { numRuns: 60 },
    )
  })

  test('an element keeps the time when it was first applied, over applies, stop and start', async () => {
    const machine = fakeMachine()
    const lows = async (): Promise<readonly unknown[]> =>
      ((await held(machine))?.sets ?? []).flatMap((set) =>
        set.fields.includes('meta time') ? set.elements.map((element) => element.at(-1)?.low) : [],
      )
    machine.files.set(PATH, POLICIES[3] ?? '')
    await runAdmit(machine, ['apply'])
    assert.deepEqual(await lows(), [FAKE_NOW])
    machine.now += 7200
    // Another grant for the same people: the element is the same one.
    machine.files.set(PATH, (POLICIES[3] ?? '').replace('to: ssh', 'to: [ssh, ping]'))
    await runAdmit(machine, ['apply'])
    assert.deepEqual(await lows(), [FAKE_NOW])
    await runAdmit(machine, ['stop', '--open'])
    await runAdmit(machine, ['start'])
    assert.deepEqual(await lows(), [FAKE_NOW])
    await runAdmit(machine, ['stop', '--open'])
    await runAdmit(machine, ['apply'])
    assert.deepEqual(await lows(), [FAKE_NOW])
  })

  test('a stored file that is changed anywhere loads the same rules or none', async () => {
    const machine = fakeMachine()
    machine.files.set(PATH, POLICIES[6] ?? '')
    await runAdmit(machine, ['apply'])
    const table = (await held(machine)) ?? assert.fail('nothing was applied')
    const text = machine.files.get(RULES) ?? ''
    const change = fc.record({
      at: fc.nat(text.length - 1),
      gone: fc.nat(3),
      put: fc.string({ maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, gone, put }) => {
        const damaged = fakeMachine()
        damaged.files.set(RULES, text.slice(0, at) + put + text.slice(at + gone))
        const { exit } = await runAdmit(damaged, ['start'])
        const after = await held(damaged)
        if (exit === 0) assert.deepEqual(diffTable(after, table).operations, [])
        else assert.deepEqual([exit, after], [4, undefined])
      }),
      { numRuns: 200 },
    )
  })
})

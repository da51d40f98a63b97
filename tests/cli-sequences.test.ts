import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ADMIT_TABLE, compile } from '../src/compile/compile.ts'
import { readPolicy } from '../src/policy/read.ts'
import { diffTable } from '../src/ruleset/diff.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import { confirm, confirmed, meddle, pass } from './support/cli-machine.ts'
import type { FakeMachine } from './support/fake-system.ts'
import { FAKE_NOW, fakeMachine, journalOf, runAdmit } from './support/fake-system.ts'
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

/** How a change ends: confirmed, at once or from a console; undone by the clock or by hand. */
type End = 'confirm' | 'no-confirm' | 'deadline' | 'rollback'

type Step =
  | { readonly kind: 'apply'; readonly policy: number; readonly end: End }
  | { readonly kind: 'stop' | 'start' | 'reload'; readonly end: End }
  | { readonly kind: 'flush-by-hand' | 'delete-by-hand' | 'lose-stored' | 'wait' }

const end = fc.constantFrom<End>('confirm', 'confirm', 'no-confirm', 'deadline', 'rollback')
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('apply'), policy: fc.nat(POLICIES.length - 1), end }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('stop', 'start', 'reload'), end }),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('flush-by-hand', 'delete-by-hand', 'lose-stored', 'wait')
      .map((kind): Step => ({ kind })),
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
  switch (step.kind) {
    case 'apply':
      return apply(machine, step.policy, step.end, stored)
    case 'start':
    case 'reload':
      if (stored === undefined) assert.equal((await runAdmit(machine, [step.kind])).exit, 4)
      else await change(machine, [step.kind], stored, step.end)
      return stored
    case 'stop':
      await change(machine, ['stop', '--open'], undefined, step.end)
      return stored
    case 'flush-by-hand':
      if (before !== undefined) await meddle(machine)
      return stored
    case 'delete-by-hand':
      if (before !== undefined) {
        await machine.kernel.apply({ table: ADMIT_TABLE, operations: [{ kind: 'delete-table' }] })
      }
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

async function apply(
  machine: FakeMachine,
  policy: number,
  end: End,
  stored: Table | undefined,
): Promise<Table | undefined> {
  const before = await held(machine)
  machine.files.set(PATH, POLICIES[policy] ?? '')
  const wanted = freshly(policy)
  assert.equal((await runAdmit(machine, ['plan'])).exit, same(before, wanted) ? 0 : 1)
  assert.equal(await held(machine), before)
  const kept = await change(machine, ['apply'], wanted, end)
  if (!kept) return stored
  assert.equal((await runAdmit(machine, ['plan'])).exit, 0)
  assert.equal((await runAdmit(machine, ['status'])).exit, 0)
  return held(machine)
}

/** Changes the rules and ends that as said. True where they are kept, else the kernel holds what it held. */
async function change(
  machine: FakeMachine,
  args: readonly string[],
  wanted: Table | undefined,
  end: End,
): Promise<boolean> {
  const before = await held(machine)
  const ran = await runAdmit(machine, end === 'no-confirm' ? [...args, '--no-confirm'] : args)
  assert.equal(ran.exit, 0, ran.err)
  assert.ok(same(await held(machine), wanted), 'the kernel holds what was asked for')
  const waits = expectOk(await journalOf(machine).state(), 'state').kind === 'pending'
  if (!waits) return true
  assert.notEqual(end, 'no-confirm')
  assert.equal((await runAdmit(machine, ['apply'])).exit, 3, 'one change at a time')
  if (end === 'confirm') await confirm(machine)
  if (end === 'rollback') assert.equal((await runAdmit(machine, ['rollback'])).exit, 0)
  if (end === 'deadline') await pass(machine, 60)
  assert.ok(same(await held(machine), end === 'confirm' ? wanted : before))
  return end === 'confirm'
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
    await confirmed(machine, 'apply')
    assert.deepEqual(await lows(), [FAKE_NOW])
    machine.now += 7200
    // Another grant for the same people: the element is the same one.
    machine.files.set(PATH, (POLICIES[3] ?? '').replace('to: ssh', 'to: [ssh, ping]'))
    await confirmed(machine, 'apply')
    assert.deepEqual(await lows(), [FAKE_NOW])
    await confirmed(machine, 'stop', '--open')
    await confirmed(machine, 'start')
    assert.deepEqual(await lows(), [FAKE_NOW])
    await confirmed(machine, 'stop', '--open')
    await confirmed(machine, 'apply')
    assert.deepEqual(await lows(), [FAKE_NOW])
  })

  test('a stored file that is changed anywhere loads the same rules or none', async () => {
    const machine = fakeMachine()
    machine.files.set(PATH, POLICIES[6] ?? '')
    await confirmed(machine, 'apply')
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

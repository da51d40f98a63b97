import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FakeJournal } from '../../tests/support/fake-journal.ts'
import type { HowItFails } from '../../tests/support/failing.ts'
import { failingJournal, failingKernel, failuresAt } from '../../tests/support/failing.ts'
import { expectOk } from '../../tests/support/expect-ok.ts'
import { ACCEPT, DROP, is, rule, TABLE } from '../../tests/support/tables.ts'
import { fail, ok } from '../base/result.ts'
import { FakeKernel } from '../kernel/fake-kernel.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { JournalEntry, Proof } from './journal.ts'
import type { Step, TransactionResult } from './machine.ts'
import type { TransactionPorts } from './transact.ts'
import { claimPending, same, transact } from './transact.ts'

const OLD = tableFor(22)
const NEW = tableFor(2222)
const PROOF: Proof = { by: 'root', from: 'a console', how: 'unproven', at: { uptime: 1, wall: 2 } }
const ENTRY: JournalEntry = {
  id: 'one',
  kind: 'apply',
  by: 'root',
  from: 'a console',
  started: { uptime: 1, wall: 2 },
  window: 60,
  tokenHash: 'none',
  unguarded: [],
  keeps: true,
  connections: [],
}

function tableFor(port: number): Table {
  return {
    ...TABLE,
    sets: [],
    chains: [{ name: 'input', rules: [rule('ssh', is('tcp dport', port), ACCEPT), rule('end', DROP)] }],
  }
}

interface Setting {
  readonly previous: Table | undefined
  readonly candidate: Table | undefined
  readonly confirm: boolean
}

class World {
  now = 1_800_000_000
  readonly kernel: FakeKernel
  readonly journal: FakeJournal
  readonly steps: Step[] = []

  constructor(previous: Table | undefined) {
    this.kernel = new FakeKernel(previous === undefined ? [] : [previous])
    this.journal = new FakeJournal(
      () => this.kernel,
      () => this.now,
      new Map(),
      '/state',
    )
  }

  async run(
    { previous, candidate, confirm }: Setting,
    ports: Partial<TransactionPorts> = {},
  ): Promise<TransactionResult> {
    const files = { previous, candidate, rescue: undefined, policy: undefined }
    return transact(
      {
        kernel: this.kernel,
        journal: this.journal,
        connections: () => Promise.resolve(ok([])),
        cut: () => Promise.resolve(),
        onStep: (step) => {
          this.steps.push(step)
          return Promise.resolve()
        },
        ...ports,
      },
      { entry: ENTRY, files, ...(confirm ? {} : { unproven: PROOF }) },
    )
  }

  async held(): Promise<Table | undefined> {
    return expectOk(await this.kernel.observe(TABLE), 'observe')
  }

  async stateKind(): Promise<string> {
    return expectOk(await this.journal.state(), 'state').kind
  }

  async confirmedRules(): Promise<Table | undefined> {
    return expectOk(await this.journal.confirmed(), 'confirmed')?.rules
  }

  /** The process that began it ends, and the time of the window goes by. */
  async later(): Promise<void> {
    this.now += 61
    this.journal.killApplier()
    await this.journal.tick()
  }
}

/** What must be so however it ended: told truly, and nothing in force that nobody watches over. */
async function checkInvariant(world: World, setting: Setting, result: TransactionResult): Promise<void> {
  const held = await world.held()
  const state = expectOk(await world.journal.state(), 'state')
  const [isNew, isOld] = [same(held, setting.candidate), same(held, setting.previous)]
  switch (result.kind) {
    case 'refused':
      assert.ok(isOld, 'refused, and the kernel was changed')
      break
    case 'pending':
      assert.ok(isNew)
      assert.ok(state.kind === 'pending' && state.window !== undefined && state.watchdog === 'alive')
      break
    case 'confirmed':
      assert.ok(isNew && state.kind === 'idle')
      assert.ok(same(await world.confirmedRules(), setting.candidate ?? (await world.confirmedRules())))
      break
    case 'not-stored':
      assert.ok(isNew)
      expectOk(await world.journal.complete(), 'complete')
      assert.equal(await world.stateKind(), 'idle')
      break
    case 'undone':
      // Where it says that it could not be undone, the watchdog is still there to do it.
      if (result.outcome === 'failed')
        assert.ok(isOld || (state.kind === 'pending' && state.watchdog === 'alive'))
      else assert.ok(isOld, `${result.outcome}, and the kernel holds something else`)
      break
    default:
      result satisfies never
  }
  if (!isOld && result.kind !== 'confirmed' && result.kind !== 'not-stored') {
    await world.later()
    assert.ok(same(await world.held(), setting.previous), 'nobody undid it')
  }
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  'the first apply': { previous: undefined, candidate: NEW, confirm: true },
  'an apply': { previous: OLD, candidate: NEW, confirm: true },
  'an apply without confirmation': { previous: OLD, candidate: NEW, confirm: false },
  'a stop': { previous: OLD, candidate: undefined, confirm: true },
  'a stop without confirmation': { previous: OLD, candidate: undefined, confirm: false },
  'nothing to change': { previous: OLD, candidate: OLD, confirm: false },
}

for (const [name, setting] of Object.entries(SETTINGS)) {
  describe(name, () => {
    test('goes well', async () => {
      const world = new World(setting.previous)
      const result = await world.run(setting)
      assert.equal(result.kind, setting.confirm ? 'pending' : 'confirmed')
      await checkInvariant(world, setting, result)
    })

    for (const how of ['before', 'after'] as const satisfies readonly HowItFails[]) {
      test(`any call of the journal or the kernel fails ${how} it is done`, async () => {
        const failed = new Set<string>()
        for (let nth = 1; ; nth++) {
          const world = new World(setting.previous)
          const failures = failuresAt([nth], how)
          const result = await world.run(setting, {
            kernel: failingKernel(world.kernel, failures),
            journal: failingJournal(world.journal, failures),
          })
          if (failures.failed.length === 0) break
          for (const call of failures.failed) failed.add(call)
          await checkInvariant(world, setting, result).catch((error: unknown) => {
            throw new Error(`call ${nth}, ${failures.failed}, ended as ${result.kind}`, { cause: error })
          })
        }
        for (const call of ['checkUndo', 'write', 'publish', 'arm', 'open'])
          assert.ok(failed.has(`journal.${call}`), call)
        assert.ok(failed.has('kernel.observe'))
      })

      test(`two calls fail ${how} they are done`, async () => {
        let runs = 0
        for (let first = 1; first < 16; first++) {
          for (let second = 1; second < 8; second++) {
            const world = new World(setting.previous)
            const failures = failuresAt([first, first + second], how)
            const result = await world.run(setting, {
              kernel: failingKernel(world.kernel, failures),
              journal: failingJournal(world.journal, failures),
            })
            if (failures.failed.length === 2) runs++
            await checkInvariant(world, setting, result).catch((error: unknown) => {
              throw new Error(`${failures.failed.join(', then ')}, ended as ${result.kind}`, {
                cause: error,
              })
            })
          }
        }
        assert.ok(runs > 0)
      })
    }

    test('killed before any of its steps, with its watchdog or without: undone, confirmed, or never begun', async () => {
      const whole = new World(setting.previous)
      await whole.run(setting)
      for (const step of whole.steps) {
        for (const watchdog of [true, false]) {
          const world = new World(setting.previous)
          const killed = world.run(setting, {
            onStep: (now) => (now === step ? Promise.reject(new Error('killed')) : Promise.resolve()),
          })
          await assert.rejects(killed, /killed/)
          if (!watchdog) world.journal.killWatchdog()
          await world.later()
          const state = expectOk(await world.journal.state(), 'state')
          // Without a watchdog the next command sees to it: cli/settle.ts.
          if (state.kind === 'pending') {
            assert.equal(state.watchdog, 'gone')
            expectOk(await world.journal.undo('stale'), 'undo')
          }
          if (step === 'complete') {
            expectOk(await world.journal.complete(), 'complete')
            assert.ok(same(await world.held(), setting.candidate), step)
          } else {
            assert.ok(same(await world.held(), setting.previous), `${step}, ${watchdog}`)
          }
          assert.equal(await world.stateKind(), 'idle')
        }
      }
    })
  })
}

describe('somebody else', () => {
  const setting: Setting = { previous: OLD, candidate: NEW, confirm: true }

  test('has a change pending: taken, and nothing of it is touched', async () => {
    const world = new World(OLD)
    const other = { ...ENTRY, id: 'other' }
    const files = { previous: OLD, candidate: undefined, rescue: undefined, policy: undefined }
    expectOk(await world.journal.write(other, files), 'write')
    expectOk(await world.journal.publish('other'), 'publish')
    const result = await world.run(setting)
    assert.ok(result.kind === 'refused' && result.trouble.kind === 'journal')
    assert.equal(result.trouble.error.kind, 'taken')
    const state = expectOk(await world.journal.state(), 'state')
    assert.equal(state.kind === 'pending' && state.entry.id, 'other')
    assert.ok(same(await world.held(), OLD))
  })

  test('changed the table since it was looked at: refused, and left as it is', async () => {
    const world = new World(tableFor(7))
    const result = await world.run(setting)
    assert.ok(result.kind === 'refused' && result.trouble.kind === 'changed-meanwhile')
    assert.ok(same(await world.held(), tableFor(7)))
    assert.equal(await world.stateKind(), 'idle')
  })

  test('took the transaction away before its window opened: this process takes the change back', async () => {
    const world = new World(OLD)
    const result = await world.run(setting, {
      connections: async () => {
        await world.journal.withdraw('one')
        return ok([])
      },
    })
    assert.deepEqual(result, { kind: 'undone', trouble: { kind: 'taken-away' }, outcome: 'undone' })
    assert.ok(same(await world.held(), OLD))
  })

  test('undid it while the window was opened: as before, and whoever undid it tells', async () => {
    const world = new World(OLD)
    const result = await world.run(setting, {
      connections: async () => {
        expectOk(await world.journal.undo('asked'), 'undo')
        return ok([])
      },
    })
    assert.ok(result.kind === 'undone' && result.outcome === 'nothing')
    assert.ok(same(await world.held(), OLD))
  })

  test('puts in something else at the same moment: a mismatch, undone', async () => {
    const world = new World(OLD)
    const kernel: Kernel = failingKernel(world.kernel, failuresAt([], 'before'))
    const result = await world.run(setting, {
      kernel: {
        ...kernel,
        apply: async (transaction) => {
          const done = await kernel.apply(transaction)
          const flush = { kind: 'flush-chain', chain: 'input' } as const
          await world.kernel.apply({ table: TABLE, operations: [flush] })
          return done
        },
      },
    })
    assert.deepEqual(result, { kind: 'undone', trouble: { kind: 'mismatch' }, outcome: 'undone' })
    assert.ok(same(await world.held(), OLD))
  })
})

test('connections that cannot be listed: no window is opened, and it is undone', async () => {
  const world = new World(OLD)
  const error = { kind: 'failed', message: 'ss is missing' } as const
  const setting: Setting = { previous: OLD, candidate: NEW, confirm: true }
  const result = await world.run(setting, { connections: () => Promise.resolve(fail(error)) })
  assert.deepEqual(result, { kind: 'undone', trouble: { kind: 'journal', error }, outcome: 'undone' })
  assert.ok(same(await world.held(), OLD))
})

test('a claim that says no after its rename is a claim', async () => {
  const world = new World(OLD)
  await world.run({ previous: OLD, candidate: NEW, confirm: true })
  const failing = failingJournal(world.journal, failuresAt([1], 'after'))
  assert.deepEqual(await claimPending(failing, 'one', PROOF), ok('claimed'))
  const other = new World(OLD)
  await other.run({ previous: OLD, candidate: NEW, confirm: true })
  const refusing = failingJournal(other.journal, failuresAt([1], 'before'))
  assert.equal((await claimPending(refusing, 'one', PROOF)).ok, false)
  assert.equal(await other.stateKind(), 'pending')
})

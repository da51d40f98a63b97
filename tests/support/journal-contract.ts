import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Journal, JournalEntry, JournalFiles, Proof } from '../../src/apply/journal.ts'
import { same, transactionFor } from '../../src/apply/transact.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { expectOk } from './expect-ok.ts'
import { ACCEPT, DROP, INPUT_BASE, is, rule, TABLE } from './tables.ts'

/** A journal with its kernel, and what a test does to them from outside. */
export interface JournalWorld {
  readonly kernel: Kernel
  readonly journal: Journal
  /** Comes back when the watchdog had the time to notice that so many seconds have gone by. */
  wait(seconds: number): Promise<void>
  killWatchdog(): Promise<void>
  /** Puts other bytes into the confirmed rules. */
  damageRules(): Promise<void>
  /** Makes the undo load nothing from now on but what has this mark in its text; all again without one. */
  loadOnly(mark?: RegExp): Promise<void>
  /** Makes the journal of what is undone stay where it is from now on, or go again. */
  setClearable(clearable: boolean): Promise<void>
  /** Makes every write fail from now on, or succeed again. */
  setWritable(writable: boolean): Promise<void>
  remove(): Promise<void>
}

const OLD = tableFor(22)
const NEW = tableFor(2222)
const RESCUE = tableFor(22_222)

export function tableFor(port: number): Table {
  const rules = [rule('ssh', is('tcp dport', port), ACCEPT), rule('end', DROP)]
  return { ...TABLE, sets: [], chains: [{ name: 'input', base: INPUT_BASE, rules }] }
}

/** The laws of a journal, the same for the one on disk with its guard and the one in memory. */
export function journalContract(name: string, create: () => Promise<JournalWorld>): void {
  describe(name, () => {
    let world: JournalWorld
    let count = 0

    beforeEach(async () => {
      world = await create()
      await put(world, OLD)
    })
    afterEach(async () => {
      // The watchdog of what is still pending would otherwise see its journal go, and act.
      await world.journal.undo('asked')
      await put(world, undefined)
      await world.remove()
    })

    const entryOf = async (changes: Partial<JournalEntry> = {}): Promise<JournalEntry> => ({
      id: `contract-${process.pid}-${++count}`,
      kind: 'apply',
      by: 'root (alice)',
      from: '203.0.113.7 port 50122',
      started: await world.journal.moment(),
      window: 60,
      tokenHash: 'a'.repeat(64),
      unguarded: ['wg0'],
      keeps: true,
      connections: ['192.0.2.1:22 203.0.113.7:50122'],
      ...changes,
    })
    const FILES: JournalFiles = { previous: OLD, candidate: NEW, rescue: RESCUE, policy: 'admit: 1\n' }

    /** Pending, armed, changed and open. */
    const begin = async (
      changes: Partial<JournalEntry> = {},
      files: Partial<JournalFiles> = {},
      watched = true,
    ): Promise<JournalEntry> => {
      const entry = await entryOf(changes)
      const all = { ...FILES, ...files }
      expectOk(await world.journal.checkUndo(all.previous), 'checkUndo')
      expectOk(await world.journal.write(entry, all), 'write')
      expectOk(await world.journal.publish(entry.id), 'publish')
      if (watched) expectOk(await world.journal.arm(entry.id), 'arm')
      await put(world, all.candidate)
      const opened = await world.journal.moment()
      const deadline = { uptime: opened.uptime + entry.window, wall: opened.wall + entry.window }
      expectOk(await world.journal.open(entry.id, { opened, deadline, connections: ['a b'] }), 'open')
      return entry
    }
    const confirm = async (changes: Partial<JournalEntry> = {}, files: Partial<JournalFiles> = {}) => {
      const entry = await begin(changes, files)
      assert.equal(expectOk(await world.journal.claim(entry.id, await proofNow(world)), 'claim'), 'claimed')
      expectOk(await world.journal.complete(), 'complete')
      return entry
    }
    const kindNow = async () => expectOk(await world.journal.state(), 'state').kind

    it('is idle, and knows nothing, before anything was written', async () => {
      const { journal } = world
      assert.equal(await kindNow(), 'idle')
      assert.equal(expectOk(await journal.confirmed(), 'confirmed'), undefined)
      assert.equal(expectOk(await journal.outcome(), 'outcome'), undefined)
      assert.deepEqual(expectOk(await journal.points(), 'points'), [])
      assert.equal(expectOk(await journal.undo('asked'), 'undo'), 'nothing')
      expectOk(await journal.complete(), 'complete')
      const point = await journal.point(1)
      assert.equal(!point.ok && point.error.kind, 'missing')
    })

    it('tells what is pending exactly as it was written', async () => {
      const entry = await begin({ forced: 'me' })
      const state = expectOk(await world.journal.state(), 'state')
      assert.ok(state.kind === 'pending')
      const { started, ...rest } = state.entry
      const { started: written, ...wanted } = entry
      assert.deepEqual(rest, wanted)
      assert.ok(Math.abs(started.uptime - written.uptime) < 0.01)
      assert.deepEqual([state.here, state.watchdog, state.applier], ['here', 'alive', 'alive'])
      assert.deepEqual(state.window?.connections, ['a b'])
      assert.ok(same(expectOk(await world.journal.candidate(), 'candidate'), NEW))
    })

    it('obeys nothing that is written and not published', async () => {
      const entry = await entryOf()
      expectOk(await world.journal.write(entry, FILES), 'write')
      assert.equal(await kindNow(), 'idle')
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'nothing')
      expectOk(await world.journal.withdraw(entry.id), 'withdraw')
      const published = await world.journal.publish(entry.id)
      assert.equal(!published.ok && published.error.kind, 'missing')
    })

    it('lets only one be pending', async () => {
      const first = await begin()
      const second = await entryOf()
      expectOk(await world.journal.write(second, FILES), 'write')
      const published = await world.journal.publish(second.id)
      assert.equal(!published.ok && published.error.kind, 'taken')
      expectOk(await world.journal.withdraw(second.id), 'withdraw')
      const state = expectOk(await world.journal.state(), 'state')
      assert.equal(state.kind === 'pending' && state.entry.id, first.id)
    })

    it('withdraws what was published, and nobody else’s', async () => {
      const entry = await entryOf()
      expectOk(await world.journal.write(entry, FILES), 'write')
      expectOk(await world.journal.publish(entry.id), 'publish')
      expectOk(await world.journal.withdraw('somebody-else'), 'withdraw')
      assert.equal(await kindNow(), 'pending')
      expectOk(await world.journal.withdraw(entry.id), 'withdraw')
      assert.equal(await kindNow(), 'idle')
      const now = await world.journal.moment()
      const opened = await world.journal.open(entry.id, { opened: now, deadline: now, connections: [] })
      assert.equal(!opened.ok && opened.error.kind, 'missing')
    })

    it('confirms: what boots, a restore point with all that goes with it, the outcome', async () => {
      const entry = await confirm()
      assert.equal(await kindNow(), 'idle')
      const kept = expectOk(await world.journal.confirmed(), 'confirmed')
      assert.ok(kept !== undefined && same(kept.rules, NEW) && same(kept.rescue, RESCUE))
      assert.equal(kept.policy, 'admit: 1\n')
      const [point, ...more] = expectOk(await world.journal.points(), 'points')
      assert.ok(point !== undefined && more.length === 0)
      const { at, ...told } = point
      assert.deepEqual(told, {
        number: 1,
        kind: 'apply',
        by: entry.by,
        from: entry.from,
        how: 'token',
        confirmedBy: 'bob',
        confirmedFrom: '203.0.113.8 port 50200',
      })
      assert.ok(Math.abs(at - (await world.journal.moment()).wall) < 120)
      const files = expectOk(await world.journal.point(1), 'point')
      assert.ok(same(files.rules, NEW) && same(files.rescue, RESCUE) && files.policy === 'admit: 1\n')
      const outcome = expectOk(await world.journal.outcome(), 'outcome')
      assert.deepEqual([outcome?.id, outcome?.kind, outcome?.result], [entry.id, 'apply', 'confirmed'])
      assert.ok(same(await held(world), NEW))
    })

    it('completes once, however often it is asked', async () => {
      await confirm()
      expectOk(await world.journal.complete(), 'complete')
      expectOk(await world.journal.complete(), 'complete')
      assert.equal(expectOk(await world.journal.points(), 'points').length, 1)
    })

    it('what does not keep changes nothing of what boots, and makes no restore point', async () => {
      await confirm()
      await confirm({ kind: 'stop', keeps: false }, { previous: NEW, candidate: undefined })
      assert.ok(same(expectOk(await world.journal.confirmed(), 'confirmed')?.rules, NEW))
      assert.equal(expectOk(await world.journal.points(), 'points').length, 1)
      assert.equal(expectOk(await world.journal.outcome(), 'outcome')?.kind, 'stop')
      assert.equal(await held(world), undefined)
    })

    it('what is claimed and not completed is told as such, is undone by nobody, and is completed later', async () => {
      // A watchdog would complete it at once.
      const entry = await begin({}, {}, false)
      expectOk(await world.journal.claim(entry.id, await proofNow(world)), 'claim')
      const state = expectOk(await world.journal.state(), 'state')
      assert.equal(state.kind === 'confirming' && state.entry.id, entry.id)
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'nothing')
      const other = await entryOf()
      expectOk(await world.journal.write(other, FILES), 'write')
      const published = await world.journal.publish(other.id)
      assert.equal(!published.ok && published.error.kind, 'taken')
      expectOk(await world.journal.complete(), 'complete')
      assert.ok(same(expectOk(await world.journal.confirmed(), 'confirmed')?.rules, NEW))
    })

    it('undoes: the previous rules, the outcome, nothing kept', async () => {
      const entry = await begin()
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'undone')
      assert.ok(same(await held(world), OLD))
      assert.equal(await kindNow(), 'idle')
      const outcome = expectOk(await world.journal.outcome(), 'outcome')
      assert.deepEqual([outcome?.id, outcome?.result, outcome?.why], [entry.id, 'undone', 'asked'])
      assert.equal(expectOk(await world.journal.confirmed(), 'confirmed'), undefined)
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'nothing')
      assert.equal(expectOk(await world.journal.claim(entry.id, await proofNow(world)), 'claim'), 'lost')
    })

    it('undoes to no table where there was none, and whatever was done to the table since', async () => {
      await put(world, undefined)
      await begin({}, { previous: undefined })
      await put(world, RESCUE)
      assert.equal(expectOk(await world.journal.undo('mismatch'), 'undo'), 'undone')
      assert.equal(await held(world), undefined)
      await put(world, OLD)
      await begin({ kind: 'stop', keeps: false }, { candidate: undefined })
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'undone')
      assert.ok(same(await held(world), OLD))
    })

    it('a claim and an undo at the same moment: exactly one wins', async () => {
      const entry = await begin()
      const proof = await proofNow(world)
      const [claimed, undone] = await Promise.all([
        world.journal.claim(entry.id, proof),
        world.journal.undo('asked'),
      ])
      const wins = [expectOk(claimed, 'claim') === 'claimed', expectOk(undone, 'undo') === 'undone']
      assert.equal(wins.filter(Boolean).length, 1)
      expectOk(await world.journal.complete(), 'complete')
      assert.ok(same(await held(world), wins[0] === true ? NEW : OLD))
    })

    it('two claims at the same moment: exactly one wins, and it is the one that is recorded', async () => {
      for (let round = 0; round < 20; round++) {
        // A watchdog would complete it at once.
        const entry = await begin({}, {}, false)
        const proofs = await Promise.all(
          ['bob', 'carol'].map(async (by) => ({ ...(await proofNow(world)), by })),
        )
        const claims = await Promise.all(proofs.map((proof) => world.journal.claim(entry.id, proof)))
        const winners = proofs.filter(
          (_, index) => expectOk(claims[index] ?? assert.fail(), 'claim') === 'claimed',
        )
        assert.equal(winners.length, 1)
        expectOk(await world.journal.complete(), 'complete')
        const [winner] = winners
        assert.equal(expectOk(await world.journal.points(), 'points').at(-1)?.confirmedBy, winner?.by)
        assert.equal(expectOk(await world.journal.outcome(), 'outcome')?.by, winner?.by)
        await put(world, OLD)
      }
    })

    it('an undo that loads nothing is told, kept, and done by the next one', async () => {
      // A watchdog would try again at once.
      const entry = await begin({}, {}, false)
      await world.loadOnly(/nothing has this/)
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'failed')
      const state = expectOk(await world.journal.state(), 'state')
      assert.equal(state.kind === 'undoing' && state.entry.id, entry.id)
      assert.equal(expectOk(await world.journal.outcome(), 'outcome')?.result, 'failed')
      assert.equal(expectOk(await world.journal.claim(entry.id, await proofNow(world)), 'claim'), 'lost')
      assert.equal(expectOk(await world.journal.undo('stale'), 'undo'), 'failed')
      await world.loadOnly()
      assert.equal(expectOk(await world.journal.undo('stale'), 'undo'), 'undone')
      assert.ok(same(await held(world), OLD))
      assert.equal(await kindNow(), 'idle')
      assert.equal(expectOk(await world.journal.outcome(), 'outcome')?.result, 'undone')
    })

    it('says which last resort it loaded', async () => {
      await confirm()
      for (const [mark, lastResort, table] of [
        [/dport 22222\b/, 'admins-only', RESCUE],
        [/dport 2222\b/, 'confirmed', NEW],
      ] as const) {
        await put(world, NEW)
        await begin({}, { candidate: undefined }, false)
        await world.loadOnly(mark)
        assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'rescued')
        const outcome = expectOk(await world.journal.outcome(), 'outcome')
        assert.deepEqual([outcome?.result, outcome?.lastResort], ['rescued', lastResort])
        await world.loadOnly()
        assert.ok(same(await held(world), table))
        assert.equal(await kindNow(), 'idle')
      }
    })

    it('where its journal cannot be removed, an undo says so, and the next one removes it', async () => {
      await begin({}, {}, false)
      await world.setClearable(false)
      assert.equal(expectOk(await world.journal.undo('asked'), 'undo'), 'uncleared')
      assert.ok(same(await held(world), OLD))
      assert.notEqual(await kindNow(), 'idle')
      await world.setClearable(true)
      assert.equal(expectOk(await world.journal.undo('stale'), 'undo'), 'undone')
      assert.equal(await kindNow(), 'idle')
    })

    it('a claim of another ID is lost, and leaves what is pending', async () => {
      await begin()
      assert.equal(expectOk(await world.journal.claim('another', await proofNow(world)), 'claim'), 'lost')
      assert.equal(await kindNow(), 'pending')
    })

    it('its watchdog undoes at the deadline, and not before', async () => {
      const entry = await begin({ window: 5 })
      assert.equal(await kindNow(), 'pending')
      await world.wait(5)
      assert.equal(await kindNow(), 'idle')
      assert.ok(same(await held(world), OLD))
      const outcome = expectOk(await world.journal.outcome(), 'outcome')
      assert.deepEqual([outcome?.id, outcome?.why], [entry.id, 'deadline'])
    })

    it('a watchdog that was killed is told, and another one takes its place', async () => {
      const entry = await begin({ window: 1 })
      await world.killWatchdog()
      await world.wait(1)
      const state = expectOk(await world.journal.state(), 'state')
      assert.equal(state.kind === 'pending' && state.watchdog, 'gone')
      expectOk(await world.journal.arm(entry.id), 'arm')
      await world.wait(0)
      assert.equal(await kindNow(), 'idle')
      assert.ok(same(await held(world), OLD))
    })

    it('names restore points, and numbers them upward', async () => {
      await confirm()
      expectOk(await world.journal.name(1, 'first'), 'name')
      await confirm({}, { previous: NEW, candidate: OLD, policy: undefined })
      const points = expectOk(await world.journal.points(), 'points')
      assert.deepEqual(
        points.map(({ number, name }) => [number, name]),
        [
          [1, 'first'],
          [2, undefined],
        ],
      )
      const kept = expectOk(await world.journal.confirmed(), 'confirmed')
      assert.ok(same(kept?.rules, OLD))
      assert.equal(kept?.policy, undefined)
    })

    it('confirmed rules that were changed by another hand are damaged, not rules', async () => {
      await confirm()
      await world.damageRules()
      const kept = await world.journal.confirmed()
      assert.equal(!kept.ok && kept.error.kind, 'damaged')
      assert.ok(same(expectOk(await world.journal.point(1), 'point').rules, NEW))
    })

    it('where nothing can be written, nothing begins', async () => {
      await confirm()
      await world.setWritable(false)
      const written = await world.journal.write(await entryOf(), FILES)
      assert.equal(written.ok, false)
      await world.setWritable(true)
      assert.equal(await kindNow(), 'idle')
    })
  })
}

async function proofNow(world: JournalWorld): Promise<Proof> {
  return { by: 'bob', from: '203.0.113.8 port 50200', how: 'token', at: await world.journal.moment() }
}

async function held(world: JournalWorld): Promise<Table | undefined> {
  return expectOk(await world.kernel.observe(TABLE), 'observe')
}

async function put(world: JournalWorld, table: Table | undefined): Promise<void> {
  const { operations } = transactionFor(await held(world), table)
  if (operations.length > 0) expectOk(await world.kernel.apply({ table: TABLE, operations }), 'apply')
}

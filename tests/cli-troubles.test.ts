/** What goes wrong while the rules are changed, and what is left then. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fail, ok } from '../src/base/result.ts'
import { EXIT } from '../src/cli/exit-code.ts'
import { ADMIT_TABLE } from '../src/compile/compile.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import type { Kernel, KernelError } from '../src/kernel/kernel.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import {
  applied,
  confirm,
  confirmed,
  documentOf,
  forgetful,
  kernelLike,
  machineWith,
  NOT_PERMITTED,
  OTHER_POLICY,
  POLICY,
  POLICY_PATH,
  pending,
  refusing,
  RULES_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { expectOk } from './support/expect-ok.ts'
import { fakeMachine, journalOf, runAdmit } from './support/fake-system.ts'

const CHANGES: readonly (readonly string[])[] = [
  ['apply'],
  ['start'],
  ['reload'],
  ['stop', '--open'],
  ['flush', '--open'],
]

describe('while a change is pending', () => {
  test('every other change is refused with who, from where, since when, until when: exit 3', async () => {
    for (const args of [...CHANGES, ['save', 'x'], ['rollback', '1']]) {
      const machine = await pending()
      const before = await tableIn(machine)
      const ran = await runAdmit(machine, args)
      assert.equal(ran.exit, EXIT.unsafe, args.join(' '))
      assert.match(
        ran.err,
        /a change is pending: apply by root \(alice\) from a console since 08:00:00Z, until 08:01:00Z \(60 s left\)\.\nFirst `admit confirm` it from a new connection, or `admit rollback`\.\n$/,
      )
      assert.deepEqual(await tableIn(machine), before)
      const document = documentOf(await runAdmit(machine, [...args, '--json']))
      assert.equal(document['result'], 'another-pending')
      assert.equal((document['pending'] as { until?: unknown }).until, '2027-01-15T08:01:00Z')
    }
  })

  test('--no-confirm and --force change nothing about that', async () => {
    const machine = await pending()
    const before = await tableIn(machine)
    for (const args of CHANGES) {
      assert.equal((await runAdmit(machine, [...args, '--no-confirm'])).exit, EXIT.unsafe)
    }
    assert.deepEqual(await tableIn(machine), before)
  })

  test('what changes nothing goes on', async () => {
    const machine = await pending()
    for (const args of [['plan'], ['check'], ['show'], ['history']]) {
      assert.equal((await runAdmit(machine, args)).exit, EXIT.done, args.join(' '))
    }
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.no)
  })

  test('a watchdog that was killed is started again, and still undoes in time', async () => {
    const machine = await pending()
    const journal = journalOf(machine)
    journal.killWatchdog()
    const ran = await runAdmit(machine, ['status'])
    assert.match(ran.err, /the watchdog of the pending change was gone; starting it again/)
    machine.now += 60
    await journal.tick()
    assert.equal(expectOk(await journal.state(), 'state').kind, 'idle')
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })

  test('with its watchdog killed and its time over, the next command undoes it', async () => {
    const machine = await applied()
    const before = (await tableIn(machine)) ?? assert.fail('no table')
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await runAdmit(machine, ['apply'])
    journalOf(machine).killWatchdog()
    machine.now += 61
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(ran.err, /nobody confirmed the pending change in time; undoing it/)
    assert.match(ran.err, /there is nothing to confirm\. Undone at 08:01:01Z, it was left over/)
    assert.ok(sameTable(before, (await tableIn(machine)) ?? assert.fail('gone')))
  })

  test('a confirmation that could not be stored is completed by the next command', async () => {
    const machine = await pending()
    const journal = journalOf(machine)
    const now = await journal.moment()
    const proof = { by: 'root', from: 'a console', how: 'console', at: now } as const
    expectOk(await journal.claim('00000000000000000002', proof), 'claim')
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    assert.equal(expectOk(await journal.state(), 'state').kind, 'idle')
    assert.equal(expectOk(await journal.points(), 'points').length, 2)
  })
})

describe('stored rules', () => {
  test('that are damaged or missing: exit 4, and nothing is changed', async () => {
    const damages: readonly ((text: string) => string)[] = [
      () => '',
      () => 'table inet admit {}\n',
      (text) => text.slice(0, -20),
      (text) => text.slice(0, 10),
      (text) => text.replace('203.0.113.7', '203.0.113.8'),
      (text) => text.replace('version 1', 'version 2'),
      (text) => text.replace(/sha256 ./, 'sha256 x'),
    ]
    for (const damage of damages) {
      for (const command of ['start', 'reload']) {
        const machine = await applied()
        const before = await tableIn(machine)
        machine.files.set(RULES_PATH, damage(machine.files.get(RULES_PATH) ?? ''))
        const ran = await runAdmit(machine, [command])
        assert.equal(ran.exit, EXIT.system)
        assert.match(ran.err, /Nothing was changed/)
        assert.equal(await tableIn(machine), before)
      }
    }
    const machine = fakeMachine()
    const none = await runAdmit(machine, ['start'])
    assert.equal(none.exit, EXIT.system)
    assert.match(none.err, /no confirmed rules in \/var\/lib\/admit yet\. `admit apply` and `admit confirm`/)
    assert.equal(await tableIn(machine), undefined)
  })

  test('that are damaged are written anew by an apply', async () => {
    const machine = await applied()
    const text = machine.files.get(RULES_PATH)
    machine.files.set(RULES_PATH, 'something else\n')
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.no)
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.done, ran.err)
    await confirm(machine)
    assert.equal(machine.files.get(RULES_PATH), text)
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })
})

describe('the policy', () => {
  test('that fails its own tests keeps apply from changing anything: exit 3', async () => {
    const machine = machineWith(POLICY.replace('stranger, refuse', 'stranger, accept'))
    assert.equal((await runAdmit(machine, ['apply'])).exit, EXIT.unsafe)
    assert.equal(await tableIn(machine), undefined)
    assert.equal(machine.transactions, 0)
    assert.equal((await runAdmit(machine, ['plan'])).exit, EXIT.unsafe)
  })
})

describe('the kernel', () => {
  test('that refuses: exit 4, and no journal is left', async () => {
    const machine = machineWith(POLICY, { kernel: refusing(NOT_PERMITTED, 'apply') })
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.system)
    assert.match(ran.err, /takes root\nNothing was changed/)
    assert.equal(machine.files.has(RULES_PATH), false)
    assert.equal(expectOk(await journalOf(machine).state(), 'state').kind, 'idle')
  })

  test('that cannot be read: exit 4 everywhere', async () => {
    const machine = await applied()
    machine.kernel = refusing(NOT_PERMITTED, 'all')
    for (const args of [['plan'], ['status'], ...CHANGES]) {
      assert.equal((await runAdmit(machine, args)).exit, EXIT.system, args.join(' '))
    }
  })

  test('that holds something else than it was given: all is as before, exit 4', async () => {
    const machine = machineWith(POLICY, { kernel: forgetful() })
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.system)
    assert.match(
      ran.err,
      /what it held was not what was asked for .*The previous rules are back, as they were\./,
    )
    assert.equal(machine.files.has(RULES_PATH), false)
    assert.equal(documentOf(await runAdmit(machine, ['apply', '--json']))['result'], 'reverted')
  })

  test('that holds half of it, and goes back when asked to: exit 4', async () => {
    const machine = await applied()
    const before = (await tableIn(machine)) ?? assert.fail('no table')
    const kernel = machine.kernel
    let changes = 0
    machine.kernel = kernelLike(kernel, {
      apply: (transaction) =>
        ++changes === 1
          ? kernel.apply({ ...transaction, operations: transaction.operations.slice(0, 1) })
          : kernel.apply(transaction),
    })
    machine.files.set(POLICY_PATH, POLICY.replace('203.0.113.7', '203.0.113.8'))
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.system)
    assert.match(ran.err, /The previous rules are back, as they were/)
    assert.ok(sameTable(before, (await tableIn(machine)) ?? assert.fail('gone')))
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })

  test('that takes the change, cannot be read back, and does not go back: exit 5, and what to look at', async () => {
    const kernel = new FakeKernel()
    let reads = 0
    const blind: KernelError = { kind: 'unavailable', message: 'nft vanished' }
    let changes = 0
    const machine = machineWith(POLICY, {
      kernel: kernelLike(kernel, {
        // Looked at by plan, then by the transaction before the change; from then on it is blind and deaf.
        observe: (table) => (++reads <= 2 ? kernel.observe(table) : Promise.resolve(fail(blind))),
        apply: (transaction) => (++changes === 1 ? kernel.apply(transaction) : Promise.resolve(fail(blind))),
      }),
    })
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.repair)
    assert.match(
      ran.err,
      /could not be read back \(nft vanished\)\. The previous rules could not be brought back either/,
    )
    assert.match(ran.err, /nft list table inet admit/)
    const json = documentOf(await runAdmit(machineWith(POLICY, { kernel: blinded() }), ['apply', '--json']))
    assert.deepEqual([json['result'], json['outcome']], ['reverted', 'failed'])
  })

  test('that does not answer in time: an apply where it has the rules, none where it has not', async () => {
    const late: KernelError = { kind: 'timed-out', message: 'nft did not answer in time' }
    const machine = machineWith(POLICY, { kernel: refusing(late, 'apply') })
    const no = await runAdmit(machine, ['apply'])
    assert.equal(no.exit, EXIT.system)
    assert.match(no.err, /nft did not answer in time\nNothing was changed/)
    const fake = new FakeKernel()
    machine.kernel = kernelLike(fake, {
      apply: async (transaction) => {
        await fake.apply(transaction)
        return fail(late)
      },
    })
    await confirmed(machine, 'apply')
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })

  test('that somebody else changes between the look and the journal: refused, exit 4', async () => {
    const machine = await applied()
    const kernel = machine.kernel
    let looks = 0
    machine.kernel = kernelLike(kernel, {
      observe: (table) => (++looks === 2 ? Promise.resolve(ok(undefined)) : kernel.observe(table)),
    })
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const before = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.system)
    assert.match(
      ran.err,
      /somebody else changed `table inet admit` just now; try again\. Nothing was changed/,
    )
    assert.equal(expectOk(await kernel.observe(ADMIT_TABLE), 'observe'), before)
    assert.equal(expectOk(await journalOf(machine).state(), 'state').kind, 'idle')
  })

  test('whose undo at a rollback does not load: exit 5', async () => {
    const machine = await pending()
    machine.kernel = refusing(NOT_PERMITTED, 'apply', [(await tableIn(machine)) ?? assert.fail('no table')])
    const ran = await runAdmit(machine, ['rollback'])
    assert.equal(ran.exit, EXIT.repair)
    assert.match(ran.err, /no rules could be loaded at all\. Look at `nft list table inet admit`/)
  })
})

describe('the state folder', () => {
  test('that cannot be written: exit 4, and nothing was changed', async () => {
    for (const args of CHANGES) {
      const machine = await applied()
      if (args[0] === 'start' || args[0] === 'reload') {
        machine.kernel = new FakeKernel()
      }
      const before = await tableIn(machine)
      machine.files.set(POLICY_PATH, OTHER_POLICY)
      machine.writable = false
      const ran = await runAdmit(machine, args)
      assert.equal(ran.exit, EXIT.system, args.join(' '))
      assert.match(ran.err, /the state folder cannot be written\nNothing was changed\.\n$/)
      assert.equal(await tableIn(machine), before)
      assert.equal(documentOf(await runAdmit(machine, [...args, '--json']))['result'], 'no-state')
    }
  })

  test('that is full when it is to be confirmed: still pending, and undone in time', async () => {
    const machine = await pending()
    machine.writable = false
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.system)
    assert.equal(expectOk(await journalOf(machine).state(), 'state').kind, 'pending')
  })

  test('that is full when it is to be completed: exit 5, and the next command completes it', async () => {
    for (const how of [
      ['confirm', '--here'],
      ['apply', '--no-confirm'],
    ]) {
      const machine = how[0] === 'confirm' ? await pending() : await applied()
      machine.files.set(POLICY_PATH, OTHER_POLICY)
      const journal = journalOf(machine)
      journal.completable = false
      const ran = await runAdmit(machine, how)
      assert.equal(ran.exit, EXIT.repair, ran.err)
      assert.match(
        ran.err,
        /could not be stored for the next boot: [^]*Make room, then type any admit command/,
      )
      journal.completable = true
      const status = await runAdmit(machine, ['status'])
      assert.equal(status.exit, EXIT.done, status.err)
    }
  })

  test('whose watchdog does not start: exit 4, and nothing was changed', async () => {
    const machine = await applied()
    const before = await tableIn(machine)
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    journalOf(machine).armable = false
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.system)
    assert.match(ran.err, /the watchdog did not start\nNothing was changed/)
    assert.equal(await tableIn(machine), before)
    assert.equal(expectOk(await journalOf(machine).state(), 'state').kind, 'idle')
  })

  test('where another admit was quicker: exit 3, with who', async () => {
    const machine = await applied()
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const kernel = machine.kernel
    let looks = 0
    machine.kernel = kernelLike(kernel, {
      observe: async (table) => {
        // After the look whether something is pending, and before the journal is published.
        if (++looks === 1) await rival(machine, kernel)
        return kernel.observe(table)
      },
    })
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /another admit was quicker, and its change is pending: stop by mallory/)
    assert.match(ran.err, /Nothing was changed\.\n$/)
  })
})

describe('a table that cannot be read', () => {
  const unreadable: KernelError = { kind: 'unreadable', message: 'line 7 is not admit’s' }

  test('is removed by stop only with --no-confirm: there is no undo of it', async () => {
    for (const command of ['stop', 'flush']) {
      const machine = await applied()
      const kernel = machine.kernel
      machine.kernel = kernelLike(kernel, { observe: () => Promise.resolve(fail(unreadable)) })
      const refused = await runAdmit(machine, [command, '--open'])
      assert.equal(refused.exit, EXIT.unsafe)
      assert.match(
        refused.err,
        /this could not be undone\.\nIf that is what you want: admit (stop|flush) --open --no-confirm/,
      )
      assert.equal(
        documentOf(await runAdmit(machine, [command, '--open', '--json']))['needs'],
        '--no-confirm',
      )
      assert.notEqual(expectOk(await kernel.observe(ADMIT_TABLE), 'observe'), undefined)
      const done = await runAdmit(machine, [command, '--open', '--no-confirm'])
      assert.equal(done.exit, EXIT.done)
      assert.equal(expectOk(await kernel.observe(ADMIT_TABLE), 'observe'), undefined)
    }
  })

  test('is left alone by all else: exit 4', async () => {
    for (const args of [['plan'], ['apply'], ['start'], ['reload'], ['status'], ['save']]) {
      const machine = await applied()
      machine.kernel = kernelLike(machine.kernel, { observe: () => Promise.resolve(fail(unreadable)) })
      assert.equal((await runAdmit(machine, args)).exit, EXIT.system, args.join(' '))
    }
  })
})

/** Takes the first change, and is blind and deaf from then on. */
function blinded(): Kernel {
  const kernel = new FakeKernel()
  const no = { kind: 'unavailable', message: 'nft vanished' } as const
  let changed = false
  return kernelLike(kernel, {
    observe: (table) => (changed ? Promise.resolve(fail(no)) : kernel.observe(table)),
    apply: (transaction) => {
      if (changed) return Promise.resolve(fail(no))
      changed = true
      return kernel.apply(transaction)
    },
  })
}

/** Another admit makes its journal the pending one. */
async function rival(machine: Parameters<typeof journalOf>[0], kernel: Kernel): Promise<void> {
  const journal = journalOf(machine)
  const previous: Table | undefined = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
  const entry = {
    id: 'rival',
    kind: 'stop',
    by: 'mallory',
    from: 'a console',
    started: await journal.moment(),
    window: 60,
    tokenHash: 'none',
    unguarded: [],
    keeps: false,
    connections: [],
  } as const
  const files = { previous, candidate: undefined, rescue: undefined, policy: undefined }
  expectOk(await journal.write(entry, files), 'write')
  expectOk(await journal.publish('rival'), 'publish')
}

/** An undo that does not go as it should: what is said, by whichever command, and what comes next. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fail } from '../src/base/result.ts'
import { EXIT } from '../src/cli/exit-code.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import {
  applied,
  confirm,
  documentOf,
  kernelLike,
  NOT_PERMITTED,
  OTHER_POLICY,
  pass,
  POLICY_PATH,
  refusing,
  tableIn,
} from './support/cli-machine.ts'
import { expectOk } from './support/expect-ok.ts'
import type { FakeMachine, Ran } from './support/fake-system.ts'
import { journalOf, runAdmit } from './support/fake-system.ts'

/** The kernel that the journal's undo works on refuses so many changes, then takes them again. */
function refuseChanges(machine: FakeMachine, count: number): void {
  const kernel = machine.kernel
  let left = count
  machine.kernel = kernelLike(kernel, {
    apply: (transaction) => (left-- > 0 ? Promise.resolve(fail(NOT_PERMITTED)) : kernel.apply(transaction)),
  })
}

/** Nothing can be loaded until the kernel that this gives is put back. */
function breakKernel(machine: FakeMachine): Kernel {
  const { kernel } = machine
  machine.kernel = refusing(NOT_PERMITTED, 'all')
  return kernel
}

/** A change is pending; `before` is what was confirmed. */
async function pendingOn(): Promise<{ readonly machine: FakeMachine; readonly before: Table }> {
  const machine = await applied()
  const before = (await tableIn(machine)) ?? assert.fail('no table')
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  assert.equal((await runAdmit(machine, ['apply'])).exit, EXIT.done)
  return { machine, before }
}

/** Applies at a terminal; `meanwhile` is called once, at the first wait. */
async function countedDown(
  machine: FakeMachine,
  meanwhile: (machine: FakeMachine) => Promise<void> | void,
): Promise<Ran> {
  machine.interactive = true
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  machine.onSleep = async () => {
    machine.onSleep = undefined
    await meanwhile(machine)
  }
  const ran = await runAdmit(machine, ['apply'], { terminal: true })
  machine.interactive = false
  return ran
}

async function isBack(machine: FakeMachine, before: Table): Promise<boolean> {
  return sameTable(before, (await tableIn(machine)) ?? assert.fail('no table'))
}

async function stateOf(machine: FakeMachine): Promise<string> {
  return expectOk(await journalOf(machine).state(), 'state').kind
}

const AGAIN =
  /The next admit command tries again, and so does the boot\. To give the previous rules up: rm -r \/var\/lib\/admit\/undoing/

describe('an undo that could load nothing', { timeout: 60_000 }, () => {
  test('status tries again, says that it failed again and what to do: exit 5; then it is done', async () => {
    const { machine, before } = await pendingOn()
    const kernel = breakKernel(machine)
    await pass(machine, 60)
    assert.equal(await stateOf(machine), 'undoing')
    // The command sees the rules; it is the undo that cannot load any.
    machine.kernel = kernelLike(kernel, { apply: () => Promise.resolve(fail(NOT_PERMITTED)) })
    const status = await runAdmit(machine, ['status'])
    assert.equal(status.exit, EXIT.repair)
    assert.match(status.out, /^pending +the previous rules could not be brought back, nor any others\./m)
    assert.match(status.out, AGAIN)
    assert.match(status.out, /^last +The undo at 08:01:00Z \(it was left over\) could load no rules at all$/m)
    assert.match(String(documentOf(await runAdmit(machine, ['status', '--json']))['journalProblem']), AGAIN)
    machine.kernel = kernel
    const again = await runAdmit(machine, ['status'])
    assert.equal(again.exit, EXIT.done, again.err)
    assert.match(again.err, /an undo had failed; it is done now, and the previous rules are in force/)
    assert.ok(await isBack(machine, before))
  })

  test('every command that changes tries again first, and is refused with exit 5 until it is done', async () => {
    for (const args of [
      ['apply'],
      ['reload'],
      ['stop', '--open'],
      ['rollback'],
      ['save', 'x'],
      ['confirm', '--here'],
    ]) {
      const { machine, before } = await pendingOn()
      const kernel = breakKernel(machine)
      await pass(machine, 60)
      machine.kernel = kernelLike(kernel, { apply: () => Promise.resolve(fail(NOT_PERMITTED)) })
      const ran = await runAdmit(machine, args)
      assert.equal(ran.exit, EXIT.repair, `${args.join(' ')}: ${ran.err}`)
      assert.match(ran.err, AGAIN)
      assert.doesNotMatch(ran.err, /Nothing was changed/)
      assert.equal(documentOf(await runAdmit(machine, [...args, '--json']))['result'], 'repair-needed')
      machine.kernel = kernel
      const then = await runAdmit(machine, args)
      assert.match(then.err, /an undo had failed; it is done now/)
      await journalOf(machine).undo('asked')
      if (args[0] !== 'rollback') assert.ok(await isBack(machine, before), args.join(' '))
    }
  })

  test('the boot ends it: its kernel is empty, and the confirmed rules are loaded', async () => {
    const { machine, before } = await pendingOn()
    const kernel = breakKernel(machine)
    await pass(machine, 60)
    machine.kernel = kernel
    await journalOf(machine).reboot()
    assert.equal(await stateOf(machine), 'idle')
    assert.ok(await isBack(machine, before))
  })

  test('rollback says so, with exit 5, and a second one is done', async () => {
    const { machine, before } = await pendingOn()
    const kernel = breakKernel(machine)
    const failed = await runAdmit({ ...machine, kernel }, ['rollback'])
    assert.equal(failed.exit, EXIT.repair)
    assert.match(failed.err, /^admit: no rules could be loaded at all\. Look at/)
    assert.match(failed.err, AGAIN)
    machine.kernel = kernel
    await runAdmit(machine, ['status'])
    assert.ok(await isBack(machine, before))
  })

  test('ends the countdown, by Ctrl-C and by the clock: exit 5', async () => {
    for (const end of ['Ctrl-C', 'the clock']) {
      const machine = await applied()
      const kernel = machine.kernel
      const ran = await countedDown(machine, () => {
        breakKernel(machine)
        if (end === 'Ctrl-C') machine.interrupt?.()
      })
      machine.kernel = kernel
      assert.equal(ran.exit, EXIT.repair)
      assert.match(
        ran.err,
        /The undo at 08:0\d:\d\dZ \((as asked|nobody confirmed in time)\) could load no rules at all\./,
      )
      assert.match(ran.err, AGAIN)
    }
  })
})

describe('an undo whose journal cannot be removed', { timeout: 60_000 }, () => {
  const FOLLOWS =
    /The record of the change could not be removed from \/var\/lib\/admit: look at the disk\. Until it is, .* every other one is refused; the next admit command tries again, and so does the boot/

  test('rollback does not call it done: exit 5; other changes are refused until it is cleared', async () => {
    const { machine, before } = await pendingOn()
    journalOf(machine).clearable = false
    const ran = await runAdmit(machine, ['rollback'])
    assert.equal(ran.exit, EXIT.repair)
    assert.match(ran.err, /undone: the rules from before the change are in force\.\n/)
    assert.match(ran.err, FOLLOWS)
    assert.ok(await isBack(machine, before))
    const apply = await runAdmit(machine, ['apply'])
    assert.equal(apply.exit, EXIT.system)
    assert.match(apply.err, /^admit: the previous rules are back\. The record/)
    const status = await runAdmit(machine, ['status'])
    assert.equal(status.exit, EXIT.no)
    assert.match(status.out, FOLLOWS)
    journalOf(machine).clearable = true
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    assert.equal((await runAdmit(machine, ['apply'])).exit, EXIT.done)
  })

  test('the countdown and an apply that is taken back say so, too', async () => {
    const machine = await applied()
    journalOf(machine).clearable = false
    const counted = await countedDown(machine, () => machine.interrupt?.())
    assert.equal(counted.exit, EXIT.repair)
    assert.match(counted.err, /Undone: the previous rules are in force\.\n/)
    assert.match(counted.err, FOLLOWS)
    const other = await applied()
    journalOf(other).clearable = false
    const reverted = await takenBack(other)
    assert.equal(reverted.exit, EXIT.system)
    assert.match(reverted.err, /The previous rules are back, as they were\.\n/)
    assert.match(reverted.err, FOLLOWS)
  })
})

/** The kernel takes half of what it is asked for, and the apply goes back; `undoing` is called before it does. */
async function takenBack(
  machine: FakeMachine,
  undoing: () => Promise<void> | void = () => {},
  ...args: readonly string[]
): Promise<Ran> {
  const { kernel } = machine
  machine.files.set(POLICY_PATH, OTHER_POLICY.replace('[office, guest], to: [ssh, ping]', 'office, to: ssh'))
  const half = kernelLike(kernel, {
    apply: (transaction) => kernel.apply({ ...transaction, operations: transaction.operations.slice(0, 1) }),
  })
  machine.onStep = async (step) => {
    if (step === 'undo') await undoing()
  }
  const journals = machine.journals
  // The journal's undo goes to the kernel itself.
  const ran = await runAdmit({ ...machine, kernel: half, journals }, ['apply', ...args])
  machine.onStep = undefined
  return ran
}

const LAST_RESORTS = [
  // The previous rules are refused.
  [1, /the admins-only rules are in force: admins reach SSH, nobody else reaches anything/],
  // So are the admins-only rules of this change and those of the last.
  [3, /the rules last confirmed are in force/],
] as const

describe('an undo that needs the last resort says which it was', { timeout: 60_000 }, () => {
  for (const [refused, words] of LAST_RESORTS) {
    test(`rollback, status and the next command, after ${refused} refused`, async () => {
      const { machine } = await pendingOn()
      const { kernel } = machine
      refuseChanges(machine, refused)
      const ran = await runAdmit({ ...machine, kernel }, ['rollback'])
      machine.kernel = kernel
      assert.equal(ran.exit, EXIT.repair)
      assert.match(ran.err, words)
      const status = await runAdmit(machine, ['status'])
      assert.match(/^last.*/m.exec(status.out)?.[0] ?? '', words)
      const json = documentOf(await runAdmit(machine, ['status', '--json']))
      assert.equal(
        (json['last'] as { lastResort?: unknown }).lastResort,
        refused === 1 ? 'admins-only' : 'confirmed',
      )
    })

    test(`the countdown, after ${refused} refused`, async () => {
      const machine = await applied()
      const { kernel } = machine
      const ran = await countedDown(machine, () => {
        refuseChanges(machine, refused)
        machine.interrupt?.()
      })
      machine.kernel = kernel
      assert.equal(ran.exit, EXIT.repair)
      assert.match(ran.err, words)
    })

    test(`an apply that is taken back, after ${refused} refused`, async () => {
      const machine = await applied()
      const ran = await takenBack(machine, () => refuseChanges(machine, refused))
      assert.equal(ran.exit, EXIT.repair)
      assert.match(ran.err, words)
    })

    test(`the next command that finds the time over, after ${refused} refused`, async () => {
      const { machine } = await pendingOn()
      const { kernel } = machine
      journalOf(machine).killWatchdog()
      machine.now += 61
      refuseChanges(machine, refused)
      const ran = await runAdmit({ ...machine, kernel }, ['status'])
      assert.match(ran.err, words)
    })
  }
})

describe('a change that somebody else ended first', () => {
  test('undone: says so, with how', async () => {
    const machine = await applied()
    const ran = await takenBack(machine, async () => {
      await journalOf(machine).undo('asked')
    })
    assert.equal(ran.exit, EXIT.system)
    assert.match(
      ran.err,
      /Somebody else has ended it first\. Undone at 08:00:00Z, as asked: the previous rules are in force\./,
    )
    assert.equal(documentOf(await takenBackAgain(machine))['outcome'], 'nothing')
  })

  test('confirmed by another session, where --no-confirm comes too late: that is what is told', async () => {
    for (const json of [false, true]) {
      const machine = await applied()
      machine.files.set(POLICY_PATH, OTHER_POLICY)
      machine.onStep = async (step) => {
        if (step !== 'claim') return
        machine.onStep = undefined
        await confirm(machine)
      }
      const ran = await runAdmit(machine, ['apply', '--no-confirm', ...(json ? ['--json'] : [])])
      assert.equal(ran.exit, EXIT.done, ran.err)
      assert.doesNotMatch(ran.err, /previous rules|undone/)
      if (json) assert.equal(documentOf(ran)['confirmation'], 'by-another')
      else assert.match(ran.out, /^Confirmed by root \(alice\): these rules stay/m)
      assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    }
  })

  test('ended by nobody knows whom, and not to be taken back: exit 5, and where to look', async () => {
    const machine = await applied()
    const ran = await takenBack(machine, async () => {
      const journal = journalOf(machine)
      const state = expectOk(await journal.state(), 'state')
      if (state.kind === 'pending') await journal.withdraw(state.entry.id)
    })
    assert.equal(ran.exit, EXIT.repair)
    assert.match(
      ran.err,
      /could not be brought back either\.\nLook at .*; `admit reload` loads the rules last confirmed/,
    )
  })
})

async function takenBackAgain(machine: FakeMachine): Promise<Ran> {
  return takenBack(
    machine,
    async () => {
      await journalOf(machine).undo('asked')
    },
    '--json',
  )
}

/** Keeping a pending change or going back: confirm, rollback, the countdown. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfirmRefusal } from '../src/apply/confirm.ts'
import { EXIT } from '../src/cli/exit-code.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import type { CallerPath } from '../src/host/caller.ts'
import { connectionKey } from '../src/host/connection-key.ts'
import type { SshConnection } from '../src/host/host-facts.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import {
  applied,
  documentOf,
  machineWith,
  meddle,
  NOT_PERMITTED,
  OTHER_POLICY,
  POLICY,
  POLICY_PATH,
  pass,
  pending,
  refusing,
  RULES_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { expectOk } from './support/expect-ok.ts'
import type { FakeMachine, Ran } from './support/fake-system.ts'
import { FAKE_TOKEN, journalOf, runAdmit } from './support/fake-system.ts'
import { interfaceNamed, ip } from './support/sample-host.ts'

/** This machine has no boot unit. */
const STAYS =
  'these rules stay, but not over a reboot (the boot unit is not installed): `script/install` sees to that.'
const WRONG_TOKEN = 'zzzz-zzzz-zzzz'

function ssh(
  remote: string,
  port: number,
  on = 'eth0',
  local = '192.0.2.1',
): Extract<CallerPath, { kind: 'ssh' }> {
  const connection: SshConnection = {
    local: { address: ip(local), port: 22 },
    remote: { address: ip(remote), port },
    interface: interfaceNamed(on),
  }
  return { kind: 'ssh', connection }
}

const OLD = ssh('203.0.113.7', 50_000)
const NEW = ssh('203.0.113.7', 50_001)

function keyOf({ connection }: Extract<CallerPath, { kind: 'ssh' }>): string {
  return connectionKey(connection.local, connection.remote)
}

/** Pending since an apply that was typed over the old connection. */
async function pendingOverSsh(policy = OTHER_POLICY): Promise<FakeMachine> {
  const machine = await applied()
  machine.path = OLD
  machine.connections = [keyOf(OLD)]
  machine.files.set(POLICY_PATH, policy)
  assert.equal((await runAdmit(machine, ['apply'])).exit, EXIT.done)
  return machine
}

async function stateOf(machine: FakeMachine): Promise<string> {
  return expectOk(await journalOf(machine).state(), 'state').kind
}

async function lastHow(machine: FakeMachine): Promise<string | undefined> {
  return expectOk(await journalOf(machine).points(), 'points').at(-1)?.how
}

describe('confirm, from where', () => {
  interface Way {
    readonly name: string
    readonly path: CallerPath
    readonly args?: readonly string[]
    readonly refused?: ConfirmRefusal
    readonly says?: RegExp
  }
  const WAYS: readonly Way[] = [
    { name: 'a new SSH connection', path: NEW },
    { name: 'one of IPv6', path: ssh('2001:db8::7', 50_001, 'eth0', '2001:db8::1') },
    { name: 'a new one, with the token too', path: NEW, args: [FAKE_TOKEN] },
    {
      name: 'the same connection',
      path: OLD,
      refused: 'old-connection',
      says: /is older than the new rules/,
    },
    { name: 'the same connection, with the token', path: OLD, args: [FAKE_TOKEN], refused: 'old-connection' },
    {
      name: 'a new one, with a wrong token',
      path: NEW,
      args: [WRONG_TOKEN],
      refused: 'wrong-token',
      says: /not the token of the change/,
    },
    {
      name: 'this host itself',
      path: ssh('192.0.2.1', 50_001, 'lo'),
      refused: 'own-address',
      says: /its packets go over lo/,
    },
    {
      name: 'its loopback address',
      path: ssh('127.0.0.1', 50_001, 'lo', '127.0.0.1'),
      refused: 'own-address',
    },
    {
      name: 'a tmux window',
      path: { kind: 'multiplexer', program: 'tmux' },
      refused: 'multiplexer',
      says: /Confirm outside of tmux/,
    },
    {
      name: 'a screen window, with the token',
      path: { kind: 'multiplexer', program: 'screen' },
      args: [FAKE_TOKEN],
      refused: 'multiplexer',
    },
    {
      name: 'an SSH that is not seen',
      path: { kind: 'ssh-unseen' },
      refused: 'ssh-unseen',
      says: /are you root/,
    },
    { name: 'a console', path: { kind: 'unknown' }, refused: 'no-path', says: /admit confirm --here/ },
    {
      name: '--here over the old connection',
      path: OLD,
      args: ['--here'],
      refused: 'not-a-console',
      says: /--here is for the console/,
    },
    {
      name: '--here over a new one',
      path: NEW,
      args: ['--here'],
      refused: 'not-a-console',
      says: /type `admit confirm`/,
    },
    {
      name: '--here over an SSH that is not seen',
      path: { kind: 'ssh-unseen' },
      args: ['--here'],
      refused: 'not-a-console',
    },
    {
      name: '--here in tmux',
      path: { kind: 'multiplexer', program: 'tmux' },
      args: ['--here'],
      refused: 'multiplexer',
    },
  ]
  for (const { name, path, args = [], refused, says = /./ } of WAYS) {
    test(`${name}: ${refused === undefined ? 'confirmed' : `refused, ${refused}`}`, async () => {
      const machine = await pendingOverSsh()
      machine.path = path
      const ran = await runAdmit(machine, ['confirm', ...args])
      if (refused === undefined) {
        assert.equal(ran.exit, EXIT.done, ran.err)
        assert.equal(ran.out, `Confirmed: ${STAYS}\n`)
        assert.equal(await lastHow(machine), 'connection')
        assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
        return
      }
      assert.equal(ran.exit, EXIT.unsafe)
      assert.match(ran.err, /^admit: not confirmed\. /)
      assert.match(ran.err, says)
      // Whatever is wrong, what to type stands there: over a connection that no multiplexing reuses.
      assert.match(
        ran.err,
        /^ {2}ssh -t -o ControlMaster=no -o ControlPath=none -p 22 alice@192\.0\.2\.1 sudo admit confirm$|type `admit confirm`/m,
      )
      assert.equal(documentOf(await runAdmit(machine, ['confirm', ...args, '--json']))['because'], refused)
      assert.equal(await stateOf(machine), 'pending')
      await pass(machine, 60)
      assert.equal(await stateOf(machine), 'idle')
    })
  }

  test('a connection of before the read-back proves nothing, though it was not there at the start', async () => {
    const machine = await applied()
    machine.path = OLD
    machine.connections = [keyOf(OLD)]
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const dialled = keyOf(NEW)
    machine.onStep = (step) => {
      if (step === 'change') machine.connections = [keyOf(OLD), dialled]
    }
    await runAdmit(machine, ['apply'])
    machine.path = NEW
    const ran = await runAdmit(machine, ['confirm'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /is older than the new rules/)
  })

  test('an interface that is unguarded proves nothing', async () => {
    const machine = await pendingOverSsh(`${OTHER_POLICY}host: { unguarded: wg0 }\n`)
    machine.path = ssh('203.0.113.7', 50_001, 'wg0')
    const ran = await runAdmit(machine, ['confirm'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /arrives on wg0, which the policy names as unguarded/)
    machine.path = NEW
    assert.equal((await runAdmit(machine, ['confirm'])).exit, EXIT.done)
  })

  test('another way than SSH, with the token: recorded as that', async () => {
    for (const path of [{ kind: 'unknown' }, { kind: 'ssh-unseen' }] as const) {
      for (const typed of [FAKE_TOKEN, FAKE_TOKEN.toUpperCase(), FAKE_TOKEN.replaceAll('-', '')]) {
        const machine = await pendingOverSsh()
        machine.path = path
        const wrong = await runAdmit(machine, ['confirm', WRONG_TOKEN])
        assert.equal(wrong.exit, EXIT.unsafe)
        const ran = await runAdmit(machine, ['confirm', typed])
        assert.equal(ran.exit, EXIT.done, ran.err)
        assert.match(ran.out, /Recorded as confirmed by its token\./)
        assert.equal(await lastHow(machine), 'token')
      }
    }
  })

  test('- reads the token from standard input, and a wrong one there is refused', async () => {
    const machine = await pending()
    for (const typed of ['', WRONG_TOKEN, 'x'.repeat(1000), FAKE_TOKEN.slice(1)]) {
      machine.typed = typed
      assert.equal((await runAdmit(machine, ['confirm', '-'])).exit, EXIT.unsafe)
      assert.equal((await runAdmit(machine, ['confirm', '-', '--here'])).exit, EXIT.unsafe)
    }
    machine.typed = FAKE_TOKEN
    assert.equal((await runAdmit(machine, ['confirm', '-'])).exit, EXIT.done)
    assert.equal(await lastHow(machine), 'token')
  })

  test('a console, with --here: recorded as that', async () => {
    const machine = await pending()
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /Recorded as confirmed by hand, from a console\./)
    assert.equal(await lastHow(machine), 'console')
    assert.equal(documentOf(await runAdmit(machine, ['history', '--json']))['result'], 'listed')
  })
})

describe('confirm, when', () => {
  test('nothing is pending: exit 1, and how the last change ended', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.no)
    assert.equal(ran.err, 'admit: there is nothing to confirm.\n')
    const machine = await pending()
    await pass(machine, 60)
    const late = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(late.exit, EXIT.no)
    assert.match(late.err, /nothing to confirm\. Undone at 08:01:00Z, nobody confirmed in time/)
    assert.equal(documentOf(await runAdmit(machine, ['confirm', '--json']))['result'], 'nothing-pending')
  })

  test('the undo was quicker by a moment: exit 1, too late', async () => {
    const machine = await pending()
    machine.onStep = async (step) => {
      if (step === 'confirm-claim') await pass(machine, 60)
    }
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(
      ran.err,
      /too late: somebody else has ended the change\. Undone at 08:01:00Z, nobody confirmed in time/,
    )
    assert.equal(await stateOf(machine), 'idle')
  })

  test('another confirmation was quicker by a moment: exit 1, and who it was', async () => {
    const machine = await pending()
    const journal = journalOf(machine)
    machine.onStep = async (step) => {
      if (step !== 'confirm-claim') return
      const state = expectOk(await journal.state(), 'state')
      assert.ok(state.kind === 'pending')
      const proof = { by: 'carol', from: 'a console', how: 'console', at: await journal.moment() } as const
      assert.equal(expectOk(await journal.claim(state.entry.id, proof), 'claim'), 'claimed')
    }
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(
      ran.err,
      /too late: somebody else has ended the change\. Confirmed at 08:00:00Z by carol\.\n$/,
    )
    assert.equal(await stateOf(machine), 'idle')
    assert.equal(expectOk(await journal.points(), 'points').at(-1)?.confirmedBy, 'carol')
  })

  test('the rules were changed by another hand since: not confirmed', async () => {
    const machine = await pending()
    const before = machine.files.get(RULES_PATH)
    await meddle(machine)
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /somebody has changed `table inet admit` since the apply/)
    assert.equal(documentOf(await runAdmit(machine, ['confirm', '--here', '--json']))['result'], 'drifted')
    assert.equal(machine.files.get(RULES_PATH), before)
    assert.equal(await stateOf(machine), 'pending')
    machine.kernel = new FakeKernel()
    assert.equal((await runAdmit(machine, ['confirm', '--here'])).exit, EXIT.unsafe)
  })

  test('the kernel cannot be read: exit 4', async () => {
    const machine = await pending()
    machine.kernel = refusing(NOT_PERMITTED, 'all')
    assert.equal((await runAdmit(machine, ['confirm', '--here'])).exit, EXIT.system)
    assert.equal(await stateOf(machine), 'pending')
  })

  test('the rules are just being made: too early', async () => {
    const machine = await applied()
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const early: Ran[] = []
    machine.onStep = async (step) => {
      if (step === 'open-window') early.push(await runAdmit(machine, ['confirm', '--here']))
    }
    assert.equal((await runAdmit(machine, ['apply'])).exit, EXIT.done)
    assert.equal(early[0]?.exit, EXIT.unsafe)
    assert.match(early[0]?.err ?? '', /the rules are just being made; try again in a moment/)
    assert.equal((await runAdmit(machine, ['confirm', '--here'])).exit, EXIT.done)
  })

  test('twice: the second has nothing to confirm', async () => {
    const machine = await pending()
    assert.equal((await runAdmit(machine, ['confirm', '--here'])).exit, EXIT.done)
    assert.equal((await runAdmit(machine, ['confirm', '--here'])).exit, EXIT.no)
  })

  test('what stop removed and confirm kept boots still, and it does not claim otherwise', async () => {
    const machine = await applied()
    const stored = machine.files.get(RULES_PATH)
    await runAdmit(machine, ['stop', '--open'])
    const ran = await runAdmit(machine, ['confirm', '--here'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^Confirmed: admit's rules stay away until `admit start`\.\n/)
    assert.equal(machine.files.get(RULES_PATH), stored)
  })
})

describe('rollback of what is pending', () => {
  test('undoes it at once', async () => {
    const machine = await applied()
    const before = (await tableIn(machine)) ?? assert.fail('no table')
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await runAdmit(machine, ['apply'])
    const ran = await runAdmit(machine, ['rollback'])
    assert.equal(ran.exit, EXIT.done)
    assert.equal(ran.out, 'Undone: the rules from before the change are in force.\n')
    assert.ok(sameTable(before, (await tableIn(machine)) ?? assert.fail('gone')))
    assert.match((await runAdmit(machine, ['status'])).out, /Undone at 08:00:00Z, as asked/)
  })

  test('of the first apply leaves no table', async () => {
    const machine = machineWith(POLICY)
    await runAdmit(machine, ['apply'])
    assert.equal((await runAdmit(machine, ['rollback'])).exit, EXIT.done)
    assert.equal(await tableIn(machine), undefined)
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.no)
  })

  test('that has just ended by itself: exit 1', async () => {
    const machine = await pending()
    machine.onStep = async (step) => {
      if (step === 'rollback-undo') await pass(machine, 60)
    }
    const ran = await runAdmit(machine, ['rollback'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(
      ran.err,
      /somebody else has just ended the change\. Undone at 08:01:00Z, nobody confirmed in time/,
    )
  })
})

describe('the countdown at a terminal', () => {
  /** Applies there; `meanwhile` is called each time it waits. */
  async function counted(meanwhile: (machine: FakeMachine, waits: number) => Promise<void> | void) {
    const machine = await applied()
    machine.interactive = true
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const before = (await tableIn(machine)) ?? assert.fail('no table')
    let waits = 0
    machine.onSleep = () => meanwhile(machine, ++waits)
    const ran = await runAdmit(machine, ['apply'], { terminal: true })
    machine.onSleep = undefined
    const after = (await tableIn(machine)) ?? assert.fail('gone')
    return { machine, ran, waits, back: sameTable(before, after) }
  }

  test('ends when it is confirmed elsewhere: exit 0', async () => {
    const { ran, back, waits } = await counted(async (machine, n) => {
      if (n === 10)
        assert.equal((await runAdmit({ ...machine, interactive: false }, ['confirm', '--here'])).exit, 0)
    })
    assert.equal(ran.exit, EXIT.done)
    assert.equal(waits, 10)
    assert.equal(back, false)
    assert.match(ran.err, /\r60 s left to confirm; Ctrl-C undoes now/)
    assert.match(ran.err, /\r59 s left to confirm/)
    assert.ok(ran.out.endsWith(`\nConfirmed by root (alice): ${STAYS}\n`), ran.out)
  })

  test('Ctrl-C undoes now: exit 3', async () => {
    const { machine, ran, back, waits } = await counted((machine, n) => {
      if (n === 3) machine.interrupt?.()
    })
    assert.equal(ran.exit, EXIT.unsafe)
    assert.equal(waits, 3)
    assert.ok(back)
    assert.match(ran.err, /Undoing now\.\n[^]*Undone at 08:00:00Z, as asked: the previous rules are in force/)
    assert.equal(machine.interrupt, undefined, 'Ctrl-C is as before')
  })

  test('the deadline: exit 3, and what to do', async () => {
    const { ran, back } = await counted(() => {})
    assert.equal(ran.exit, EXIT.unsafe)
    assert.ok(back)
    assert.match(ran.err, /\r1 s left/)
    assert.match(
      ran.err,
      /nobody confirmed in time: the previous rules are in force\. Correct \/etc\/admit\/policy\.yaml, then `admit apply` again\.\n$/,
    )
  })

  test('undone by another admit: it says so, and ends', async () => {
    const { ran, back } = await counted(async (machine, n) => {
      if (n === 2) await runAdmit({ ...machine, interactive: false }, ['rollback'])
    })
    assert.equal(ran.exit, EXIT.unsafe)
    assert.ok(back)
    assert.match(ran.err, /Undone at 08:00:00Z, as asked/)
  })

  test('an undo that fails: exit 5', async () => {
    const machine = await pending('--no-confirm')
    machine.interactive = true
    machine.files.set(POLICY_PATH, POLICY)
    const kernel = machine.kernel
    machine.onSleep = () => {
      machine.kernel = refusing(NOT_PERMITTED, 'all')
      machine.interrupt?.()
    }
    const ran = await runAdmit(machine, ['apply'], { terminal: true })
    machine.kernel = kernel
    assert.equal(ran.exit, EXIT.repair)
    assert.match(
      ran.err,
      /The undo at 08:00:00Z \(as asked\) could load no rules at all\.\n.*The next admit command tries again/,
    )
  })

  test('of start and stop, too; and none with --json or without a terminal', async () => {
    const machine = await applied()
    machine.interactive = true
    const ran = await runAdmit(machine, ['stop', '--open'], { terminal: true })
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /60 s left/)
    const json = await runAdmit(machine, ['stop', '--open', '--json'])
    assert.equal(json.exit, EXIT.done)
    assert.equal(await stateOf(machine), 'pending')
  })
})

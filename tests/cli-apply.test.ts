/** Changing the rules and telling what is in force: plan, apply, start, reload, stop, flush, status. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXIT } from '../src/cli/exit-code.ts'
import { ADMIT_TABLE } from '../src/compile/compile.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import {
  applied,
  confirm,
  confirmed,
  documentOf,
  machineWith,
  meddle,
  OTHER_POLICY,
  POLICY,
  POLICY_PATH,
  pass,
  RULES_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { FAKE_TOKEN, fakeMachine, journalOf, runAdmit } from './support/fake-system.ts'
import { expectOk } from './support/expect-ok.ts'

describe('plan and apply', () => {
  test('plan says what apply would change: exit 1; after it nothing: exit 0', async () => {
    const machine = machineWith(POLICY)
    const before = await runAdmit(machine, ['plan'])
    assert.equal(before.exit, EXIT.no)
    assert.match(before.out, /^\+ table inet admit$/m)
    assert.match(before.out, /\+ laptop_spare_\w+: laptop, 00:16:3e:00:00:01 {3}devices\.laptop, line 3\n/)
    assert.match(before.out, /\d+ changes pending\. `admit apply` makes them\.\n$/)
    assert.equal(await tableIn(machine), undefined)
    await confirmed(machine, 'apply')
    const after = await runAdmit(machine, ['plan'])
    assert.equal(after.exit, EXIT.done)
    assert.equal(after.out, 'The kernel holds these rules already: nothing to change.\n')
  })

  test('apply says until when it waits, how to confirm, and what comes back otherwise', async () => {
    const machine = machineWith(POLICY)
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^There are no rules of admit yet: if nobody confirms, this host is open again/m)
    assert.match(ran.out, /^Applied: the kernel was read back and holds exactly these rules\.$/m)
    assert.match(ran.out, /^Not confirmed yet: after 60 s \(08:01:00Z\) the previous rules come back/m)
    assert.match(ran.out, /^ {2}ssh .*-o ControlPath=none -p 22 alice@192\.0\.2\.1 sudo admit confirm$/m)
    assert.ok(ran.out.includes(FAKE_TOKEN))
    assert.equal(machine.files.has(RULES_PATH), false, 'nothing is stored before it is confirmed')
    // The second time there is something to go back to.
    await confirm(machine)
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    assert.doesNotMatch((await runAdmit(machine, ['apply'])).out, /open again/)
  })

  test('its document: pending, the token, the end', async () => {
    const document = documentOf(await runAdmit(machineWith(POLICY), ['apply', '--json']))
    assert.equal(document['result'], 'pending')
    assert.equal(document['confirmation'], 'awaited')
    assert.equal(document['token'], FAKE_TOKEN)
    assert.equal(document['until'], '2027-01-15T08:01:00Z')
    assert.ok(Array.isArray(document['changes']) && document['changes'].length > 5)
  })

  test('apply twice is apply once, also when time has passed between', async () => {
    const machine = await applied()
    const first = await tableIn(machine)
    machine.now += 86_400
    const again = await runAdmit(machine, ['apply'])
    assert.equal(again.exit, EXIT.done)
    assert.match(again.out, /^Nothing to change/)
    assert.deepEqual(await tableIn(machine), first)
    assert.equal(machine.transactions, 1)
  })

  test('apply changes what differs, and plan names it', async () => {
    const machine = await applied()
    machine.files.set(POLICY_PATH, POLICY.replace('203.0.113.7', '203.0.113.8'))
    const plan = await runAdmit(machine, ['plan'])
    assert.match(plan.out, /\+ guest_office_\w+: office, 203\.0\.113\.8 {3}devices\.office, line 5\n/)
    assert.match(plan.out, /- guest_office_\w+: 203\.0\.113\.7\n/)
    assert.match(plan.out, /2 changes pending/)
    await confirmed(machine, 'apply')
    assert.equal((await runAdmit(machine, ['plan'])).exit, EXIT.done)
  })

  test('another word in the policy, the same rules: kept with them at once, not put on trial', async () => {
    const machine = await applied()
    const noted = POLICY.replace('203.0.113.7 }', '203.0.113.7, note: the lobby }')
    machine.files.set(POLICY_PATH, noted)
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.done, ran.err)
    const kept = expectOk(await journalOf(machine).confirmed(), 'confirmed')
    assert.equal(kept?.policy, noted)
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    assert.match((await runAdmit(machine, ['apply'])).out, /^Nothing to change/)
  })

  test('--no-confirm: in force and kept at once, recorded as unproven', async () => {
    const machine = machineWith(POLICY)
    const ran = await runAdmit(machine, ['apply', '--no-confirm'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /Confirmed at once, as --no-confirm says; recorded as unproven\./)
    assert.doesNotMatch(ran.out, /open again/)
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    assert.match((await runAdmit(machine, ['history'])).out, /unproven/)
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    const document = documentOf(await runAdmit(machine, ['apply', '--no-confirm', '--json']))
    assert.deepEqual([document['result'], document['confirmation']], ['confirmed', 'unproven'])
    assert.equal(document['token'], undefined)
  })

  test('nobody confirms: the previous rules are back, and status says so', async () => {
    const machine = await applied()
    const before = await tableIn(machine)
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await runAdmit(machine, ['apply'])
    assert.notDeepEqual(await tableIn(machine), before)
    await pass(machine, 59)
    assert.match((await runAdmit(machine, ['status'])).out, /in force, and not confirmed yet/)
    await pass(machine, 1)
    const after = (await tableIn(machine)) ?? assert.fail('no table')
    assert.ok(before !== undefined && sameTable(before, after))
    const status = await runAdmit(machine, ['status'])
    assert.equal(status.exit, EXIT.done)
    assert.match(status.out, /^last {7}Undone at 08:01:00Z, nobody confirmed in time: the previous rules/m)
  })

  test('the time is the policy’s, else a minute, and --confirm-within goes before both', async () => {
    const until = async (policy: string, ...args: readonly string[]): Promise<unknown> =>
      documentOf(await runAdmit(machineWith(policy), ['apply', '--json', ...args]))['until']
    const own = `${POLICY}safety: { confirm: 5m }\n`
    assert.equal(await until(POLICY), '2027-01-15T08:01:00Z')
    assert.equal(await until(own), '2027-01-15T08:05:00Z')
    assert.equal(await until(own, '--confirm-within', '90'), '2027-01-15T08:01:30Z')
    assert.equal(await until(own, '--confirm-within', '1s'), '2027-01-15T08:00:01Z')
    assert.equal(await until(own, '--confirm-within', '2m'), '2027-01-15T08:02:00Z')
    for (const hour of ['1h', '60m', '3600s', '3600']) {
      assert.equal(await until(POLICY, '--confirm-within', hour), '2027-01-15T09:00:00Z')
    }
  })

  test('--confirm-within refuses what is no time from 1 s to 1 h: exit 2, and nothing happens', async () => {
    for (const command of [
      ['apply'],
      ['start'],
      ['reload'],
      ['stop', '--open'],
      ['flush', '--open'],
      ['rollback'],
    ]) {
      for (const word of [
        '0',
        '0s',
        '3601s',
        '61m',
        '2h',
        'abc',
        '',
        '-1',
        '1.5s',
        '1e3',
        '60 s',
        '1d',
        '0x10',
      ]) {
        const machine = machineWith(POLICY)
        const ran = await runAdmit(machine, [...command, '--confirm-within', word])
        assert.equal(ran.exit, EXIT.usage, `${command.join(' ')} ${word}`)
        assert.equal(await tableIn(machine), undefined)
        assert.equal(machine.transactions, 0)
      }
    }
  })
})

describe('start, reload, stop, flush', () => {
  test('start after stop brings the same rules back, without a policy', async () => {
    const machine = await applied()
    const before = await tableIn(machine)
    await confirmed(machine, 'stop', '--open')
    assert.equal(await tableIn(machine), undefined)
    machine.files.delete(POLICY_PATH)
    machine.now += 1000
    await confirmed(machine, 'start')
    const after = await tableIn(machine)
    assert.ok(before !== undefined && after !== undefined && sameTable(before, after))
    assert.match((await runAdmit(machine, ['start'])).out, /^Nothing to change/)
  })

  test('reload goes back to what was confirmed last, whatever was done since', async () => {
    const machine = await applied()
    const before = await tableIn(machine)
    assert.ok(before !== undefined)
    await meddle(machine)
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.no)
    await confirmed(machine, 'reload')
    const after = await tableIn(machine)
    assert.ok(after !== undefined && sameTable(before, after))
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })

  test('each is undone unless it is confirmed, and none makes another restore point', async () => {
    const machine = await applied()
    const before = await tableIn(machine)
    for (const command of ['stop', 'flush']) {
      const ran = await runAdmit(machine, [command, '--open'])
      assert.equal(ran.exit, EXIT.done)
      assert.match(ran.out, /Not confirmed yet: after 60 s/)
      assert.equal(await tableIn(machine), undefined)
      await pass(machine, 60)
      assert.ok(before !== undefined && sameTable(before, (await tableIn(machine)) ?? assert.fail('gone')))
    }
    await confirmed(machine, 'stop', '--open')
    await runAdmit(machine, ['start'])
    await pass(machine, 60)
    assert.equal(await tableIn(machine), undefined, 'start is undone too')
    await runAdmit(machine, ['start', '--no-confirm'])
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
    assert.equal(expectOk(await journalOf(machine).points(), 'points').length, 1)
  })

  test('stop and flush want --open, and then remove admit’s own table only', async () => {
    const other: Table = { family: 'inet', name: 'other', sets: [], chains: [] }
    for (const command of ['stop', 'flush']) {
      const machine = machineWith(POLICY, { kernel: new FakeKernel([other]) })
      await confirmed(machine, 'apply')
      const refused = await runAdmit(machine, [command])
      assert.equal(refused.exit, EXIT.unsafe)
      assert.match(refused.err, /--open/)
      assert.notEqual(await tableIn(machine), undefined)
      await confirmed(machine, command, '--open')
      assert.deepEqual(expectOk(await machine.kernel.tables(), 'tables'), [{ family: 'inet', name: 'other' }])
      const again = await runAdmit(machine, [command, '--open'])
      assert.equal(again.exit, EXIT.done)
      assert.match(again.out, /There were no rules of admit in the kernel/)
    }
  })
})

describe('status', () => {
  test('none, unconfirmed, in force, changed, not stored, damaged', async () => {
    const machine = machineWith(POLICY)
    const status = async (exit: number) => {
      const ran = await runAdmit(machine, ['status', '--json'])
      assert.equal(ran.exit, exit, ran.out)
      return documentOf(ran)
    }
    assert.equal((await status(1))['result'], 'none')
    await runAdmit(machine, ['apply'])
    assert.equal((await status(1))['result'], 'unconfirmed')
    await confirm(machine)
    assert.equal((await status(0))['result'], 'in-force')
    const stored = machine.files.get(RULES_PATH) ?? ''
    machine.files.delete(RULES_PATH)
    assert.equal((await status(1))['result'], 'not-stored')
    machine.files.set(RULES_PATH, `${stored} `)
    const damaged = await status(1)
    assert.equal(damaged['stored'], 'unusable')
    assert.match(String(damaged['storedProblem']), /rules\.nft was changed since admit wrote it/)
    machine.files.set(RULES_PATH, stored)
    await meddle(machine)
    assert.equal((await status(1))['result'], 'differ')
  })

  test('tells what is pending: who, from where, since when, until when', async () => {
    const machine = await applied()
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await runAdmit(machine, ['apply'])
    const text = await runAdmit(machine, ['status'])
    assert.equal(text.exit, EXIT.no)
    assert.match(
      text.out,
      /^pending {4}apply by root \(alice\) from a console since 08:00:00Z, until 08:01:00Z \(60 s left\); `admit confirm` keeps it/m,
    )
    assert.deepEqual(documentOf(await runAdmit(machine, ['status', '--json']))['pending'], {
      id: '00000000000000000002',
      kind: 'apply',
      by: 'root (alice)',
      from: 'a console',
      since: '2027-01-15T08:00:00Z',
      until: '2027-01-15T08:01:00Z',
      secondsLeft: 60,
    })
  })

  test('tells the same time that is left when the clock is set', async () => {
    const machine = await applied()
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await runAdmit(machine, ['apply'])
    for (const jump of [-86_400, 2 * 86_400]) {
      machine.now += jump
      for (const journal of machine.journals.values()) journal.uptimeOffset -= jump
      const day = jump < 0 ? '2027-01-14' : '2027-01-16'
      const { out } = await runAdmit(machine, ['status'])
      assert.match(out, /since 08:00:00Z, until 08:01:00Z \(60 s left\);/)
      const { pending } = documentOf(await runAdmit(machine, ['status', '--json']))
      assert.deepEqual(pending, {
        ...(pending as object),
        since: `${day}T08:00:00Z`,
        until: `${day}T08:01:00Z`,
        secondsLeft: 60,
      })
    }
  })

  test('rules put to sleep by another hand are not in force', async () => {
    const machine = await applied()
    const table = (await tableIn(machine)) ?? assert.fail('no table')
    machine.kernel = new FakeKernel([{ ...table, dormant: true }])
    const ran = await runAdmit(machine, ['status'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(ran.out, /^rules {6}dormant/)
  })

  test('says whether the rules will be there after a reboot', async () => {
    const machine = await applied()
    assert.match(
      (await runAdmit(machine, ['status'])).out,
      /^reboot {5}no rules: the boot unit is not installed/m,
    )
    assert.equal(documentOf(await runAdmit(machine, ['status', '--json']))['afterReboot'], false)
  })
})

test('what was left when the host went down is undone by the next command, and nothing is loaded for it', async () => {
  const machine = await applied()
  const before = (await tableIn(machine)) ?? assert.fail('no table')
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  await runAdmit(machine, ['apply'])
  await machine.kernel.apply({ table: ADMIT_TABLE, operations: [{ kind: 'delete-table' }] })
  await journalOf(machine).reboot()
  assert.ok(sameTable(before, (await tableIn(machine)) ?? assert.fail('nothing was loaded')))
  const status = await runAdmit(machine, ['status'])
  assert.equal(status.exit, EXIT.done)
  assert.match(status.out, /the host was rebooted before it was confirmed/)
  assert.equal((await runAdmit(fakeMachine(), ['status'])).exit, EXIT.no)
})

/** Restore points: history, save, and the way back to one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXIT } from '../src/cli/exit-code.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
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
  pending,
  tableIn,
} from './support/cli-machine.ts'
import { expectOk } from './support/expect-ok.ts'
import type { FakeMachine } from './support/fake-system.ts'
import { journalOf, runAdmit } from './support/fake-system.ts'

/** Two restore points: the policy, then the other one. */
async function twice(): Promise<FakeMachine> {
  const machine = await applied()
  machine.now += 3600
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  await confirmed(machine, 'apply')
  return machine
}

async function numbers(machine: FakeMachine): Promise<readonly (readonly [number, string?])[]> {
  const points = expectOk(await journalOf(machine).points(), 'points')
  return points.map(({ number, name }) => (name === undefined ? [number] : [number, name]))
}

describe('history', () => {
  test('none yet: it says how one is made', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['history'])
    assert.equal(ran.exit, EXIT.done)
    assert.equal(ran.out, 'No restore points yet: each confirmed apply makes one.\n')
    assert.deepEqual(documentOf(await runAdmit(machineWith(POLICY), ['history', '--json']))['points'], [])
  })

  test('lists them, newest first: number, when, what, who, from where, how', async () => {
    const machine = await twice()
    const ran = await runAdmit(machine, ['history'])
    assert.equal(ran.exit, EXIT.done)
    assert.equal(
      ran.out,
      '2  2027-01-15T09:00:00Z  apply  root (alice)  a console  confirmed from a console\n' +
        '1  2027-01-15T08:00:00Z  apply  root (alice)  a console  confirmed from a console\n',
    )
    const { points } = documentOf(await runAdmit(machine, ['history', '--json']))
    assert.deepEqual(Array.isArray(points) && points[0], {
      number: 1,
      kind: 'apply',
      by: 'root (alice)',
      from: 'a console',
      at: '2027-01-15T08:00:00Z',
      how: 'console',
      confirmedBy: 'root (alice)',
      confirmedFrom: 'a console',
    })
  })

  test('shows one, by number or name, and the policy that it was made from', async () => {
    const machine = await twice()
    const ran = await runAdmit(machine, ['history', '1'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(
      ran.out,
      /^point {6}1\nmade {7}2027-01-15T08:00:00Z, by `admit apply`\nby {9}root \(alice\), from a console\n/,
    )
    assert.match(
      ran.out,
      /^rules {6}\d+ rules, \d+ elements in \d+ sets\npolicy {5}`admit history 1 --text` prints it$/m,
    )
    const text = await runAdmit(machine, ['history', '1', '--text'])
    assert.deepEqual([text.exit, text.out], [EXIT.done, POLICY])
    await runAdmit(machine, ['save', 'now'])
    assert.equal((await runAdmit(machine, ['history', 'now', '--text'])).out, OTHER_POLICY)
    assert.match((await runAdmit(machine, ['history', 'now'])).out, /^point {6}2 \(now\)$/m)
  })

  test('--diff: what going back would change, from the kernel or another point; exit 1 where it would', async () => {
    const machine = await twice()
    const back = await runAdmit(machine, ['history', '1', '--diff'])
    assert.equal(back.exit, EXIT.no)
    assert.match(back.out, /^- guest_office_\w+: .*203\.0\.113\.8/m)
    const same = await runAdmit(machine, ['history', '2', '--diff'])
    assert.deepEqual([same.exit, same.out], [EXIT.done, 'No difference.\n'])
    const points = await runAdmit(machine, ['history', '1', '--diff', '2'])
    assert.deepEqual([points.exit, points.out], [EXIT.no, back.out])
    assert.equal((await runAdmit(machine, ['history', '1', '--diff', '1'])).exit, EXIT.done)
    const document = documentOf(await runAdmit(machine, ['history', '1', '--diff', '--json']))
    assert.equal(document['result'], 'differs')
    machine.kernel = new FakeKernel()
    assert.match((await runAdmit(machine, ['history', '1', '--diff'])).out, /^\+ table inet admit$/m)
  })

  test('of one that is not there: exit 2, and which there are', async () => {
    const machine = await twice()
    await runAdmit(machine, ['save', 'docker'])
    for (const args of [
      ['history', '7'],
      ['history', 'dokcer'],
      ['history', '1', '--diff', '7'],
      ['rollback', '7'],
    ]) {
      const ran = await runAdmit(machine, args)
      assert.equal(ran.exit, EXIT.usage, args.join(' '))
      assert.match(ran.err, /there is no restore point (7|dokcer)\. There are: 1, docker\./)
      const document = documentOf(await runAdmit(machine, [...args, '--json']))
      assert.deepEqual([document['command'], document['result']], [args[0], 'no-point'])
    }
  })

  test('keeps the last 20, and all that have a name', async () => {
    const machine = await applied()
    await runAdmit(machine, ['save', 'first'])
    for (let count = 0; count < 25; count++) {
      machine.files.set(POLICY_PATH, count % 2 === 0 ? OTHER_POLICY : POLICY)
      await confirmed(machine, 'apply')
    }
    const left = await numbers(machine)
    assert.equal(left.length, 21)
    assert.deepEqual(left[0], [1, 'first'])
    assert.deepEqual([left[1], left.at(-1)], [[7], [26]])
  })
})

describe('save', () => {
  test('names the newest restore point, once or anew, and without a name makes one up', async () => {
    const machine = await twice()
    const ran = await runAdmit(machine, ['save', 'before-docker'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^Saved: restore point 2 is before-docker, and is kept for good\./)
    await runAdmit(machine, ['save', 'better'])
    assert.deepEqual(await numbers(machine), [[1], [2, 'better']])
    const made = documentOf(await runAdmit(machine, ['save', '--json']))
    assert.deepEqual([made['result'], made['point'], made['name']], ['saved', 2, 'saved-2'])
  })

  test('is refused where nothing is confirmed, something is pending, or the kernel holds something else: exit 3', async () => {
    const nothing = await runAdmit(machineWith(POLICY), ['save', 'x'])
    assert.deepEqual([nothing.exit, /nothing is confirmed yet/.test(nothing.err)], [EXIT.unsafe, true])
    assert.equal((await runAdmit(await pending(), ['save', 'x'])).exit, EXIT.unsafe)
    const machine = await applied()
    await meddle(machine)
    const drifted = await runAdmit(machine, ['save', 'x', '--json'])
    assert.equal(drifted.exit, EXIT.unsafe)
    assert.equal(documentOf(drifted)['result'], 'drifted')
    machine.kernel = new FakeKernel()
    assert.equal((await runAdmit(machine, ['save', 'x'])).exit, EXIT.unsafe)
    assert.deepEqual(await numbers(machine), [[1]])
  })

  test('a name that another point has is refused: exit 3', async () => {
    const machine = await applied()
    await runAdmit(machine, ['save', 'good'])
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await confirmed(machine, 'apply')
    const ran = await runAdmit(machine, ['save', 'good'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /restore point 1 has the name good already/)
  })

  test('a name that is a number, a path, an option or no word is refused: exit 2', async () => {
    const machine = await applied()
    for (const name of [
      '7',
      '',
      '..',
      '../x',
      '.x',
      '-x',
      'a b',
      'a/b',
      'x\n',
      '家',
      '1.5',
      'x'.repeat(41),
      '$(reboot)',
    ]) {
      const ran = await runAdmit(machine, ['save', '--', name])
      assert.equal(ran.exit, EXIT.usage, JSON.stringify(name))
    }
    assert.deepEqual(await numbers(machine), [[1]])
    for (const name of ['a', '7b', 'v1.2_x-y', 'x'.repeat(40)]) {
      assert.equal((await runAdmit(machine, ['save', name])).exit, EXIT.done, name)
    }
  })

  test('that cannot be written: exit 4', async () => {
    const machine = await applied()
    machine.writable = false
    assert.equal((await runAdmit(machine, ['save', 'x'])).exit, EXIT.system)
    assert.deepEqual(await numbers(machine), [[1]])
  })
})

describe('rollback to a restore point', () => {
  test('the one before the present, or by number, or by name: a change like any other, to be confirmed', async () => {
    for (const named of [undefined, '1', 'good']) {
      const machine = await applied()
      await runAdmit(machine, ['save', 'good'])
      const wanted = (await tableIn(machine)) ?? assert.fail('no table')
      machine.files.set(POLICY_PATH, OTHER_POLICY)
      await confirmed(machine, 'apply')
      const ran = await runAdmit(machine, ['rollback', ...(named === undefined ? [] : [named])])
      assert.equal(ran.exit, EXIT.done, ran.err)
      assert.match(ran.out, /^The rules of restore point good are in force\. The policy file is as it was/m)
      assert.match(ran.out, /Not confirmed yet: after 60 s/)
      assert.ok(sameTable(wanted, (await tableIn(machine)) ?? assert.fail('gone')))
      assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.no)
      await confirm(machine)
      assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
      assert.equal(machine.files.get(POLICY_PATH), OTHER_POLICY)
      const newest = expectOk(await journalOf(machine).points(), 'points').at(-1)
      assert.deepEqual([newest?.number, newest?.kind], [3, 'rollback'])
      // What boots now is what was gone back to, with its own policy.
      assert.equal(expectOk(await journalOf(machine).confirmed(), 'confirmed')?.policy, POLICY)
    }
  })

  test('nobody confirms: all is as it was', async () => {
    const machine = await twice()
    const before = (await tableIn(machine)) ?? assert.fail('no table')
    await runAdmit(machine, ['rollback', '1', '--confirm-within', '5s'])
    await pass(machine, 5)
    assert.ok(sameTable(before, (await tableIn(machine)) ?? assert.fail('gone')))
    assert.deepEqual(await numbers(machine), [[1], [2]])
  })

  test('--no-confirm, and its document', async () => {
    const machine = await twice()
    const document = documentOf(await runAdmit(machine, ['rollback', '1', '--no-confirm', '--json']))
    assert.deepEqual([document['result'], document['point']], ['confirmed', 1])
    assert.equal((await runAdmit(machine, ['status'])).exit, EXIT.done)
  })

  test('to what is in force already: unchanged', async () => {
    const machine = await twice()
    const ran = await runAdmit(machine, ['rollback', '2'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^Nothing to change: the rules of restore point 2 are in force already/)
  })

  test('with nothing to go back to: exit 2', async () => {
    const none = await runAdmit(machineWith(POLICY), ['rollback'])
    assert.equal(none.exit, EXIT.usage)
    assert.match(
      none.err,
      /nothing is pending, and there is no restore point before the present one\. There are none yet\./,
    )
    const one = await runAdmit(await applied(), ['rollback'])
    assert.equal(one.exit, EXIT.usage)
    assert.match(one.err, /There are: 1\./)
  })

  test('does not need the policy file, and brings rules back into an empty kernel', async () => {
    const machine = await applied()
    const wanted = (await tableIn(machine)) ?? assert.fail('no table')
    machine.kernel = new FakeKernel()
    machine.files.delete(POLICY_PATH)
    await confirmed(machine, 'rollback', '1')
    assert.ok(sameTable(wanted, (await tableIn(machine)) ?? assert.fail('gone')))
  })
})

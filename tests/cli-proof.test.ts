/** Before anything is changed: nobody who must get in is locked out, and `--force` overrides exactly what it names. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXIT } from '../src/cli/exit-code.ts'
import {
  applied,
  confirmed,
  documentOf,
  machineWith,
  OTHER_POLICY,
  POLICY,
  POLICY_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { expectOk } from './support/expect-ok.ts'
import { journalOf, runAdmit } from './support/fake-system.ts'
import { SAMPLE_HOST } from './support/sample-host.ts'

/** The spare admin is let in nowhere. */
const NO_SPARE = POLICY.replace('from: [laptop, spare]', 'from: laptop')
const [CALLER] = SAMPLE_HOST.sshConnections

describe('an admin who would be locked out', () => {
  test('refuses the apply: exit 3, with the packet, the fix, and the word that overrides it', async () => {
    const machine = machineWith(NO_SPARE)
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /admin spare would be refused at 22\/tcp/)
    assert.match(ran.err, /packet: .*00:16:3e:00:00:02/)
    assert.match(ran.err, /add to grants: - \{ from: spare, to: ssh \}/)
    assert.match(ran.err, /to apply all the same: --force 'admin spare'/)
    assert.match(ran.err, /this would lock out whom it must not; nothing was changed\.\n$/)
    assert.equal(await tableIn(machine), undefined)
    assert.equal(machine.transactions, 0)
    assert.equal(documentOf(await runAdmit(machine, ['apply', '--json']))['result'], 'would-lock-out')
  })

  test('--force with his name goes on, says so, and is still to be confirmed', async () => {
    const machine = machineWith(NO_SPARE)
    assert.equal((await runAdmit(machine, ['apply', '--force', 'me,tests'])).exit, EXIT.unsafe)
    assert.equal((await runAdmit(machine, ['apply', '--force', 'admin laptop'])).exit, EXIT.unsafe)
    const ran = await runAdmit(machine, ['apply', '--force', 'admin spare'])
    assert.equal(ran.exit, EXIT.done, ran.err)
    assert.match(ran.err, /forced: admin spare/)
    const state = expectOk(await journalOf(machine).state(), 'state')
    assert.equal(state.kind === 'pending' && state.entry.forced, 'admin spare')
    assert.match(ran.out, /Not confirmed yet/)
  })

  test('keeps start and rollback from loading such rules, too', async () => {
    const machine = machineWith(NO_SPARE)
    await confirmed(machine, 'apply', '--force', 'admin spare')
    machine.files.set(POLICY_PATH, POLICY)
    await confirmed(machine, 'apply')
    const before = await tableIn(machine)
    assert.equal((await runAdmit(machine, ['rollback', '1'])).exit, EXIT.unsafe)
    assert.equal(await tableIn(machine), before)
    await confirmed(machine, 'rollback', '1', '--force', 'admin spare')
    await confirmed(machine, 'stop', '--open')
    assert.equal((await runAdmit(machine, ['start'])).exit, EXIT.unsafe)
    assert.equal(await tableIn(machine), undefined)
    await confirmed(machine, 'start', '--force', 'admin spare')
  })
})

describe('whoever applies over SSH', () => {
  const connection = CALLER ?? assert.fail('no connection')

  test('stays in, or the apply is refused: exit 3', async () => {
    const machine = machineWith(POLICY.replace('203.0.113.7', '203.0.113.8'))
    machine.path = { kind: 'ssh', connection }
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(
      ran.err,
      /your own connection \(from 203\.0\.113\.7 port 50000\) would be refused at 22\/tcp/,
    )
    assert.match(ran.err, /--force 'me'/)
    assert.equal(await tableIn(machine), undefined)
    const forced = await runAdmit(machine, ['apply', '--force', 'me'])
    assert.equal(forced.exit, EXIT.done, forced.err)
    assert.match(forced.err, /forced: me/)
  })

  test('needs nothing more where a device recognises them', async () => {
    const machine = machineWith(POLICY)
    machine.path = { kind: 'ssh', connection }
    const ran = await runAdmit(machine, ['apply'])
    assert.equal(ran.exit, EXIT.done, ran.err)
    assert.doesNotMatch(ran.err, /only the admins' way in is proven/)
  })

  test('from a console it says that only the admins’ way in is proven', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['apply'])
    assert.match(ran.err, /not seen to be on SSH \(a console\): only the admins' way in is proven/)
  })
})

describe('the policy’s own tests', () => {
  test('are overridden by --force tests, and by nothing else', async () => {
    const untrue = POLICY.replace('stranger, refuse', 'stranger, accept')
    const machine = machineWith(untrue)
    assert.equal((await runAdmit(machine, ['apply', '--force', 'me'])).exit, EXIT.unsafe)
    assert.equal((await runAdmit(machine, ['apply', '--force', 'tests'])).exit, EXIT.done)
  })
})

test('--force takes only words that name a check: exit 2, and nothing happens', async () => {
  const machine = await applied()
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  const before = await tableIn(machine)
  for (const words of ['', 'yes', 'admin', 'tests,', 'all', 'admin a b', 'laptop']) {
    const ran = await runAdmit(machine, ['apply', '--force', words])
    assert.equal(ran.exit, EXIT.usage, words)
    assert.equal(await tableIn(machine), before)
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fail } from '../src/base/result.ts'
import { EXIT } from '../src/cli/exit-code.ts'
import {
  documentOf,
  machineWith,
  NOT_PERMITTED,
  POLICY,
  POLICY_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { fakeMachine, runAdmit } from './support/fake-system.ts'

/** Its own test says that it is wrong. */
const UNTRUE = POLICY.replace('stranger, refuse', 'stranger, accept')
/** A MAC address that nobody sends from. */
const WRONG = POLICY.replace('00:16:3e:00:00:01', '11:22:33:44:55:66')

describe('check', () => {
  test('a correct policy', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['check'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(
      ran.out,
      /^\/etc\/admit\/policy\.yaml: correct\. 4 devices \(2 admins\), 0 groups, 2 grants\./,
    )
    assert.match(ran.out, /Its tests pass \(\d+ packets tried\)/)
    assert.equal(ran.err, '')
  })

  test('a wrong policy: every problem on standard error, exit 2', async () => {
    const ran = await runAdmit(machineWith(WRONG), ['check'])
    assert.equal(ran.exit, EXIT.usage)
    assert.equal(ran.out, '')
    assert.match(ran.err, /policy\.yaml:3:18: error: .*\[mac-group\]/)
  })

  test('a policy that fails its own tests: exit 3, with the packet', async () => {
    const ran = await runAdmit(machineWith(UNTRUE), ['check'])
    assert.equal(ran.exit, EXIT.unsafe)
    assert.match(ran.err, /policy\.yaml:12:5: test fails: stranger to ssh is refused \(22\/tcp\)/)
    assert.match(ran.err, /packet: eth0, from 00:00:5e:00:53:01/)
  })

  test('no policy there: exit 2, and how to get one', async () => {
    const ran = await runAdmit(fakeMachine(), ['check'])
    assert.equal(ran.exit, EXIT.usage)
    assert.match(ran.err, /admit init/)
  })

  test('for another host: interfaces are not looked up here', async () => {
    const machine = machineWith(POLICY.replace('to: everything }', 'to: everything, on: ens3 }'))
    assert.equal((await runAdmit(machine, ['check'])).exit, EXIT.usage)
    assert.equal((await runAdmit(machine, ['check', '--no-host'])).exit, EXIT.done)
  })

  test('the policy comes from --policy, else ADMIT_POLICY, else /etc/admit', async () => {
    const machine = fakeMachine()
    machine.files.set('/a', POLICY)
    machine.files.set('/b', WRONG)
    const env = { ADMIT_POLICY: '/b' }
    assert.equal((await runAdmit(machine, ['check'], { env })).exit, EXIT.usage)
    assert.equal((await runAdmit(machine, ['check', '--policy', '/a'], { env })).exit, EXIT.done)
    assert.equal((await runAdmit(machine, ['--policy', '/a', 'check'], { env })).exit, EXIT.done)
  })
})

describe('show', () => {
  test('as nft text, as JSON, and with --json', async () => {
    const machine = machineWith(POLICY)
    const text = await runAdmit(machine, ['show'])
    assert.match(text.out, /^table inet admit \{\n/)
    const json = await runAdmit(machine, ['show', '--as', 'json'])
    const document = await runAdmit(machine, ['show', '--json'])
    assert.deepEqual([text.exit, json.exit, document.exit], [0, 0, 0])
    assert.equal(json.out, document.out)
    assert.equal(documentOf(json)['command'], 'show')
    assert.equal(await tableIn(machine), undefined)
  })
})

describe('explain', () => {
  test('who gets in: exit 0, with the line of the policy and the rule', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['explain', '--from', 'office', '--to', 'ssh'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^admitted: office to ssh\n/)
    assert.match(ran.out, /from office, guest to ssh, ping\s+\/etc\/admit\/policy\.yaml:9/)
    assert.match(ran.out, /rule\s+input: tcp dport 22 ip saddr @guest_office_\w+\.ip4 accept/)
  })

  test('who does not: exit 1', async () => {
    for (const from of ['stranger', '198.51.100.9', '02:00:00:00:00:07', 'office']) {
      const ran = await runAdmit(machineWith(POLICY), ['explain', '--from', from, '--to', 'https'])
      assert.equal(ran.exit, EXIT.no, from)
      assert.match(ran.out, /^refused: /)
    }
  })

  test('in part: exit 1, and both answers', async () => {
    const ran = await runAdmit(machineWith(POLICY), ['explain', '--from', 'office', '--to', 'everything'])
    assert.equal(ran.exit, EXIT.no)
    assert.match(ran.out, /^depends: /)
    assert.match(ran.out, /\n {2}admitted /)
    assert.match(ran.out, /\n {2}refused {2}it is office, and no grant lets that reach it/)
  })

  test('only where --on says; what is not judged is admitted, and it says why', async () => {
    const machine = machineWith(POLICY)
    const on = (name: string) =>
      runAdmit(machine, ['explain', '--from', 'office', '--to', 'ssh', '--on', name])
    assert.equal((await on('wg0')).exit, EXIT.done)
    const lo = await on('lo')
    assert.equal(lo.exit, EXIT.done)
    assert.match(lo.out, /lo is never judged/)
    assert.equal((await on('eth9')).exit, EXIT.usage)
  })

  test('of another host every interface is possible', async () => {
    const machine = machineWith(`${POLICY}host: { unguarded: docker0 }\n`)
    const on = async (name: string) =>
      (await runAdmit(machine, ['explain', '--no-host', '--from', 'office', '--to', 'ssh', '--on', name]))
        .exit
    assert.deepEqual(
      [await on('ens3'), await on('lo'), await on('docker0'), await on('no such')],
      [EXIT.done, EXIT.done, EXIT.done, EXIT.usage],
    )
  })

  test('a group: all its devices; anyone: a stranger may be one', async () => {
    const machine = machineWith(`${POLICY}groups: { us: [laptop, office] }\n`)
    const from = async (who: string) =>
      (await runAdmit(machine, ['explain', '--from', who, '--to', 'ssh', '--on', 'eth0'])).out
    assert.match(await from('us'), /^admitted: us to ssh/)
    assert.match(await from('anyone'), /^refused: anyone to ssh/)
  })

  test('with every interface unguarded: everybody, and why', async () => {
    const machine = machineWith(
      'admit: 1\nsafety: { admins: 0 }\nhost: { unguarded: [eth0, wg0, br0, bond0] }\n',
    )
    const ran = await runAdmit(machine, ['explain', '--from', 'stranger', '--to', 'ssh'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /is unguarded/)
    assert.match(ran.err, /nothing-judged/)
  })

  test('a MAC where none can be seen: refused', async () => {
    const words = ['explain', '--from', 'laptop', '--to', 'ssh', '--on', 'wg0']
    const ran = await runAdmit(machineWith(POLICY), words)
    assert.equal(ran.exit, EXIT.no)
    assert.match(ran.err, /only seen on an Ethernet interface/)
  })

  test('a misspelt word: exit 2, and what was meant', async () => {
    const ask = (from: string, to: string) =>
      runAdmit(machineWith(POLICY), ['explain', '--from', from, '--to', to])
    assert.match((await ask('laptpo', 'ssh')).err, /Did you mean laptop\?/)
    assert.match((await ask('laptop', 'shh')).err, /did you mean ssh\?/)
    assert.match((await ask('11:22:33:44:55:66', 'ssh')).err, /a group MAC address is never a sender's/)
    assert.match((await ask('192.0.2.300', 'ssh')).err, /four numbers from 0 to 255/)
    assert.equal((await ask('laptpo', 'ssh')).exit, EXIT.usage)
    assert.equal((await ask('laptop', 'shh')).exit, EXIT.usage)
  })
})

describe('a bug of ours', () => {
  test('exit 70, with a trace, in text and JSON', async () => {
    const machine = machineWith(POLICY)
    machine.lab = () => {
      throw new TypeError('oops \u001b[31m')
    }
    const ran = await runAdmit(machine, ['lab'])
    assert.equal(ran.exit, EXIT.bug)
    assert.match(ran.err, /a bug of admit's own: oops \\u\{1b\}\[31m\nTypeError[^]*Please report it/)
    const json = await runAdmit(machine, ['lab', '--json'])
    assert.equal(json.exit, EXIT.bug)
    assert.equal(documentOf(json)['result'], 'bug')
  })
})

describe('init', () => {
  const fresh = { caller: undefined, answer: true }

  test('writes after a yes, and what it writes can be read', async () => {
    const machine = fakeMachine(fresh)
    const ran = await runAdmit(machine, ['init'])
    assert.equal(ran.exit, EXIT.done)
    assert.deepEqual(machine.questions, [`Write this to ${POLICY_PATH}? [y/N] `])
    assert.match(machine.files.get(POLICY_PATH) ?? '', /^admit: 1$/m)
  })

  test('writes nothing after a no, or where nobody can be asked: exit 1', async () => {
    for (const answer of [false, undefined]) {
      const machine = fakeMachine({ answer })
      assert.equal((await runAdmit(machine, ['init'])).exit, EXIT.no)
      assert.equal(machine.files.size, 0)
    }
  })

  test('asks nobody with --yes, and writes over nothing without --force', async () => {
    const machine = machineWith('mine\n')
    assert.equal((await runAdmit(machine, ['init', '--yes'])).exit, EXIT.usage)
    assert.equal(machine.files.get(POLICY_PATH), 'mine\n')
    assert.equal((await runAdmit(machine, ['init', '--yes', '--force'])).exit, EXIT.done)
    assert.notEqual(machine.files.get(POLICY_PATH), 'mine\n')
    assert.deepEqual(machine.questions, [])
  })

  test('prints to standard output with --policy -', async () => {
    const machine = fakeMachine()
    const ran = await runAdmit(machine, ['init', '--policy', '-'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^admit: 1$/m)
    assert.equal(machine.files.size, 0)
  })

  test('a folder that cannot be written: exit 4', async () => {
    assert.equal((await runAdmit(fakeMachine({ answer: true, writable: false }), ['init'])).exit, EXIT.system)
  })
})

describe('lab, whoami, help', () => {
  test('a lab as explained is 0, one with a difference is 1, none at all is 4', async () => {
    const machine = machineWith(POLICY)
    assert.equal((await runAdmit(machine, ['lab'])).exit, EXIT.system)
    const report = { services: [], rows: [], differences: [], unreached: 0, sent: 0, notes: [], seconds: 1 }
    machine.lab = () => ({ ok: true, value: report })
    assert.equal((await runAdmit(machine, ['lab'])).exit, EXIT.done)
    machine.files.set('/other', POLICY)
    machine.files.delete(POLICY_PATH)
    assert.equal((await runAdmit(machine, ['lab', '/other'])).exit, EXIT.done)
    assert.equal((await runAdmit(machine, ['lab', ''])).exit, EXIT.usage)
  })

  test('the lab gets the very rules that show prints, and the verdicts of the policy', async () => {
    const machine = machineWith(POLICY)
    const rules: string[] = []
    machine.lab = (request) => {
      rules.push(request.rules)
      return fail(NOT_PERMITTED)
    }
    await runAdmit(machine, ['lab'])
    assert.deepEqual(rules, [(await runAdmit(machine, ['show'])).out])
  })

  test('whoami needs no policy', async () => {
    const ran = await runAdmit(fakeMachine(), ['whoami'])
    assert.equal(ran.exit, EXIT.done)
    assert.match(ran.out, /^eth0 {3}52:54:00:00:00:01/)
    assert.match(ran.out, /this-machine: \{ mac: 52:54:00:00:00:01/)
  })

  test('help about commands, codes and exit codes', async () => {
    const machine = fakeMachine()
    assert.match((await runAdmit(machine, ['help'])).out, /^Usage: admit/)
    assert.match((await runAdmit(machine, ['help', 'apply'])).out, /^Usage: admit apply/)
    assert.match((await runAdmit(machine, ['help', 'mac-group'])).out, /^mac-group: /)
    assert.match((await runAdmit(machine, ['help', 'exit-codes'])).out, /\n {2}70 {2}a bug/)
    const unknown = await runAdmit(machine, ['help', 'mac-gruop'])
    assert.equal(unknown.exit, EXIT.usage)
    assert.match(unknown.err, /Did you mean mac-group\?/)
  })
})

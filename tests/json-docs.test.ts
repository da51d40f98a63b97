/** docs/json.md names the keys that the commands print with --json: all of them, and no others. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fail } from '../src/base/result.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import {
  forgetful,
  kernelLike,
  machineWith,
  OTHER_POLICY,
  POLICY,
  POLICY_PATH,
  RULES_PATH,
  tableIn,
} from './support/cli-machine.ts'
import { runInSandbox } from './support/doc-sandbox.ts'
import type { FakeMachine } from './support/fake-system.ts'
import { journalOf, runAdmit } from './support/fake-system.ts'

const page = readFileSync(new URL('../docs/json.md', import.meta.url), 'utf8')
const ENVELOPE = 'every document'
const FAILURE = 'when it does not work'

/** What no run here provokes, and why. */
const NOT_PROVOKED: ReadonlySet<string> = new Set([
  'error.origin', // the kernel would have to refuse a rule that nft -c accepts
  'init.message', // the disk would have to be read-only where the policy is not
])

interface Key {
  readonly name: string
  readonly type: string
  readonly always: boolean
  readonly meaning: string
}

const sections = readSections(page)
const seen = new Set<string>()

/** One command a line, on each host in order. */
const RUNS: Readonly<Record<string, string>> = {
  'vps-ssh': `
admit check --json --policy /nowhere
admit init --json
admit init --json --policy -
admit init --json --yes
admit init --json --yes
admit check --json
admit plan --json
admit status --json
admit start --json
setpriv --bounding-set -net_admin --inh-caps -net_admin admit apply --json
ADMIT_STATE=$ADMIT_POLICY admit apply --json
admit status --json
admit apply --json --no-confirm
admit reload --json
admit explain --json --from me --to ssh
admit explain --json --from stranger --to everything
admit explain --json --from nobody --to ssh
admit show --json
admit lab --json
admit whoami --json
admit stop --json
admit flush --json --open --no-confirm
admit flush --json --open
admit start --json --no-confirm
echo other >$ADMIT_STATE/rules.nft; admit start --json
admit status --json
echo '  - { from: stranger, accept: ping }' >>$ADMIT_POLICY; admit check --json
echo '  - { from: me, refuse: ping }' >>$ADMIT_POLICY; admit plan --json
echo 'admit: 2' >$ADMIT_POLICY; admit check --json
admit help --json mac-group
admit help --json nothing
admit --json nothing`,
  'home-ssh': `
iptables -A INPUT -i lo -j ACCEPT; admit status --json
ip link add br0 type bridge; ip link add port0 type veth peer name cable0; ip link set port0 master br0; admit whoami --json`,
  office: `
printf 'admit: 1\\nhost: { forward: guard }\\nsafety: { admins: 0 }\\ndevices: { a: { mac: 00:16:3e:00:00:07 } }\\ngrants: [{ from: a, to: http, through: 203.0.113.0/24 }]\\n' >$ADMIT_POLICY; admit lab --json`,
}

describe('docs/json.md', () => {
  for (const [host, text] of Object.entries(RUNS)) {
    test(`names what is printed on ${host}`, () => {
      const commands = text.trim().split('\n')
      for (const [index, ran] of runInSandbox(
        host,
        commands.map((command) => `${command} 2>/run/docs/warnings`),
        240,
      ).entries()) {
        const where = `${commands[index]} on ${host}`
        assert.ok(ran, `${where}: was not reached`)
        checkDocument(where, ran.output.join('\n'))
      }
    })
  }

  test('names what is printed on a machine in memory, where time and kernel do as they are told', async () => {
    const machine = machineWith(POLICY)
    const document = async (...args: readonly string[]): Promise<unknown> => {
      const { out } = await runAdmit(machine, [...args, '--json'])
      checkDocument(args.join(' '), out)
      const { result }: { readonly result?: unknown } = JSON.parse(out) as object
      return result
    }
    const expectResult = async (result: string, ...args: readonly string[]): Promise<void> => {
      assert.equal(await document(...args), result, args.join(' '))
    }
    await nothingConfirmed(expectResult)
    await expectResult('pending', 'apply')
    await expectResult('another-pending', 'apply')
    await expectResult('unconfirmed', 'status')
    await expectResult('refused', 'confirm')
    await expectResult('refused', 'confirm', 'wrong')
    const kernel = machine.kernel
    machine.kernel = new FakeKernel()
    await expectResult('drifted', 'confirm', '--here')
    machine.kernel = kernel
    await expectResult('confirmed', 'confirm', '--here')
    await expectResult('in-force', 'status')
    await expectResult('unchanged', 'apply')
    await expectResult('unchanged', 'reload')
    await expectResult('saved', 'save', 'good')
    machine.files.set(POLICY_PATH, OTHER_POLICY)
    await expectResult('confirmed', 'apply', '--no-confirm')
    await pointDocuments(expectResult)
    await stopDocuments(expectResult, machine)
    await undoDocuments(expectResult, machine)
    await troubleDocuments(expectResult, machine)
  })

  test('names nothing that is never printed', () => {
    const never = [...sections].flatMap(([section, keys]) =>
      keys.map((key) => `${section}.${key.name}`).filter((key) => !seen.has(key) && !NOT_PROVOKED.has(key)),
    )
    assert.deepEqual(never, [])
  })
})

type ExpectResult = (result: string, ...args: readonly string[]) => Promise<void>

async function nothingConfirmed(expectResult: ExpectResult): Promise<void> {
  await expectResult('none', 'status')
  await expectResult('nothing-pending', 'confirm')
  await expectResult('no-point', 'rollback')
  await expectResult('no-point', 'history', '1')
  await expectResult('listed', 'history')
  await expectResult('nothing-confirmed', 'save', 'x')
  await expectResult('no-stored-rules', 'start')
}

async function pointDocuments(expectResult: ExpectResult): Promise<void> {
  await expectResult('name-taken', 'save', 'good')
  await expectResult('listed', 'history')
  await expectResult('shown', 'history', 'good')
  await expectResult('differs', 'history', 'good', '--diff')
  await expectResult('same', 'history', '2', '--diff')
  await expectResult('unchanged', 'rollback', '2')
  await expectResult('pending', 'rollback', 'good')
  await expectResult('undone', 'rollback')
  await expectResult('confirmed', 'rollback', 'good', '--no-confirm')
}

async function stopDocuments(expectResult: ExpectResult, machine: FakeMachine): Promise<void> {
  await expectResult('refused', 'stop')
  await expectResult('pending', 'stop', '--open')
  await expectResult('undone', 'rollback')
  await expectResult('confirmed', 'flush', '--open', '--no-confirm')
  await expectResult('absent', 'flush', '--open')
  await expectResult('pending', 'start')
  await expectResult('confirmed', 'confirm', '--here')
  const kernel = machine.kernel
  const unreadable = { kind: 'unreadable', message: 'line 7' } as const
  machine.kernel = kernelLike(kernel, { observe: () => Promise.resolve(fail(unreadable)) })
  await expectResult('refused', 'stop', '--open')
  await expectResult('removed', 'stop', '--open', '--no-confirm')
  machine.kernel = kernel
  await expectResult('confirmed', 'start', '--no-confirm')
}

/** A change is taken back, and the kernel refuses the first so many loads, or the disk keeps the record. */
async function undoDocuments(expectResult: ExpectResult, machine: FakeMachine): Promise<void> {
  const kernel = machine.kernel
  const refuse = (count: number): void => {
    let left = count
    machine.kernel = kernelLike(kernel, {
      apply: (transaction) =>
        left-- > 0
          ? Promise.resolve(fail({ kind: 'rejected', message: 'nft said no' }))
          : kernel.apply(transaction),
    })
  }
  await expectResult('pending', 'stop', '--open')
  refuse(1)
  await expectResult('rescued', 'rollback')
  await expectResult('differ', 'status')
  machine.kernel = kernel
  await expectResult('confirmed', 'reload', '--no-confirm')
  await expectResult('pending', 'stop', '--open')
  refuse(1000)
  await expectResult('failed', 'rollback')
  await expectResult('repair-needed', 'reload')
  machine.kernel = kernel
  await expectResult('in-force', 'status')
  await expectResult('pending', 'stop', '--open')
  journalOf(machine).clearable = false
  await expectResult('uncleared', 'rollback')
  await expectResult('no-state', 'reload')
  journalOf(machine).clearable = true
  await expectResult('in-force', 'status')
}

async function troubleDocuments(expectResult: ExpectResult, machine: FakeMachine): Promise<void> {
  const present = await tableIn(machine)
  const kernel = machine.kernel
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  machine.kernel = forgetful(present === undefined ? [] : [present])
  await expectResult('reverted', 'apply')
  machine.kernel = kernel
  machine.files.set(POLICY_PATH, POLICY.replace('from: [laptop, spare]', 'from: laptop'))
  await expectResult('would-lock-out', 'apply')
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  machine.writable = false
  await expectResult('no-state', 'apply')
  machine.writable = true
  journalOf(machine).completable = false
  await expectResult('not-stored', 'apply', '--no-confirm')
  await expectResult('differ', 'status')
  await expectResult('no-state', 'apply')
  journalOf(machine).completable = true
  await expectResult('in-force', 'status')
  machine.files.set(RULES_PATH, 'other\n')
  await expectResult('stored-rules-unusable', 'start')
  await expectResult('not-stored', 'status')
}

function checkDocument(where: string, text: string): void {
  const document: unknown = JSON.parse(text)
  assert.ok(isObject(document), where)
  assert.equal(document['admit'], 1, where)
  const command = word(document['command']) ?? assert.fail(where)
  const result = word(document['result'])
  const own = [...sections.keys()].find((section) => section.split(' and ').includes(command))
  assert.ok(own !== undefined || result === 'usage', `${where}: no section for ${command}`)
  // Some words mean the same everywhere; a command's own word wins.
  const said = (section: string): boolean =>
    keysOf(section).some((key) => key.name === 'result' && key.meaning.includes(`\`${result}\``))
  const failed = result !== undefined && !(own !== undefined && said(own))
  if (failed) assert.ok(said(FAILURE), `${where}: no section says \`${result}\``)
  const allowed = [ENVELOPE, ...(failed ? [FAILURE] : []), ...(own === undefined ? [] : [own])]
  checkObject(where, document, allowed, failed ? [ENVELOPE, FAILURE] : allowed)
}

/** Every key stands in one of the sections, with its type; those that are always there in `needed` are there. */
function checkObject(
  where: string,
  value: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
  needed: readonly string[],
): void {
  for (const [name, part] of Object.entries(value)) {
    const section = allowed.toReversed().find((one) => keysOf(one).some((key) => key.name === name))
    assert.ok(section !== undefined, `${where}: "${name}" is not in the tables of ${allowed.join(', ')}`)
    seen.add(`${section}.${name}`)
    const key = keysOf(section).find((one) => one.name === name)
    checkType(`${where}: ${name}`, part, key?.type ?? '')
    // A word that a command redefines is still the envelope's key.
    for (const other of allowed)
      if (keysOf(other).some((one) => one.name === name)) seen.add(`${other}.${name}`)
  }
  for (const section of needed) {
    for (const key of keysOf(section)) {
      if (key.always) assert.ok(key.name in value, `${where}: ${section}.${key.name} is missing`)
    }
  }
}

function checkType(where: string, value: unknown, type: string): void {
  const list = /^list of (.*)$/.exec(type)?.[1]
  if (list !== undefined) {
    assert.ok(Array.isArray(value), `${where} is no list`)
    for (const one of value) checkType(where, one, list)
    return
  }
  const shape = /^\[([\w-]+)\]\(#\1\)$/.exec(type)?.[1]
  if (shape !== undefined) {
    assert.ok(isObject(value), `${where} is no object`)
    checkObject(where, value, [shape], [shape])
    return
  }
  const names: Readonly<Record<string, string>> = {
    text: 'string',
    number: 'number',
    'truth value': 'boolean',
  }
  if (type === 'anything') return
  assert.ok(names[type] !== undefined, `${where}: docs/json.md has an unknown type '${type}'`)
  assert.equal(typeof value, names[type], where)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function keysOf(section: string): readonly Key[] {
  return sections.get(section) ?? []
}

/** The tables of the page by their headings. */
function readSections(text: string): ReadonlyMap<string, readonly Key[]> {
  const found = new Map<string, Key[]>()
  let heading = ''
  for (const line of text.split('\n')) {
    heading = /^## (.*)$/.exec(line)?.[1] ?? heading
    const row = /^\| `(\w+)` \| (.*?) \| (.*?) ?\|$/.exec(line)
    if (row === null) continue
    const [, name = '', type = '', meaning = ''] = row
    const key = {
      name,
      type: type.replace(', not always', ''),
      always: !type.endsWith(', not always'),
      meaning,
    }
    found.set(heading, [...(found.get(heading) ?? []), key])
  }
  return found
}

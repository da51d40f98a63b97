import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { coloured } from '../src/cli/output.ts'
import { HELP } from '../src/cli/help-texts.ts'
import type { FakeMachine, Ran, RunOptions } from './support/fake-system.ts'
import { fakeMachine, runAdmit } from './support/fake-system.ts'
import { HOSTILE, isHarmless } from './support/hostile.ts'

const POLICY = `admit: 1
devices:
  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  spare:  { mac: 00:16:3e:00:00:02, admin: true, unseen: true }
grants:
  - { from: [laptop, spare], to: ssh }
`

function machineWith(policy: string): FakeMachine {
  const machine = fakeMachine()
  machine.files.set('/etc/admit/policy.yaml', policy)
  return machine
}

const run = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  runAdmit(machineWith(POLICY), args, options)

/** Command lines with a mistake, and what is said about it. */
const MISTAKES: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /^Usage: admit/],
  [['aply'], /unknown command 'aply'\n\(Did you mean apply\?\)/],
  [['chekc'], /Did you mean check\?/],
  [['delete'], /unknown command 'delete'/],
  [['check', '--polcy', 'x'], /unknown option '--polcy'\n\(Did you mean --policy\?\)/],
  [['apply', '--noconfirm'], /Did you mean --no-confirm\?/],
  [['stop', '--opne'], /Did you mean --open\?/],
  [['confirm', 'a', 'b'], /too many arguments for 'confirm'/],
  [['confirm', '--hre'], /Did you mean --here\?/],
  [['confirm', ''], /It is empty/],
  [['rollback', '1', '2'], /too many arguments for 'rollback'/],
  [['rollback', '--open'], /unknown option '--open'/],
  [['rolback'], /Did you mean rollback\?/],
  [['history', '1', '2'], /too many arguments for 'history'/],
  [['save', 'a', 'b'], /too many arguments for 'save'/],
  [['save', '7'], /A name is letters, digits/],
  [['apply', '--confirm-within'], /argument missing/],
  [['apply', '--confirm-within', '3601s'], /Write it like 60s, 5m or 1h; at most 1h/],
  [['apply', '--confirm-within=0'], /Write it like 60s/],
  [['apply', '--confirm-witin', '5s'], /Did you mean --confirm-within\?/],
  [['apply', '--force'], /argument missing/],
  [['apply', '--force', 'everything'], /names no check/],
  [['apply', 'now'], /too many arguments for 'apply'/],
  [['stop', '--', '--open'], /too many arguments for 'stop'/],
  [['lab', 'a', 'b'], /too many arguments for 'lab'/],
  [['check', '--policy', ''], /'--policy <file>' argument '' is invalid\. It is empty/],
  [['check', '--policy='], /unknown option|It is empty/],
  [['status', '--state', ''], /'--state <dir>' argument '' is invalid/],
  [['check', '--policy'], /option '--policy <file>' argument missing/],
  [['explain', '--from', 'laptop'], /required option '--to <service>' not specified/],
  [['explain', '--to', 'ssh'], /required option '--from <who>' not specified/],
  [['explain', '--from', '', '--to', 'ssh'], /It is empty/],
  [['show', '--as', 'iptables'], /Allowed choices are nft, json/],
  [['check', '--color', 'sometimes'], /Allowed choices are auto, always, never/],
]

describe('a mistaken command line', () => {
  for (const [args, expected] of MISTAKES) {
    test(`admit ${args.join(' ')}`, async () => {
      const machine = machineWith(POLICY)
      const before = new Map(machine.files)
      const ran = await runAdmit(machine, args)
      assert.equal(ran.exit, 2)
      assert.equal(ran.out, '')
      assert.match(ran.err, expected)
      assert.match(ran.err, /admit --help lists|^Usage: admit/)
      // What was nearly typed is suggested, and never run.
      assert.deepEqual(machine.files, before)
      assert.deepEqual(await machine.kernel.tables(), { ok: true, value: [] })
    })
  }
})

describe('--json', () => {
  const failing = [
    ...MISTAKES.map(([args]) => args),
    ['check'],
    ['show'],
    ['show', '--as', 'json'],
    ['explain', '--from', 'laptop', '--to', 'ssh'],
    ['explain', '--from', 'stranger', '--to', 'ssh'],
    ['explain', '--from', 'nobody', '--to', 'ssh'],
    ['explain', '--from', 'laptop', '--to', 'nothing'],
    ['explain', '--from', 'laptop', '--to', 'ssh', '--on', 'eth9'],
    ['explain', '--from', 'laptop', '--to', 'ssh', '--on', 'wg0'],
    ['plan'],
    ['apply'],
    ['start'],
    ['reload'],
    ['stop'],
    ['stop', '--open'],
    ['flush'],
    ['status'],
    ['apply', '--no-confirm'],
    ['confirm'],
    ['confirm', 'k7wq-3mzt-9fhx'],
    ['confirm', '-'],
    ['confirm', '--here'],
    ['rollback'],
    ['rollback', '1'],
    ['history'],
    ['history', '1'],
    ['history', '1', '--text'],
    ['history', '1', '--diff'],
    ['save'],
    ['save', 'good'],
    ['lab'],
    ['init'],
    ['init', '--yes', '--force'],
    ['whoami'],
    ['help'],
    ['help', 'apply'],
    ['help', 'mac-group'],
    ['help', 'mac-gruop'],
    ['help', 'exit-codes'],
    ['apply', '--help'],
    ['--version'],
    ['check', '--policy', '/nowhere'],
  ]
  const policies = [
    POLICY,
    'admit: 1\n',
    'admit: 1\ndevices: [',
    `${POLICY}tests: [{ from: stranger, accept: ssh }]\n`,
  ]
  for (const args of failing) {
    test(`exactly one document: admit --json ${args.join(' ')}`, async () => {
      for (const policy of policies) {
        const ran = await runAdmit(machineWith(policy), ['--json', ...args])
        const value: unknown = JSON.parse(ran.out)
        assert.ok(typeof value === 'object' && value !== null && 'admit' in value && 'command' in value)
        assert.equal(value.admit, 1)
        assert.ok(ran.out.endsWith('}\n'))
      }
    })
  }

  test('exactly one document of every command while a change is pending, and after it is confirmed', async () => {
    const machine = machineWith(POLICY)
    for (const before of [['apply'], ['confirm', '--here'], ['save', 'good'], ['stop', '--open']]) {
      await runAdmit(machine, before)
      for (const args of failing.filter((one) => !['init', 'lab'].includes(one[0] ?? ''))) {
        const copy = { ...machine, files: new Map(machine.files) }
        const ran = await runAdmit(copy, ['--json', ...args])
        assert.equal(ran.out.trimEnd().split('\n}\n').length, 1, args.join(' '))
        assert.ok(typeof JSON.parse(ran.out) === 'object')
      }
    }
  })

  test('a mistake is in the document as well', async () => {
    const ran = await run(['chekc', '--json'])
    assert.deepEqual(JSON.parse(ran.out), {
      admit: 1,
      command: 'admit',
      result: 'usage',
      message: "unknown command 'chekc'\n(Did you mean check?)",
    })
  })

  test('what a document says is what the text says', async () => {
    for (const args of [['check'], ['plan'], ['status'], ['explain', '--from', 'stranger', '--to', 'ssh']]) {
      assert.equal((await run(args)).exit, (await run([...args, '--json'])).exit)
    }
  })
})

describe('help', () => {
  test('of every command says what it is for, shows an example, and how it ends', async () => {
    for (const name of Object.keys(HELP)) {
      const ran = await run(name === 'admit' ? ['--help'] : [name, '--help'])
      assert.equal(ran.exit, 0)
      assert.match(ran.out, /^Usage: admit/)
      assert.match(ran.out, name === 'admit' ? /A first time:/ : /Example:\n {2}(sudo |ssh .*)?admit /)
      if (name !== 'help') assert.match(ran.out, /Exit codes: /)
      assert.ok(ran.out.split('\n').every((line) => line.length <= 120))
    }
  })

  test('of what changes the rules names every way to change less, or later', async () => {
    for (const name of ['apply', 'start', 'reload', 'stop', 'flush', 'rollback']) {
      const { out } = await run([name, '--help'])
      for (const option of ['--confirm-within <time>', '--no-confirm', '--force <words>']) {
        assert.ok(out.includes(option), `${name}: ${option}`)
      }
    }
    assert.match((await run(['confirm', '--help'])).out, /--here/)
    assert.match((await run(['history', '--help'])).out, /--text[^]*--diff \[other\]/)
  })

  test('the version', async () => {
    assert.equal((await run(['--version'])).out, 'admit 0.0.0\n')
  })
})

describe('colours', () => {
  const asked = ['explain', '--from', 'laptop', '--to', 'ssh']
  const painted = async (args: readonly string[], options: RunOptions): Promise<boolean> =>
    (await run([...asked, ...args], options)).out.includes(coloured('green', 'admitted'))

  test('on a terminal, unless NO_COLOR, a dumb terminal or --color says otherwise', async () => {
    assert.equal(await painted([], {}), false)
    assert.equal(await painted([], { terminal: true }), true)
    assert.equal(await painted([], { terminal: true, env: { NO_COLOR: '1' } }), false)
    assert.equal(await painted([], { terminal: true, env: { NO_COLOR: '' } }), true)
    assert.equal(await painted([], { terminal: true, env: { TERM: 'dumb' } }), false)
    assert.equal(await painted(['--color', 'never'], { terminal: true }), false)
    assert.equal(await painted(['--color', 'always'], { env: { NO_COLOR: '1' } }), true)
  })

  test('never in JSON', async () => {
    const ran = await run([...asked, '--json', '--color', 'always'])
    assert.ok(!ran.out.includes('\u001b'))
  })
})

describe('hostile words', () => {
  /** Every place where the command line takes a word. */
  const places: readonly ((word: string) => readonly string[])[] = [
    (word) => [word],
    (word) => ['check', word],
    (word) => ['check', `--${word}`],
    (word) => ['check', '--policy', word],
    (word) => ['status', '--state', word],
    (word) => ['start', '--state', word],
    (word) => ['show', '--as', word],
    (word) => ['explain', '--from', word, '--to', 'ssh'],
    (word) => ['explain', '--from', 'laptop', '--to', word],
    (word) => ['explain', '--from', 'laptop', '--to', 'ssh', '--on', word],
    (word) => ['apply', '--confirm-within', word],
    (word) => ['apply', '--force', word],
    (word) => ['confirm', word],
    (word) => ['rollback', word],
    (word) => ['history', word],
    (word) => ['history', word, '--text'],
    (word) => ['history', '1', '--diff', word],
    (word) => ['save', word],
    (word) => ['lab', word],
    (word) => ['init', '--policy', word],
    (word) => ['help', word],
    (word) => ['check', '--color', word],
  ]
  for (const word of HOSTILE) {
    test(`on the command line: ${JSON.stringify(word.slice(0, 40))}`, async () => {
      for (const place of places) {
        for (const json of [[], ['--json']]) {
          const args = [...json, ...place(word)]
          const ran = await run(args, { terminal: true })
          assert.ok(
            isHarmless(ran.err, { colours: true }),
            `${JSON.stringify(args)}\n${JSON.stringify(ran.err)}`,
          )
          assert.ok(
            isHarmless(ran.out, { colours: true }),
            `${JSON.stringify(args)}\n${JSON.stringify(ran.out)}`,
          )
          assert.notEqual(ran.exit, 70)
        }
      }
    })
  }

  test('as the path of the policy and of the stored rules', async () => {
    const path = '/tmp/\u001b[31mred\u202e.yaml'
    const machine = fakeMachine({ answer: true })
    machine.files.set(path, POLICY)
    machine.typed = path
    const at = ['--policy', path, '--state', path]
    for (const args of [
      ['check'],
      ['plan'],
      ['apply'],
      ['status'],
      ['apply'],
      ['confirm', '-'],
      ['confirm', '--here'],
      ['save'],
      ['history'],
      ['history', '1'],
      ['rollback'],
      ['stop', '--open', '--no-confirm'],
      ['start', '--no-confirm'],
      ['init'],
      ['init', '--force'],
    ]) {
      const ran = await runAdmit(machine, [...at, ...args])
      assert.ok(isHarmless(ran.out + ran.err), args.join(' '))
    }
    assert.ok(machine.questions.every((question) => isHarmless(question)))
  })
})

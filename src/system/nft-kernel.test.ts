import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ACCEPT, DROP, TABLE, rule } from '../../tests/support/tables.ts'
import { InternalError } from '../base/internal-error.ts'
import type { KernelError } from '../kernel/kernel.ts'
import type { Transaction } from '../ruleset/transaction.ts'
import type { CommandOptions, CommandResult } from './command.ts'
import { NftKernel } from './nft-kernel.ts'

/** An nft that notes what it was asked and always answers the same. */
function scripted(answer: Partial<CommandResult>): {
  readonly kernel: NftKernel
  readonly asked: {
    readonly program: string
    readonly args: readonly string[]
    readonly stdin: string | undefined
  }[]
} {
  const asked: { program: string; args: readonly string[]; stdin: string | undefined }[] = []
  const run = (
    program: string,
    args: readonly string[],
    options?: CommandOptions,
  ): Promise<CommandResult> => {
    asked.push({ program, args, stdin: options?.stdin })
    const ran = { code: 0, signal: undefined, stdout: '', stderr: '', timedOut: false, truncated: false }
    return Promise.resolve({ kind: 'ran', ...ran, ...answer } as CommandResult)
  }
  return { kernel: new NftKernel({ run, command: ['nft'] }), asked }
}

/** What ties an nft that changes something to the life of this process. */
const TIE = [
  'setpriv',
  '--pdeathsig',
  'KILL',
  '/bin/sh',
  '-c',
  '[ "$PPID" = "$1" ] || exit 4; shift; exec "$@"',
  'sh',
  String(process.pid),
]

const TRANSACTION: Transaction = {
  table: TABLE,
  operations: [
    { kind: 'add-table' },
    { kind: 'add-chain', chain: 'c' },
    { kind: 'add-rule', chain: 'c', rule: rule('grants[7]: x', ACCEPT) },
    { kind: 'add-rule', chain: 'c', rule: rule('end', DROP) },
  ],
}

async function error(answer: Partial<CommandResult>): Promise<KernelError> {
  const result = await scripted(answer).kernel.apply(TRANSACTION)
  assert.ok(!result.ok)
  return result.error
}

/** An nft that answers each command line by its own. */
function answering(answers: Readonly<Record<string, Partial<CommandResult>>>): {
  readonly kernel: NftKernel
  readonly asked: string[]
} {
  const asked: string[] = []
  const run = (_program: string, args: readonly string[]): Promise<CommandResult> => {
    asked.push(args.join(' '))
    const ran = { code: 0, signal: undefined, stdout: '', stderr: '', timedOut: false, truncated: false }
    return Promise.resolve({ kind: 'ran', ...ran, ...answers[args.join(' ')] } as CommandResult)
  }
  return { kernel: new NftKernel({ run, command: ['nft'] }), asked }
}

/** A listing of tables, each closed by the policy of its input chain. */
function closed(...tables: readonly (readonly [family: string, name: string, flags?: string])[]): string {
  const objects = tables.flatMap(([family, name, flags]) => [
    `{"table": {"family": "${family}", "name": "${name}", "handle": 1${flags === undefined ? '' : `, "flags": ${flags}`}}}`,
    `{"chain": {"family": "${family}", "table": "${name}", "name": "c", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}`,
  ])
  return `{"nftables": [${objects.join(', ')}]}`
}

describe('everything behind nft', () => {
  it('is one listing where no table has flags', async () => {
    const { kernel, asked } = answering({ '-j -n list ruleset': { stdout: closed(['inet', 'a']) } })
    const observed = await kernel.observeAll()
    assert.ok(observed.ok)
    assert.equal(observed.value.ruleset.tables[0]?.chains[0]?.base?.policy, 'drop')
    assert.deepEqual(asked, ['-j -n list ruleset'])
  })

  it('asks of a table with flags for its text, and takes it for awake where that tells nothing', async () => {
    const { kernel, asked } = answering({
      '-j -n list ruleset': {
        stdout: closed(
          ['inet', 'a', '"\u0001'],
          ['ip', 'b', '"owner"'],
          ['ip', 'no name', '"x"'],
          ['ip', 'c'],
        ),
      },
      'list table inet a': { stdout: 'table inet a {\n\tflags dormant\n\n\tchain c {\n' },
      'list table ip b': { stdout: 'table ip b {\n\tflags owner\n\n\tchain c {\n' },
    })
    const observed = await kernel.observeAll()
    assert.ok(observed.ok)
    assert.deepEqual(
      observed.value.ruleset.tables.map(({ name, dormant }) => [name, dormant]),
      [
        ['a', true],
        ['b', undefined],
        ['no name', undefined],
        ['c', undefined],
      ],
    )
    assert.deepEqual(asked.slice(1), ['list table inet a', 'list table ip b'])
  })

  it('is read table by table where the listing is none, and what is no table then may do anything', async () => {
    const { kernel } = answering({
      '-j -n list ruleset': { stdout: '{"nftables": [broken' },
      'list tables': { stdout: 'table inet a\ntable inet b\ntable ip gone\n' },
      '-j -n list table inet a': { stdout: closed(['inet', 'a']) },
      '-j -n list table inet b': { stdout: 'broken' },
      '-j -n list table ip gone': { code: 1, stderr: 'Error: No such file or directory' },
    })
    const observed = await kernel.observeAll()
    assert.ok(observed.ok)
    const { ruleset, notes } = observed.value
    assert.deepEqual(
      ruleset.tables.map(({ name }) => name),
      ['a', 'b'],
    )
    assert.deepEqual(notes, ['table inet b could not be read'])
    const [statement] = ruleset.tables[1]?.chains[0]?.rules[0]?.statements ?? []
    assert.ok(statement?.kind === 'opaque' && statement.effect === 'verdict')
  })

  it('is an error where nft itself fails', async () => {
    const { kernel } = answering({
      '-j -n list ruleset': { code: 1, stderr: 'Operation not permitted (you must be root)' },
    })
    const observed = await kernel.observeAll()
    assert.ok(!observed.ok && observed.error.kind === 'not-permitted')
  })
})

describe('the kernel behind nft', () => {
  it('asks nft in these words', async () => {
    const { kernel, asked } = scripted({ stdout: '{"nftables": []}' })
    await kernel.capabilities()
    await kernel.check(TRANSACTION)
    await kernel.apply(TRANSACTION)
    await kernel.observe(TABLE)
    await kernel.tables()
    await kernel.apply({ table: TABLE, operations: [] })
    const text =
      'add table inet admit\nadd chain inet admit c\n' +
      'add rule inet admit c accept comment "grants[7]: x"\nadd rule inet admit c drop comment "end"\n'
    assert.deepEqual(
      asked.map(({ program, args, stdin }) => [program, ...args, stdin]),
      [
        ['nft', '--version', ''],
        ['nft', '-c', '-f', '-', text],
        [...TIE, 'nft', '-f', '-', text],
        ['nft', '-j', '-n', 'list', 'table', 'inet', 'admit', ''],
        ['nft', 'list', 'tables', ''],
      ],
    )
  })

  for (const [kind, answer] of [
    ['unavailable', { kind: 'missing', program: 'nft' }],
    ['unavailable', { kind: 'failed', program: 'nft', reason: 'spawn EAGAIN' }],
    ['unavailable', { code: undefined, signal: 'SIGSEGV' }],
    [
      'unavailable',
      { code: 1, stderr: 'internal:0:0-0: Error: cache initialization failed: Protocol not supported' },
    ],
    [
      'not-permitted',
      { code: 1, stderr: '/dev/stdin:1:1-20: Error: Could not process rule: Operation not permitted' },
    ],
    ['not-permitted', { code: 1, stderr: 'Operation not permitted (you must be root)' }],
    ['too-large', { code: 1, stderr: 'netlink: Error: Could not process rule: Message too long' }],
    ['too-large', { code: undefined, signal: 'SIGKILL', truncated: true }],
    ['timed-out', { code: undefined, signal: 'SIGKILL', timedOut: true }],
    // Half of an upgrade: what nft cannot tell is not "there is no table".
    [
      'rejected',
      {
        code: 127,
        stderr: 'nft: libnftables.so.1: cannot open shared object file: No such file or directory',
      },
    ],
    [
      'not-found',
      { code: 1, stderr: '/dev/stdin:2:1-9: Error: Could not process rule: No such file or directory' },
    ],
    ['not-found', { code: 1, stderr: '/dev/stdin:2:1-9: Error: element does not exist' }],
    ['rejected', { code: 1, stderr: '/dev/stdin:2:1-9: Error: Could not process rule: File exists' }],
    ['rejected', { code: 1, stderr: '' }],
  ] as const) {
    it(`calls ${JSON.stringify(answer)} ${kind}`, async () => {
      assert.equal((await error(answer)).kind, kind)
    })
  }

  it('names the rule at fault by its comment, and only a rule', async () => {
    const at = (line: number): Promise<KernelError> =>
      error({ code: 1, stderr: `/dev/stdin:${line}:1-9: Error: syntax error, unexpected x\nadd\n^^^\n` })
    assert.equal((await at(3)).origin, 'grants[7]: x')
    assert.equal((await at(4)).origin, 'end')
    assert.equal((await at(2)).origin, undefined)
    assert.equal((await at(99)).origin, undefined)
    assert.equal((await at(3)).message, 'nft refused: syntax error, unexpected x')
  })

  it('hands no control characters of nft’s on', async () => {
    const { message, detail } = await error({
      code: 1,
      stderr: 'x:1:1: Error: \u001b[2J\u202e\u0007 bad\n\u001b]0;t\u0007',
    })
    assert.equal(message, 'nft refused: \\u{1b}[2J\\u{202e}\\u{7} bad')
    assert.match(detail ?? '', /^[^\u0000-\u0009\u000b-\u001f\u202e]+$/u)
  })

  it('tells a table that is not there from an nft that is not', async () => {
    const absent = { code: 1, stderr: 'Error: No such file or directory\nlist table inet admit\n' }
    assert.deepEqual(await scripted(absent).kernel.observe(TABLE), { ok: true, value: undefined })
    const missing = await scripted({ kind: 'missing', program: 'nft' }).kernel.observe(TABLE)
    assert.ok(!missing.ok && missing.error.kind === 'unavailable')
  })

  it('refuses to overlook what it cannot read in its table', async () => {
    for (const stdout of [
      'garbage',
      '{"nftables": [{"table": {"family": "inet", "name": "admit"}}, {"map": {"family": "inet", "table": "admit"}}]}',
    ]) {
      const result = await scripted({ stdout }).kernel.observe(TABLE)
      assert.ok(!result.ok && result.error.kind === 'unreadable')
    }
    const version = await scripted({ stdout: 'busybox' }).kernel.capabilities()
    assert.ok(!version.ok && version.error.kind === 'unreadable')
  })

  it('has a bug, and runs nothing, where a name is none of nft’s', async () => {
    const { kernel, asked } = scripted({})
    const name = 'admit; flush ruleset'
    await assert.rejects(kernel.observe({ family: 'inet', name }), InternalError)
    const operations: Transaction['operations'] = [{ kind: 'add-table' }]
    await assert.rejects(kernel.apply({ table: { family: 'inet', name }, operations }), InternalError)
    assert.deepEqual(asked, [])
  })
})

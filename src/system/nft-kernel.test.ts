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

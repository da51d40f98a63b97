/** Everything that the documentation shows is true: policies pass, commands run and print what the page says. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { outputFits, readPage } from './support/doc-page.ts'
import type { Claim, Command } from './support/doc-page.ts'
import { runInSandbox } from './support/doc-sandbox.ts'
import type { Ran } from './support/doc-sandbox.ts'

const root = new URL('..', import.meta.url).pathname
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).toSorted()

for (const page of pages) {
  describe(page, () => {
    for (const [host, claims] of readPage(readFileSync(root + page, 'utf8')).hosts)
      checkClaims(page, host, claims)
  })
}

function checkClaims(page: string, host: string, claims: readonly Claim[]): void {
  const planned = claims.map((claim) => ({ claim, commands: commandsOf(claim, host) }))
  const all = planned.flatMap(({ commands }) => commands)
  let results: readonly (Ran | undefined)[] | undefined
  let first = 0
  for (const { claim, commands } of planned) {
    const at = first
    first += commands.length
    test(`${page}:${claim.line} on ${host}`, (t) => {
      results ??=
        all.length === 0
          ? []
          : runInSandbox(
              host,
              all.map(({ text }) => text),
            )
      checkClaim(t, claim)
      for (const [index, command] of commands.entries()) checkCommand(page, command, results[at + index])
    })
  }
}

/** What a claim comes down to: shell commands with what they print. */
function commandsOf(claim: Claim, host: string): readonly Command[] {
  // A page that names no host is about the language.
  const check = host === 'lo' ? 'admit check --no-host --policy' : 'admit check --policy'
  const { line } = claim
  switch (claim.kind) {
    case 'session':
      return claim.commands
    case 'policy':
      return [
        { line, text: write(claim.file, claim.text), output: [], status: 0 },
        { line, text: `${check} ${claim.file}`, output: ['…'], status: 0 },
      ]
    case 'wrong-policy':
      return [
        { line, text: write('wrong.yaml', claim.text), output: [], status: 0 },
        {
          line,
          text: `${check} wrong.yaml`,
          output: ['…', ...claim.codes.flatMap((code) => [`…${code}…`, '…'])],
          status: 2,
        },
      ]
    case 'json':
    case 'not-run':
    case 'unclear':
      return []
    default:
      return claim satisfies never
  }
}

function write(file: string, text: string): string {
  return `cat >${file} <<'END OF FILE'\n${text}END OF FILE`
}

function checkClaim(t: TestContext, claim: Claim): void {
  switch (claim.kind) {
    case 'unclear':
      assert.fail(claim.problem)
      break
    case 'not-run':
      t.skip(claim.reason)
      break
    case 'json':
      JSON.parse(claim.text)
      break
    case 'session':
    case 'policy':
    case 'wrong-policy':
      break
    default:
      claim satisfies never
  }
}

function checkCommand(page: string, command: Command, ran: Ran | undefined): void {
  const where = `${page}:${command.line}: ${command.text}`
  assert.ok(ran, `${where}\nwas not reached: it, or one before it, did not come to an end`)
  if (ran.status === command.status && outputFits(command.output, ran.output)) return
  assert.fail(
    `${where}\nthe page shows status ${command.status} and\n${indent(command.output)}\n` +
      `it ended with status ${ran.status} and printed\n${indent(ran.output)}`,
  )
}

function indent(text: readonly string[]): string {
  return text.map((line) => `    ${line}`).join('\n')
}

describe('the checker itself', () => {
  const page = (...lines: string[]): readonly Claim[] => [...readPage(lines.join('\n')).hosts.values()].flat()

  test('commands run in order in one shell, and what they print is compared', () => {
    const [claim] = page(
      '<!-- run: vps -->',
      '```console',
      '$ cd /tmp; name=admit',
      '# echo "$name in $PWD" >&2',
      'admit in /tmp',
      '# ip -br address show dev eth0',
      'eth0@…  UP  …203.0.113.10/24 …',
      '$ seq 9',
      '1',
      '…',
      '9',
      '$ cat <<END',
      '> text',
      '> END',
      'text',
      '$ ss -Hltnp',
      '…*:22222 …"sshd"…',
      '$ ip netns exec client ping -c 1 -W 2 203.0.113.10 >/run/out',
      '$ touch /usr/bin/x /etc/admit/policy.yaml',
      "touch: cannot touch '/usr/bin/x': Read-only file system",
      '$ ls $ADMIT_POLICY; false',
      '/etc/admit/policy.yaml',
      '```',
    )
    assert.ok(claim?.kind === 'session')
    const ran = runInSandbox(
      'vps',
      claim.commands.map(({ text }) => text),
    )
    const statuses = ran.map((result) => result?.status)
    assert.deepEqual(statuses, [0, 0, 0, 0, 0, 0, 0, 1, 1])
    for (const [index, command] of claim.commands.entries()) {
      checkCommand('page', { ...command, status: statuses[index] ?? -1 }, ran[index])
      assert.throws(() => checkCommand('page', { ...command, output: ['other'] }, ran[index]))
    }
  })

  test('a command that hangs or ends the shell is found', () => {
    assert.deepEqual(
      runInSandbox('lo', ['echo a', 'sleep 60', 'echo b'], 2).map((ran) => ran?.output),
      [['a'], undefined, undefined],
    )
    assert.deepEqual(runInSandbox('lo', ['exit 3', 'echo b']), [undefined, undefined])
  })

  test('the office is there', () => {
    const commands = [
      'ip netns exec desk ping -c 1 -W 2 2001:db8:2::1 >/run/out',
      'ip neighbour show dev eth1',
    ]
    const [ping, neighbours] = runInSandbox('office', commands)
    assert.equal(ping?.status, 0)
    assert.match(neighbours?.output.join('\n') ?? '', /192.168.1.7 lladdr 00:16:3e:00:00:07/)
  })

  test('a command may be typed on another machine of the network', () => {
    const [claim] = page(
      '<!-- run: vps, at: client, exit: 1 -->',
      '```console',
      "$ ip -br a | grep '198.51'; false",
      '```',
    )
    assert.ok(claim?.kind === 'session')
    const [ran] = runInSandbox(
      'vps',
      claim.commands.map(({ text }) => text),
    )
    assert.match(ran?.output.join('\n') ?? '', /198\.51\.100\.7\/24/)
    assert.equal(ran?.status, 1)
  })

  test('a block says what it is', () => {
    assert.deepEqual(
      page(
        '```',
        'x',
        '```',
        '```console',
        '$ x',
        '```',
        '<!-- not run: a, b -->',
        '```console',
        '$ x',
        '```',
      ).map((claim) => claim.kind),
      ['unclear', 'unclear', 'not-run'],
    )
    assert.deepEqual(page('text', '```yaml fragment', 'a: 1', '```', '```text', '```'), [])
    assert.deepEqual(page('1. item', '', '   ```yaml wrong unknown-key', '   a:', '     b: 1', '   ```'), [
      { kind: 'wrong-policy', line: 3, text: 'a:\n  b: 1\n', codes: ['unknown-key'] },
    ])
  })
})

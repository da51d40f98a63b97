import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { evaluate } from '../src/analysis/evaluate.ts'
import { readText } from '../src/backends/nftables/read-text.ts'
import { renderTable } from '../src/backends/nftables/render.ts'
import { reasonWords } from '../src/cli/reason-words.ts'
import { compile } from '../src/compile/compile.ts'
import { originPath } from '../src/compile/origin.ts'
import type { HostFacts } from '../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../src/host/host-facts.ts'
import type { Packet } from '../src/packet/packet.ts'
import { checkAgainstHost } from '../src/policy/against-host.ts'
import type { Judgement } from '../src/policy/meaning.ts'
import { judge } from '../src/policy/meaning.ts'
import type { Policy } from '../src/policy/policy.ts'
import { readPolicy } from '../src/policy/read.ts'
import { renderDiagnostics } from '../src/policy/render-diagnostic.ts'
import { parseSystemServices } from '../src/policy/system-services.ts'
import { sameTable } from '../src/ruleset/normalise.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import type { CaseHost } from './support/case-host.ts'
import { parseCaseHost } from './support/case-host.ts'
import { formatPackets, parsePackets } from './support/case-packets.ts'
import { fragmentOf } from './support/case-rules.ts'
import { expectOk } from './support/expect-ok.ts'

/**
 * Every folder in tests/cases is one idea: policy.yaml and host.txt go in, the other files come out
 * (tests/cases/README.md). `UPDATE=1 node --test tests/cases.test.ts` rewrites the files that come out.
 */
const CASES = new URL('cases/', import.meta.url)
/** 2027-01-15T08:00:00Z. */
const NOW = 1_800_000_000
const SERVICES = parseSystemServices('smtp 25/tcp mail\nsubmissions 465/tcp\n')
const UPDATE = process.env['UPDATE'] === '1'

const folders = readdirSync(CASES, { withFileTypes: true }).filter((entry) => entry.isDirectory())
for (const { name } of folders.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
  const folder = new URL(`${name}/`, CASES)
  const file = (leaf: string): URL => new URL(leaf, folder)
  const text = readFileSync(file('policy.yaml'), 'utf8')
  const host = parseCaseHost(readOptional(file('host.txt')))
  describe(`case ${name}`, () => {
    test('what the reader says', () => expectFile(file('diagnostics.txt'), diagnosticsOf(text, host)))
    if (existsSync(file('packets.txt'))) meaningTests(file, text, host)
  })
}

function readCase(text: string, host: CaseHost): ReturnType<typeof readPolicy> {
  return readPolicy(text, { systemServices: host.services ? SERVICES : undefined, now: NOW })
}

function diagnosticsOf(text: string, host: CaseHost): string {
  const { policy, diagnostics } = readCase(text, host)
  const { facts } = host
  const beside = policy === undefined || facts === undefined ? [] : checkAgainstHost(policy, facts)
  return renderDiagnostics([...diagnostics, ...beside], { file: 'policy.yaml', text })
}

/** The case says what becomes of packets: it then also shows the rules. */
function meaningTests(file: (leaf: string) => URL, text: string, host: CaseHost): void {
  const facts = host.facts ?? UNKNOWN_HOST
  const { policy } = readCase(text, host)
  assert.ok(policy !== undefined, 'the policy of a case with packets can be read')
  const table = compile(policy, facts, { now: NOW })
  test('its rules', () => {
    const whole = renderTable(table)
    const part = existsSync(file('rules.nft')) ? undefined : fragmentOf(whole, smallest())
    expectFile(file(part === undefined ? 'rules.nft' : 'rules-fragment.nft'), part ?? whole)
    assert.ok(sameTable(expectOk(readText(whole), 'the text is read back'), table))
  })
  test('its packets', () =>
    expectFile(file('packets.txt'), packetsOf(file('packets.txt'), policy, facts, table)))
}

/** What the emptiest policy compiles to: the part that all rules have. */
function smallest(): string {
  const { policy } = readPolicy('admit: 1\nsafety: { admins: 0 }\n', { systemServices: undefined, now: NOW })
  assert.ok(policy !== undefined)
  return renderTable(compile(policy, UNKNOWN_HOST, { now: NOW }))
}

/** The lines of a packets.txt with the verdicts and reasons that the policy gives; its rules must say the same. */
function packetsOf(file: URL, policy: Policy, facts: HostFacts, table: Table): string {
  const readBack = expectOk(readText(renderTable(table)), 'the text is read back')
  const lines = parsePackets(readFileSync(file, 'utf8'), { facts, now: NOW })
  return formatPackets(
    lines.map((line) => {
      if (line.kind === 'text') return line
      const judgement = judge(policy, facts, line.packet)
      expectRules(table, line.packet, judgement, `line ${line.line}: the compiled rules`)
      expectRules(readBack, line.packet, judgement, `line ${line.line}: the rules read back from text`)
      return { ...line, verdict: judgement.verdict, reason: reasonOf(judgement) }
    }),
  )
}

/** The rules admit the same packets, and a grant's packet by a rule of that grant. */
function expectRules(table: Table, packet: Packet, judgement: Judgement, what: string): void {
  const { verdict, path } = evaluate({ tables: [table] }, packet)
  assert.equal(verdict === 'accept' ? 'admitted' : 'refused', judgement.verdict, what)
  if (judgement.reason.kind !== 'grant') return
  assert.equal(originPath(path.at(-1)?.rule?.comment ?? ''), judgement.place?.path, `${what}: by which grant`)
}

function reasonOf(judgement: Judgement): string {
  const where = judgement.place === undefined ? '' : `${judgement.place.path}: `
  return `${where}${reasonWords(judgement)}`
}

function readOptional(file: URL): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Compares with a golden file; a file that is missing counts as empty. */
function expectFile(file: URL, actual: string): void {
  if (UPDATE && (actual !== '' || existsSync(file))) writeFileSync(file, actual)
  const expected = readOptional(file)
  assert.equal(actual, expected, 'run UPDATE=1 node --test tests/cases.test.ts, and read the difference')
}

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { HostFacts } from '../src/host/host-facts.ts'
import { checkAgainstHost } from '../src/policy/against-host.ts'
import { readPolicy } from '../src/policy/read.ts'
import { renderDiagnostics } from '../src/policy/render-diagnostic.ts'
import { parseSystemServices } from '../src/policy/system-services.ts'
import { SAMPLE_HOST } from './support/sample-host.ts'

/**
 * Every folder in tests/cases is one idea: policy.yaml goes in, the other files come out. `host.txt` says what the
 * policy is checked against: `sample` for tests/support/sample-host.ts, `no service list` for a host without
 * /etc/services. `UPDATE=1 node --test tests/cases.test.ts` rewrites the files that come out.
 */
const CASES = new URL('cases/', import.meta.url)
/** 2027-01-15. */
const NOW = 1_800_000_000
const SERVICES = parseSystemServices('smtp 25/tcp mail\nsubmissions 465/tcp\n')
const UPDATE = process.env['UPDATE'] === '1'

for (const name of readdirSync(CASES).toSorted()) {
  const folder = new URL(`${name}/`, CASES)
  test(`case ${name}`, () => {
    const text = readFileSync(new URL('policy.yaml', folder), 'utf8')
    const host = readOptional(new URL('host.txt', folder))
    expectFile(new URL('diagnostics.txt', folder), diagnosticsOf(text, host))
  })
}

function diagnosticsOf(text: string, host: string | undefined): string {
  const systemServices = host === 'no service list' ? undefined : SERVICES
  const { policy, diagnostics } = readPolicy(text, { systemServices, now: NOW })
  const facts: HostFacts | undefined = host === 'sample' ? SAMPLE_HOST : undefined
  const beside = policy === undefined || facts === undefined ? [] : checkAgainstHost(policy, facts)
  return renderDiagnostics([...diagnostics, ...beside], { file: 'policy.yaml', text })
}

function readOptional(file: URL): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}

/** Compares with a golden file; a file that is missing counts as empty. */
function expectFile(file: URL, actual: string): void {
  if (UPDATE && (actual !== '' || existsSync(file))) writeFileSync(file, actual)
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : ''
  assert.equal(actual, expected, 'run UPDATE=1 node --test tests/cases.test.ts, and read the difference')
}

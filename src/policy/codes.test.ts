import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { checkAgainstHost } from './against-host.ts'
import type { DiagnosticCode } from './codes.ts'
import { CODES, codePage } from './codes.ts'
import { HOST_CODES } from './codes/host-codes.ts'
import { readPolicy } from './read.ts'
import { MAX_PLAIN_LENGTH } from './yaml/plain.ts'

/** Examples that would be too long to print are only described on their page; here they are built. */
const BUILT: { readonly [code: string]: () => string } = {
  'yaml-size': () => `admit: 1\n#${'x'.repeat(MAX_PLAIN_LENGTH)}\n`,
  'too-many-problems': () => `devices: [${'x, '.repeat(1100)}]\ngrants: [${'x, '.repeat(1100)}]\n`,
  'too-many-until': () =>
    `devices:\n${Array.from({ length: 1001 }, (_, i) => `  d${i}: { address: 10.0.${i >> 8}.${i & 255}, until: 2099-01-01T00:00:00Z }\n`).join('')}`,
  'group-too-large': () => {
    const members = Array.from({ length: 1001 }, (_, i) => `d${i}`)
    const devices = members.map((name, i) => `  ${name}: { address: 10.0.${i >> 8}.${i & 255} }\n`).join('')
    const groups = members.map((name) => `  g-${name}: [all]\n`).join('')
    return `devices:\n${devices}groups:\n  all: [${members.join(', ')}]\n${groups}`
  },
}

function whole(code: string, piece: string): string {
  if (code === 'yaml-version' || code === 'empty-policy' || piece.startsWith('admit:')) return piece
  return `admit: 1\n${piece.includes('safety:') ? '' : 'safety: { admins: 0 }\n'}${piece}`
}

function codesOf(code: string, piece: string): readonly string[] {
  const text = whole(code, piece)
  const systemServices = code === 'no-service-list' ? undefined : new Map()
  const { policy, diagnostics } = readPolicy(text, { systemServices, now: 1_800_000_000 })
  const host =
    policy !== undefined && Object.hasOwn(HOST_CODES, code) ? checkAgainstHost(policy, SAMPLE_HOST) : []
  return [...diagnostics, ...host].map((diagnostic) => diagnostic.code)
}

for (const [code, page] of Object.entries(CODES)) {
  test(`the page of ${code} shows the problem, and a cure that cures it`, () => {
    const wrong = BUILT[code]?.() ?? page.wrong
    assert.ok(codesOf(code, wrong).includes(code), `wrong: ${codesOf(code, wrong).join(', ')}`)
    const after = codesOf(code, page.right).filter(
      (found) => found !== 'few-admins' && found !== 'too-few-admins',
    )
    assert.deepEqual(after, [], 'right')
    assert.match(page.title, /[^.]$/)
    assert.match(page.means, /[.?]$/)
  })
}

test('a code page is plain text, and an unknown code has none', () => {
  assert.match(
    codePage('mac-group' satisfies DiagnosticCode) ?? '',
    /^mac-group: A group address is no device\n\n/,
  )
  assert.equal(codePage('toString'), undefined)
})

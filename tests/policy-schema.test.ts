import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { parse } from 'yaml'
import type { DiagnosticCode } from '../src/policy/codes.ts'
import { CODES } from '../src/policy/codes.ts'
import { jsonSchema } from '../src/policy/language.ts'
import { readPolicy } from '../src/policy/read.ts'
import { arbitraryPolicy, GENERATED_NOW } from './support/policy-arbitrary.ts'

const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(jsonSchema())

/** What a schema can say; everything else needs more than one value, or the host. */
const EXPRESSIBLE: ReadonlySet<DiagnosticCode> = new Set<DiagnosticCode>([
  'wrong-version',
  'unknown-key',
  'missing-key',
  'wrong-type',
  'empty-list',
  'unknown-word',
  'not-true-or-false',
  'bad-name',
  'bad-time',
  'bad-rate',
  'bad-duration',
  'bad-number',
  'bad-interface',
  'bad-mac',
  'mac-as-number',
  'bad-address',
  'bad-service',
  'note-too-long',
])

/** As an editor reads it: YAML 1.2 with its core schema. */
function asEditorsRead(text: string): unknown {
  return parse(text, { uniqueKeys: false, logLevel: 'silent' })
}

test('every generated policy is valid by the schema', () => {
  fc.assert(
    fc.property(arbitraryPolicy(), ({ text }) => {
      assert.ok(validate(asEditorsRead(text)), `${JSON.stringify(validate.errors)}\n${text}`)
    }),
    { numRuns: 200 },
  )
})

const cases = new URL('cases/', import.meta.url)

const folders = readdirSync(cases, { withFileTypes: true }).filter((entry) => entry.isDirectory())
for (const { name } of folders) {
  test(`the schema agrees with case ${name}`, () => {
    const text = readFileSync(new URL(`${name}/policy.yaml`, cases), 'utf8')
    const { policy, diagnostics } = readPolicy(text, { systemServices: new Map(), now: GENERATED_NOW })
    if (policy !== undefined) assert.ok(validate(asEditorsRead(text)), JSON.stringify(validate.errors))
    else if (diagnostics.some((found) => found.severity === 'error' && EXPRESSIBLE.has(found.code))) {
      assert.equal(validate(asEditorsRead(text)), false)
    }
  })
}

for (const [code, page] of Object.entries(CODES)) {
  const expressible: ReadonlySet<string> = EXPRESSIBLE
  if (!expressible.has(code)) continue
  test(`the schema refuses the example of ${code}, and takes its cure`, () => {
    const whole = (piece: string): string => (piece.startsWith('admit:') ? piece : `admit: 1\n${piece}`)
    assert.equal(validate(asEditorsRead(whole(page.wrong))), false)
    assert.ok(validate(asEditorsRead(whole(page.right))), JSON.stringify(validate.errors))
  })
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errorsDocument } from '../src/policy/codes.ts'
import { jsonSchema } from '../src/policy/language.ts'

const hint = 'out of date: run node script/write-docs.ts'

test('docs/errors.md is what the table of codes renders to', () => {
  assert.equal(readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8'), errorsDocument(), hint)
})

test('docs/policy.schema.json is what the language table generates', () => {
  const committed: unknown = JSON.parse(
    readFileSync(new URL('../docs/policy.schema.json', import.meta.url), 'utf8'),
  )
  assert.deepEqual(committed, JSON.parse(JSON.stringify(jsonSchema())), hint)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryPolicy, GENERATED_NOW, GENERATED_SERVICES } from '../../tests/support/policy-arbitrary.ts'
import { withoutPlaces } from '../../tests/support/without-places.ts'
import { formatPolicy } from './format.ts'
import { readPolicy } from './read.ts'

test('reading what was formatted gives the same policy, and formatting it again the same text', () => {
  fc.assert(
    fc.property(arbitraryPolicy(), ({ policy }) => {
      const text = formatPolicy(policy)
      const { policy: again, diagnostics } = readPolicy(text, {
        systemServices: GENERATED_SERVICES,
        now: GENERATED_NOW,
      })
      assert.deepEqual(
        diagnostics.filter((diagnostic) => diagnostic.severity === 'error'),
        [],
      )
      assert.ok(again)
      assert.deepEqual(withoutPlaces(again), withoutPlaces(policy))
      assert.equal(formatPolicy(again), text)
    }),
    { numRuns: 300 },
  )
})

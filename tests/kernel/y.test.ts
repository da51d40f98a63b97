import { test } from 'node:test'
import assert from 'node:assert/strict'
test('private', () => {
  assert.equal(process.env['ADMIT_NETNS'], 'private')
})

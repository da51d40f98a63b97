import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatToken, parseToken } from './confirm-token.ts'

test('groups of four; dashes, spaces and case do not matter when it is typed', () => {
  assert.equal(formatToken('k7wq3mzt9fhx'), 'k7wq-3mzt-9fhx')
  for (const text of ['k7wq-3mzt-9fhx', 'K7WQ3MZT9FHX', ' k7wq 3mzt-9fhx\n', 'k-7-w-q3mzt9fhx']) {
    assert.equal(parseToken(text), 'k7wq3mzt9fhx', text)
  }
})

test('what is no token', () => {
  for (const text of [
    '',
    'k7wq-3mzt-9fh',
    'k7wq-3mzt-9fhxx',
    'k7wq-3mzt-9fh0',
    'k7wq-3mzt-9fhi',
    'k7wq_3mzt_9fhx',
  ]) {
    assert.equal(parseToken(text), undefined, text)
  }
})

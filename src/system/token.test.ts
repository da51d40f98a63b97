import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeToken, newToken } from './token.ts'

test('a new token is right however it is typed, and no other is', () => {
  const { shown, hash } = newToken()
  assert.match(shown, /^[2-9a-z]{4}-[2-9a-z]{4}-[2-9a-z]{4}$/)
  assert.match(hash, /^[0-9a-f]{64}$/)
  for (const typed of [
    shown,
    shown.toUpperCase(),
    shown.replaceAll('-', ''),
    ` ${shown.replace('-', ' ')} `,
  ]) {
    assert.equal(judgeToken(typed, hash), 'right', typed)
  }
  const first = shown.startsWith('a') ? 'b' : 'a'
  for (const typed of [
    '',
    'yes',
    `${first}${shown.slice(1)}`,
    shown.slice(1),
    `${shown}a`,
    hash,
    newToken().shown,
  ]) {
    assert.equal(judgeToken(typed, hash), 'wrong', typed)
  }
})

test('nothing typed is no token; a hash that is none is matched by nothing', () => {
  const { shown, hash } = newToken()
  assert.equal(judgeToken(undefined, hash), 'none')
  for (const odd of ['', 'abc', 'ä'.repeat(64), hash.slice(1)]) assert.equal(judgeToken(shown, odd), 'wrong')
})

test('a thousand tokens: all different, every character of the alphabet and no other', () => {
  const tokens = Array.from({ length: 1000 }, () => newToken().shown)
  assert.equal(new Set(tokens).size, 1000)
  const characters = [...new Set(tokens.join('').replaceAll('-', ''))].sort().join('')
  assert.equal(characters, '23456789abcdefghjkmnpqrstvwxyz')
})

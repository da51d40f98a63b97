import assert from 'node:assert/strict'
import { test } from 'node:test'
import { displayWidth } from './display-width.ts'

test('a text is as wide as a terminal shows it', () => {
  assert.equal(displayWidth(''), 0)
  assert.equal(displayWidth('laptop'), 6)
  assert.equal(displayWidth('gerät'), 5)
  assert.equal(displayWidth('ge\u0308'), 2)
  assert.equal(displayWidth('家族'), 4)
  assert.equal(displayWidth('ｶ゛'), 3)
  assert.equal(displayWidth('\u{1f4a9}!'), 3)
})

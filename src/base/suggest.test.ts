import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nearest } from './suggest.ts'

const WORDS = ['devices', 'groups', 'grants', 'services', 'host', 'mac', 'until', 'on', 'to']

describe('the nearest known word', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['devices', 'devices'],
    ['Devices', 'devices'],
    ['device', 'devices'],
    ['devcies', 'devices'],
    ['grnats', 'grants'],
    ['untill', 'until'],
    ['untlil', 'until'],
    ['hsot', 'host'],
    ['mca', 'mac'],
    ['oon', 'on'],
    ['m', undefined],
    ['xyz', undefined],
    ['hxyt', 'host'],
    ['hxyz', undefined],
    ['', undefined],
    ['something else entirely', undefined],
  ]
  for (const [typed, expected] of cases) {
    test(`of ${JSON.stringify(typed)} is ${expected}`, () => assert.equal(nearest(typed, WORDS), expected))
  }

  test('the first of several as near', () => {
    assert.equal(nearest('ab', ['ax', 'ay']), 'ax')
    assert.equal(nearest('ssh', []), undefined)
  })

  test('a swap of neighbours is one edit, and a word is nearest to itself', () => {
    const word = fc.stringMatching(/^[a-z]{4,20}$/)
    fc.assert(
      fc.property(word, fc.nat(), fc.array(word), (own, at, others) => {
        assert.equal(nearest(own, [...others, own]), own)
        const index = at % (own.length - 1)
        const letters = [...own]
        const swapped = [
          ...letters.slice(0, index),
          letters[index + 1] ?? '',
          letters[index] ?? '',
          ...letters.slice(index + 2),
        ].join('')
        assert.equal(nearest(swapped, [own]), own)
      }),
    )
  })

  test('a word of any length is answered at once', () => {
    const started = performance.now()
    assert.equal(nearest('x'.repeat(1_000_000), ['y'.repeat(60)]), undefined)
    assert.ok(performance.now() - started < 500)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { anyText } from '../../tests/support/any-text.ts'
import { MAX_COMMENT_BYTES, originComment, originPath } from './origin.ts'

const bytes = (text: string): number => new TextEncoder().encode(text).length

describe('the comment of a rule', () => {
  test('is the place and the words', () => {
    const comment = originComment('grants[0]', 'from family to ssh')
    assert.equal(comment, 'grants[0]: from family to ssh')
    assert.equal(originPath(comment), 'grants[0]')
  })

  test('is cut at 127 bytes, between two characters', () => {
    const at = (text: string): string => originComment('grants[0]', text)
    assert.equal(bytes(at('x'.repeat(116))), 127)
    assert.ok(!at('x'.repeat(116)).endsWith('…'))
    assert.ok(at('x'.repeat(117)).endsWith('x…'))
    assert.equal(bytes(at('x'.repeat(117))), 127)
    assert.ok(at('家'.repeat(60)).endsWith('家…'))
    assert.ok(at('\u{1f4a9}'.repeat(60)).endsWith('\u{1f4a9}…'))
  })

  test('of any words is short enough, whole, harmless to nft, and tells its place', () => {
    const words = fc.oneof(anyText(300), fc.stringMatching(/^[家é"\\\n\u{1f4a9}x]*$/u))
    const path = fc.oneof(
      fc.nat(99_999).map((index) => `grants[${index}]`),
      fc.constantFrom('host', 'host.log', 'host.unguarded', 'meaning.picked-up', 'meaning.lo'),
    )
    fc.assert(
      fc.property(path, words, (place, text) => {
        const comment = originComment(place, text)
        assert.ok(bytes(comment) <= MAX_COMMENT_BYTES)
        assert.equal(comment.isWellFormed(), true)
        assert.doesNotMatch(comment, /["\\\u0000-\u001f\u007f]/)
        assert.equal(originPath(comment), place)
      }),
    )
  })

  test('of a stranger has no place', () => {
    for (const comment of [
      '',
      'ssh',
      'grants: x',
      'grants[x]: y',
      'grants[0]:x',
      'devices.laptop: x',
      ' host: x',
    ]) {
      assert.equal(originPath(comment), undefined)
    }
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { anyText } from '../../tests/support/any-text.ts'
import type { Output } from './output.ts'
import { coloured, createOutput, documentText, plain } from './output.ts'

function record(json: boolean, use: (output: Output) => void): readonly [string, string] {
  let out = ''
  let err = ''
  const streams = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) }
  use(createOutput(streams, { json, paint: plain }))
  return [out, err]
}

describe('the output of a command', () => {
  const all = (output: Output): void => {
    output.say('done')
    output.say()
    output.warn('careful')
    output.document('check', { result: 'correct' })
  }

  test('is text for people', () => assert.deepEqual(record(false, all), ['done\n\n', 'careful\n']))

  test('is one document for programs, with warnings beside it', () => {
    const [out, err] = record(true, all)
    assert.deepEqual(JSON.parse(out), { admit: 1, command: 'check', result: 'correct' })
    assert.equal(err, 'careful\n')
  })

  test('writes over its progress', () => {
    const [, err] = record(false, (output) => {
      output.progress('half')
      output.progress()
    })
    assert.equal(err, '\rhalf\u001b[K\r\u001b[K')
  })
})

describe('a document', () => {
  test('has IPv6 values as decimal strings', () => {
    assert.deepEqual(JSON.parse(documentText('show', { low: 2n ** 64n })), {
      admit: 1,
      command: 'show',
      low: '18446744073709551616',
    })
  })

  test('of any text reads back, and has nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        const shown = documentText('x', { text })
        assert.deepEqual(JSON.parse(shown), { admit: 1, command: 'x', text })
        assert.doesNotMatch(shown.replaceAll('\n', ''), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      }),
    )
  })
})

test('colours are switched on and off again', () => {
  assert.equal(coloured('red', 'x'), '\u001b[31mx\u001b[39m')
  assert.equal(coloured('bold', 'x'), '\u001b[1mx\u001b[22m')
  assert.equal(plain('red', 'x'), 'x')
})

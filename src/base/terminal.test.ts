import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { anyText } from '../../tests/support/any-text.ts'
import { printable } from './terminal.ts'

describe('printable', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', ''],
    ['laptop: 家族, gerät, \u{1f4a9}', 'laptop: 家族, gerät, \u{1f4a9}'],
    ['a\u001b[31mb', 'a\\u{1b}[31mb'],
    ['line\nline\r\ttab', 'line\\u{a}line\\u{d}\\u{9}tab'],
    ['nul\u0000del\u007f', 'nul\\u{0}del\\u{7f}'],
    ['\u009b31m', '\\u{9b}31m'],
    ['\u202eexe.txt', '\\u{202e}exe.txt'],
    ['\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['zero\u200bwidth\u200d\ufeff', 'zero\\u{200b}width\\u{200d}\\u{feff}'],
    ['\u061c', '\\u{61c}'],
    ['half \ud83d of a pair', 'half \\u{d83d} of a pair'],
    ['\udca9', '\\u{dca9}'],
  ]
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => assert.equal(printable(text), expected))
  }

  test('leaves nothing that a terminal obeys, is well formed, and changes nothing the second time', () => {
    const unit = fc.oneof(anyText(), fc.string({ unit: 'grapheme' }))
    const raw = fc.array(fc.nat(0x2100)).map((codes) => String.fromCharCode(...codes))
    fc.assert(
      fc.property(fc.oneof(unit, raw), (text) => {
        const shown = printable(text)
        assert.doesNotMatch(shown, /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u)
        assert.ok(shown.isWellFormed())
        assert.equal(printable(shown), shown)
      }),
    )
  })

  test('keeps every printable ASCII text', () => {
    fc.assert(fc.property(fc.stringMatching(/^[ -~]*$/), (text) => assert.equal(printable(text), text)))
  })
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { anyText } from '../../tests/support/any-text.ts'
import { expectOk } from '../../tests/support/expect-ok.ts'
import type { RecordFile, RecordLine } from './record.ts'
import { parseRecord, renderRecord, valueOf, valuesOf } from './record.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const RECORD: RecordFile = {
  what: 'journal',
  lines: [
    ['id', 'one'],
    ['by', 'root (alice)'],
    ['unguarded', 'wg0'],
    ['unguarded', 'wg1'],
    ['empty', ''],
  ],
}
const TEXT = renderRecord(RECORD, sha256)
const read = (text: string, what = 'journal'): ReturnType<typeof parseRecord> =>
  parseRecord(text, what, 'FILE', sha256)
const problem = (text: string, what?: string): string => {
  const result = read(text, what)
  return result.ok ? 'none' : result.error
}

describe('a record', () => {
  test('is lines that a shell can read, under its name and over its SHA-256', () => {
    const body = 'admit-journal 1\nid one\nby root (alice)\nunguarded wg0\nunguarded wg1\nempty \n'
    assert.equal(TEXT, `${body}sha256 ${sha256(body)}\n`)
    assert.deepEqual(expectOk(read(TEXT), 'read'), RECORD)
  })

  test('gives the first value of a key, or all', () => {
    assert.equal(valueOf(RECORD, 'unguarded'), 'wg0')
    assert.deepEqual(valuesOf(RECORD, 'unguarded'), ['wg0', 'wg1'])
    assert.equal(valueOf(RECORD, 'none'), undefined)
    assert.deepEqual(valuesOf(RECORD, 'none'), [])
  })

  test('cut at any byte is never obeyed', () => {
    for (let length = 0; length < TEXT.length; length++) {
      assert.match(
        problem(TEXT.slice(0, length)),
        /^FILE (is cut short|was not written by admit)$/,
        String(length),
      )
    }
  })

  test('with any byte changed is never obeyed', () => {
    for (let at = 0; at < TEXT.length; at++) {
      for (const bit of [1, 2, 16, 32]) {
        const changed = String.fromCharCode(TEXT.charCodeAt(at) ^ bit)
        assert.notEqual(problem(TEXT.slice(0, at) + changed + TEXT.slice(at + 1)), 'none', `${at} ^ ${bit}`)
      }
    }
  })

  test('with more at its end or its beginning is never obeyed', () => {
    for (const more of ['\n', ' ', 'id two\n', TEXT, '\0']) {
      assert.notEqual(problem(TEXT + more), 'none')
      assert.notEqual(problem(more + TEXT), 'none')
    }
  })

  test('of another kind, another version or another program is told as such', () => {
    assert.equal(problem(TEXT, 'window'), 'FILE was not written by admit')
    assert.match(problem(TEXT.replace(' 1\n', ' 2\n')), /is of version 2; this admit reads version 1/)
    assert.equal(problem('root:x:0:0\n'), 'FILE was not written by admit')
    assert.equal(problem(''), 'FILE is cut short')
    assert.equal(problem(TEXT.replace('wg0', 'wg7')), 'FILE was changed since admit wrote it')
  })

  test('keeps any text on its line: no value makes another line', () => {
    fc.assert(
      fc.property(fc.array(anyText(60), { maxLength: 5 }), (values) => {
        const lines = values.map((value): RecordLine => ['by', value])
        const back = expectOk(read(renderRecord({ what: 'journal', lines }, sha256)), 'read')
        assert.equal(back.lines.length, lines.length)
        for (const [key, value] of back.lines) {
          assert.equal(key, 'by')
          assert.doesNotMatch(value, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
        }
      }),
      { numRuns: 300 },
    )
  })
})

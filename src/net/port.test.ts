import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parsePort } from './port.ts'

describe('reading a port', () => {
  test('every whole number from 1 to 65535, and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65535 }), (port) =>
        assert.deepEqual(parsePort(String(port)), { ok: true, value: port }),
      ),
    )
    for (const port of [1, 22, 65535]) assert.ok(parsePort(String(port)).ok)
  })

  const bad: readonly (readonly [string, RegExp])[] = [
    ['0', /reserved/],
    ['65536', /from 1 to 65535/],
    ['999999', /from 1 to 65535/],
    ['9999999', /from 1 to 65535/],
    ['022', /begin with 0/],
    ['00', /begin with 0/],
    ['', /whole number/],
    ['-1', /whole number/],
    ['22.0', /whole number/],
    ['2e1', /whole number/],
    ['0x16', /whole number/],
    [' 22', /whole number/],
    ['22\n', /whole number/],
    ['２２', /whole number/],
    ['ssh', /whole number/],
  ]
  for (const [text, why] of bad) {
    test(`not ${JSON.stringify(text)}`, () => {
      const read = parsePort(text)
      assert.ok(!read.ok)
      assert.match(read.error, why)
    })
  }
})

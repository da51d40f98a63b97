import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseInterfaceName } from './interface-name.ts'

describe('reading the name of an interface', () => {
  for (const text of [
    'eth0',
    'lo',
    'br-lan',
    'wan.7',
    'enp1s0f0',
    'veth1a2b3c4d5e6',
    'a',
    '...',
    'x@y',
    'wg_0',
    "it's",
  ]) {
    test(text, () => assert.deepEqual(parseInterfaceName(text), { ok: true, value: text }))
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /1 to 15/],
    ['a'.repeat(16), /1 to 15/],
    ['.', /no interface names/],
    ['..', /no interface names/],
    ['eth 0', /no white space/],
    ['eth/0', /slash/],
    ['eth:0', /colon/],
    ['eth*', /\*/],
    ['eth"0', /quote/],
    ['eth\\0', /backslash/],
    ['eth0\n', /white space/],
    ['eth\u00a00', /white space/],
    ['ネット', /no white space/],
  ]
  for (const [text, why] of bad) {
    test(`not ${JSON.stringify(text)}`, () => {
      const read = parseInterfaceName(text)
      assert.ok(!read.ok)
      assert.match(read.error, why)
    })
  }

  test('what is read is what was written, and harmless to nft', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 16 }), (text) => {
        const read = parseInterfaceName(text)
        if (read.ok) {
          assert.equal(read.value, text)
          assert.match(text, /^[!-~]{1,15}$/)
          assert.doesNotMatch(text, /["*\\/: ]/)
        }
      }),
    )
  })
})

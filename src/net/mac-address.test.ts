import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { macFromNumber, macKind, macToNumber, parseMacAddress } from './mac-address.ts'

const anyMac = fc.nat(2 ** 48 - 1).map(macFromNumber)

describe('reading a MAC address', () => {
  const good: readonly (readonly [string, string])[] = [
    ['00:1b:44:11:3a:b7', '00:1b:44:11:3a:b7'],
    ['00:1B:44:11:3A:B7', '00:1b:44:11:3a:b7'],
    ['00-1B-44-11-3A-B7', '00:1b:44:11:3a:b7'],
    ['001b.4411.3ab7', '00:1b:44:11:3a:b7'],
    ['FF:FF:FF:FF:FF:FF', 'ff:ff:ff:ff:ff:ff'],
  ]
  for (const [text, expected] of good) {
    test(text, () => assert.deepEqual(parseMacAddress(text), { ok: true, value: expected }))
  }

  const bad = [
    '',
    '00:1b:44:11:3a',
    '00:1b:44:11:3a:b7:00',
    '0:1b:44:11:3a:b7',
    '00:1b:44:11:3a:g7',
    '00:1b-44:11-3a:b7',
    '001b44113ab7',
    '001b:4411:3ab7',
    '001b.4411.3ab',
    ' 00:1b:44:11:3a:b7',
    '00:1b:44:11:3a:b7\n',
    '00：1b：44：11：3a：b7',
    '٠٠:1b:44:11:3a:b7',
  ]
  for (const text of bad) {
    test(`not ${JSON.stringify(text)}`, () => {
      const read = parseMacAddress(text)
      assert.ok(!read.ok)
      assert.match(read.error, /six pairs of hex digits/)
    })
  }

  test('every spelling of an address is the same value', () => {
    fc.assert(
      fc.property(anyMac, fc.constantFrom(':', '-', '.'), fc.boolean(), (mac, separator, upper) => {
        const digits = mac.replaceAll(':', '')
        const groups = digits.match(separator === '.' ? /.{4}/g : /../g) ?? []
        const text = groups.join(separator)
        assert.deepEqual(parseMacAddress(upper ? text.toUpperCase() : text), { ok: true, value: mac })
      }),
    )
  })

  test('a number and back', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 48 - 1), (value) => {
        const mac = macFromNumber(value)
        assert.match(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
        assert.equal(macToNumber(mac), value)
      }),
    )
    assert.equal(macFromNumber(0), '00:00:00:00:00:00')
    assert.equal(macFromNumber(2 ** 48 - 1), 'ff:ff:ff:ff:ff:ff')
  })
})

describe('what the bits of a MAC address say', () => {
  const cases = [
    ['00:00:00:00:00:00', 'zero'],
    ['ff:ff:ff:ff:ff:ff', 'broadcast'],
    ['11:22:33:44:55:66', 'group'],
    ['01:00:5e:00:00:01', 'group'],
    ['33:33:00:00:00:01', 'group'],
    ['fe:00:00:00:01:01', 'local'],
    ['02:00:00:00:00:00', 'local'],
    ['12:22:33:44:55:66', 'local'],
    ['00:11:22:33:44:55', 'global'],
    ['00:00:00:00:00:01', 'global'],
    ['fc:00:00:00:00:01', 'global'],
  ] as const
  for (const [text, kind] of cases) {
    test(`${text} is ${kind}`, () => {
      const mac = parseMacAddress(text)
      assert.ok(mac.ok)
      assert.equal(macKind(mac.value), kind)
    })
  }
})

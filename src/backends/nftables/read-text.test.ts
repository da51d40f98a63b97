import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryTable } from '../../../tests/support/arbitrary-table.ts'
import { FULL_TABLE } from '../../../tests/support/tables.ts'
import { normaliseTable } from '../../ruleset/normalise.ts'
import { formatTextError, readText } from './read-text.ts'
import { renderTable } from './render.ts'

describe('reading nft’s text', () => {
  it('gives back any rendered table', () => {
    const property = fc.property(arbitraryTable(), (table) => {
      const read = readText(renderTable(table))
      assert.ok(read.ok, read.ok ? '' : formatTextError('t', read.error))
      assert.deepEqual(normaliseTable(read.value), normaliseTable(table))
    })
    fc.assert(property, { numRuns: 100 })
  })

  it('takes what nft 1.0.6 and 1.1.3 print differently', () => {
    const listed = `table inet admit {
	chain c { # handle 1
		type filter hook input priority filter - 5; policy accept;
		tcp flags != syn / fin,syn,rst,ack ct mark 0x00000010/28 counter packets 3 bytes 99
		tcp flags & (fin | syn | rst | ack) != syn ct mark & 0xfffffff0 == 0x00000010 counter
		ct status ! dnat limit rate 3/minute burst 5 packets reject
		ct status & dnat == 0 limit rate 3/minute reject with icmpx port-unreachable
	}
}`
    const read = readText(listed)
    assert.ok(read.ok)
    const [chain] = read.value.chains
    assert.equal(chain?.base?.priority, -5)
    assert.deepEqual(chain?.rules[0], chain?.rules[1])
    assert.deepEqual(chain?.rules[2], chain?.rules[3])
  })

  const chain = (rule: string): string => `table inet t {\n\tchain c {\n\t\t${rule}\n\t}\n}\n`

  for (const [text, error] of [
    ['', '1:1: expected `table`, found the end'],
    ['flush ruleset', '1:1: expected `table`, found `flush`'],
    ['table inet admit {', '1:19: expected set, chain, found the end'],
    ['table inet a {\n}\ntable inet b {\n}', '3:1: expected the end after the table, found `table`'],
    ['table inet a {\n\tmap m {\n', '2:2: expected set, chain, found `map`'],
    ['table inet a {\n\tset s {\n\t}\n}', '3:3: expected `typeof` in the set s, found the end of the line'],
    ['table inet a {\n\tset s {\n\t\ttypeof ip ttl\n', '3:10: admit does not know the field `ip ttl`'],
    [
      'table inet a {\n\tset s {\n\t\ttypeof ip saddr\n\t\tflags timeout\n',
      '4:9: expected `interval`, found `timeout`',
    ],
    [
      'table inet a {\n\tset s {\n\t\ttypeof ip saddr\n\t\telements = { 010.0.0.1 }\n',
      '4:16: `010.0.0.1` is no value of type ipv4_addr',
    ],
    [
      'table inet a {\n\tset s {\n\t\ttypeof ip saddr\n\t\telements = { 1.2.3.4 1.2.3.5 }\n',
      '4:24: expected `,` or `}`, found `1.2.3.5`',
    ],
    ['table inet a {\n\tchain c {\n\t}\n\tchain c {\n\t}\n}', '4:2: a second chain c'],
    [chain('masquerade'), '3:13: expected a field of masquerade, found the end of the line'],
    [chain('tcp dport vmap { 22 : accept }'), '3:13: `vmap` is no value of type inet_service'],
    [chain('ip saddr @x drop'), '3:12: there is no set x above'],
    [chain('ip saddr != 1.2.3.4-1.2.3.1 drop'), '3:15: `1.2.3.4-1.2.3.1` is no value of type ipv4_addr'],
    [chain('meta time "2026-02-30 99:00:00" drop'), '3:13: this is no value of type time'],
    [chain('iifname "eth*" drop'), '3:11: this is no value of type ifname'],
    [chain('limit rate over 3/minute drop'), '3:14: `over` is no rate'],
    [chain('ct state weird drop'), '3:12: `weird` is none of ct state'],
    [chain('accept comment "open'), '3:18: unreadable from "\\"open\\n\\t}\\n}\\n" on'],
    [chain('accept comment "a" drop'), '3:22: expected the end of the line, found `drop`'],
    [chain('accept\u0000'), '3:10: expected a field of accept\\u{0}, found the end of the line'],
  ] as const) {
    it(`says ${error}`, () => {
      const read = readText(text)
      assert.ok(!read.ok)
      assert.equal(formatTextError('f', read.error), `f:${error}`)
    })
  }

  it('answers to any text', () => {
    const words = fc.constantFrom(
      ...renderTable(FULL_TABLE).split(/(?=\s)|\b/),
      '{',
      '}',
      '"',
      '\u0000',
      '#',
      ';',
    )
    const shuffled = fc.array(words, { maxLength: 60 }).map((some) => some.join(''))
    const whole = renderTable(FULL_TABLE)
    const cut = fc
      .tuple(fc.nat({ max: whole.length }), fc.nat({ max: 30 }), fc.string({ unit: 'binary', maxLength: 5 }))
      .map(([at, length, insert]) => whole.slice(0, at) + insert + whole.slice(at + length))
    const property = fc.property(fc.oneof(fc.string({ unit: 'binary' }), shuffled, cut), (text) => {
      const read = readText(text)
      if (read.ok) return
      assert.ok(read.error.line >= 1 && read.error.column >= 1)
      assert.match(read.error.message, /^[^\u0000-\u001f]+$/u)
    })
    fc.assert(property, { numRuns: 700 })
  })
})

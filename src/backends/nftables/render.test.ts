import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  ACCEPT,
  DROP,
  FULL_TABLE,
  INPUT_BASE,
  TABLE,
  inSet,
  is,
  one,
  range,
  rule,
  set,
  within,
} from '../../../tests/support/tables.ts'
import { InternalError } from '../../base/internal-error.ts'
import { normaliseTable } from '../../ruleset/normalise.ts'
import type { Element, Rule, SetName, Statement, Table } from '../../ruleset/ruleset.ts'
import type { Operation, Transaction } from '../../ruleset/transaction.ts'
import { readText } from './read-text.ts'
import { describeRule } from './render-rule.ts'
import { operationAtLine, renderTable, renderTransaction } from './render.ts'

describe('a rendered table', () => {
  it('is what a person would type', () => {
    const table: Table = {
      ...TABLE,
      sets: [
        set('family.mac', ['ether saddr'], false, [one(0x1b4411_3ab7)], [one(0xa20000000001)]),
        set('office.ip4', ['ip saddr'], true, [one(0xcb007107)], [range(0xc0a80100, 0xc0a801ff)]),
        set('guest.mac-until', ['ether saddr', 'meta time'], true, [one(7), range(0, 1798707600)]),
      ],
      chains: [
        {
          name: 'input',
          base: INPUT_BASE,
          rules: [
            rule(
              'grants[0]: from family to ssh',
              inSet(['ether saddr'], 'family.mac'),
              is('tcp dport', 22),
              ACCEPT,
            ),
            rule('end', DROP),
          ],
        },
      ],
    }
    assert.equal(
      renderTable(table),
      `table inet admit {
	set family.mac {
		typeof ether saddr
		elements = { 00:1b:44:11:3a:b7, a2:00:00:00:00:01 }
	}

	set office.ip4 {
		typeof ip saddr
		flags interval
		elements = { 203.0.113.7, 192.168.1.0/24 }
	}

	set guest.mac-until {
		typeof ether saddr . meta time
		flags interval
		elements = { 00:00:00:00:00:07 . "1970-01-01 00:00:00"-"2026-12-31 09:00:00" }
	}

	chain input {
		type filter hook input priority filter; policy drop;
		ether saddr @family.mac tcp dport 22 accept comment "grants[0]: from family to ssh"
		drop comment "end"
	}
}
`,
    )
  })

  it('is a bug where the kernel or nft could not hold it', () => {
    const wrong: readonly Statement[] = [
      within(['tcp dport']),
      is('tcp dport', 65536),
      is('tcp dport', 1.5),
      is('ip saddr', -1),
      is('ip6 saddr', 1n << 128n),
      is('iifname', 'eth0"; flush ruleset'),
      is('iifname', 'eth*'),
      is('iifname', ''),
      is('meta l4proto', 'tcp'),
      within(['tcp dport'], [range(2, 1)]),
      within(['tcp dport'], [one(1), one(2)]),
      is('ct original proto-dst', 80, 443),
      is('meta time', 253_402_300_800),
      inSet(['ip saddr'], 'a b'),
      { kind: 'verdict', verdict: { kind: 'jump', chain: 'a;b' } },
      { kind: 'opaque', text: 'flush ruleset' },
      { kind: 'limit', rate: 0, per: 'second', burst: 5 },
      { kind: 'log', prefix: '$x', ether: false },
      { kind: 'log', prefix: 'a"b', ether: false },
      { kind: 'log', prefix: 'x'.repeat(128), ether: false },
      { kind: 'mark-connection', bits: -1 },
    ]
    for (const statement of wrong) {
      assert.throws(
        () => renderTable(tableOf({ statements: [statement] })),
        InternalError,
        JSON.stringify(asText(statement)),
      )
    }
    assert.throws(() => renderTable(tableOf({ statements: [] })), InternalError)
  })
})

describe('a hostile comment', () => {
  it('is written between quotes or not at all, and changes nothing else', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.constantFrom(...NASTY),
      fc.tuple(fc.constantFrom(...NASTY), fc.string({ maxLength: 20 })).map(([a, b]) => b + a + b),
    )
    fc.assert(
      fc.property(nasty, (comment) => {
        const table = tableOf({ statements: [is('tcp dport', 22), ACCEPT], comment })
        let text: string
        try {
          text = renderTable(table)
        } catch (error) {
          assert.ok(error instanceof InternalError)
          return
        }
        assert.equal(text.split('\n').length, renderTable(tableOf(rule('', ACCEPT))).split('\n').length)
        const read = readText(text)
        assert.ok(read.ok)
        assert.deepEqual(read.value, table)
      }),
      { numRuns: 500 },
    )
  })

  it('is shown harmlessly', () => {
    const shown = describeRule({
      statements: [{ kind: 'opaque', text: '\u001b[2J\n' }, DROP],
      comment: 'a\u202eb"\n',
    })
    assert.equal(shown, '‹\\u{1b}[2J\\u{a}› drop comment "a\\u{202e}b"\\u{a}"')
  })
})

const NASTY = [
  '"',
  '" accept comment "',
  '\n\t\taccept\n',
  '; flush ruleset;',
  '} table inet evil { chain c { accept } }',
  '$(touch /tmp/x) `id` ${HOME} $x',
  '\\',
  '\\"',
  '\u0000',
  '\u202e\u2066\u200f',
  '\u2028',
  '\ud800',
  '# comment',
  'x'.repeat(4096),
  '家'.repeat(43),
]

describe('a rendered transaction', () => {
  const transaction: Transaction = {
    table: TABLE,
    operations: [
      { kind: 'add-table' },
      { kind: 'add-set', set: set('a.mac', ['ether saddr'], false, ...Array.from({ length: 130 }, mac)) },
      { kind: 'delete-elements', set: 'a.mac' as SetName, fields: ['ether saddr'], elements: [mac(0, 7)] },
      { kind: 'add-chain', chain: 'input', base: INPUT_BASE },
      { kind: 'add-chain', chain: 'late' },
      { kind: 'flush-chain', chain: 'late' },
      {
        kind: 'add-rule',
        chain: 'input',
        rule: rule('esp', is('meta l4proto', 50), is('icmp type', 8), ACCEPT),
      },
      { kind: 'delete-chain', chain: 'late' },
      { kind: 'delete-set', set: 'a.mac' as SetName },
      { kind: 'delete-table' },
    ],
  }

  it('has one command a line, of bounded length, with numbers for names', () => {
    const lines = renderTransaction(transaction).split('\n')
    assert.deepEqual(
      lines.map((line) => line.slice(0, 70)).filter((line) => !line.startsWith('add element')),
      [
        'add table inet admit',
        'add set inet admit a.mac { typeof ether saddr; }',
        'delete element inet admit a.mac { 00:00:00:00:00:07 }',
        'add chain inet admit input { type filter hook input priority 0; policy drop; }'.slice(0, 70),
        'add chain inet admit late',
        'flush chain inet admit late',
        'add rule inet admit input meta l4proto 50 icmp type 8 accept comment "esp"'.slice(0, 70),
        'delete chain inet admit late',
        'delete set inet admit a.mac',
        'delete table inet admit',
        '',
      ],
    )
    assert.equal(lines.filter((line) => line.startsWith('add element inet admit a.mac {')).length, 3)
    assert.ok(lines.every((line) => line.length < 4096))
  })

  it('tells the operation of each line', () => {
    const lines = renderTransaction(transaction).trimEnd().split('\n')
    const kinds = lines.map((_, index) => operationAtLine(transaction, index + 1)?.kind)
    const expected = lines.map((line): Operation['kind'] => {
      const [verb = '', noun = ''] = line.split(' ')
      return verb === 'add' && noun === 'element' ? 'add-set' : (KINDS[`${verb} ${noun}`] ?? 'add-table')
    })
    assert.deepEqual(kinds, expected)
    assert.equal(operationAtLine(transaction, lines.length + 1), undefined)
  })
})

const KINDS: Readonly<Record<string, Operation['kind']>> = {
  'add set': 'add-set',
  'delete element': 'delete-elements',
  'add chain': 'add-chain',
  'flush chain': 'flush-chain',
  'add rule': 'add-rule',
  'delete chain': 'delete-chain',
  'delete set': 'delete-set',
  'delete table': 'delete-table',
}

it('reads back what it renders', () => {
  const read = readText(renderTable(FULL_TABLE))
  assert.ok(read.ok)
  assert.deepEqual(normaliseTable(read.value), normaliseTable(FULL_TABLE))
})

function mac(_: unknown, index: number): Element {
  return [one(index)]
}

function tableOf(only: Rule): Table {
  return { ...TABLE, sets: [], chains: [{ name: 'c', rules: [only] }] }
}

function asText(statement: Statement): string {
  return JSON.stringify(statement, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}

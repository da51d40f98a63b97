import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { ACCEPT, DROP, bits, inSet, is, not, one, range, within } from '../../../tests/support/tables.ts'
import type { Statement, Table } from '../../ruleset/ruleset.ts'
import { readJson } from './read-json.ts'

const TABLE = { table: { family: 'inet', name: 't', handle: 1 } }
const CHAIN = { chain: { family: 'inet', table: 't', name: 'c', handle: 2 } }

function read(...objects: readonly unknown[]): { readonly table: Table; readonly unread: readonly string[] } {
  const result = readJson({ nftables: [{ metainfo: { version: '1.0.6' } }, TABLE, CHAIN, ...objects] })
  assert.ok(result.ok, result.ok ? '' : result.error)
  const [table] = result.value.ruleset.tables
  assert.ok(table !== undefined)
  return {
    table,
    unread: result.value.unread.map(({ where, what, weight }) => `${weight} ${where}: ${what}`),
  }
}

function statements(...expr: readonly unknown[]): readonly Statement[] {
  const { table } = read(
    { set: { family: 'inet', table: 't', name: 's.mac', type: 'ether_addr', elem: [] } },
    { rule: { family: 'inet', table: 't', chain: 'c', handle: 3, expr } },
  )
  return table.chains[0]?.rules[0]?.statements ?? []
}

const match = (op: string, left: unknown, right: unknown): unknown => ({ match: { op, left, right } })
const payload = (protocol: string, field: string): unknown => ({ payload: { protocol, field } })

describe('reading nft’s JSON', () => {
  it('reads matches', () => {
    const set = payload('ether', 'saddr')
    for (const [json, statement] of [
      [match('==', set, '@s.mac'), inSet(['ether saddr'], 's.mac')],
      [match('!=', set, '@s.mac'), not(inSet(['ether saddr'], 's.mac'))],
      [match('==', { meta: { key: 'iifname' } }, '@odd'), is('iifname', '@odd')],
      [match('==', { meta: { key: 'l4proto' } }, 'tcp'), is('meta l4proto', 6)],
      [match('==', { meta: { key: 'nfproto' } }, 'ipv6'), is('meta nfproto', 10)],
      [
        match('==', payload('tcp', 'dport'), { set: [22, { range: [80, 90] }] }),
        within(['tcp dport'], [one(22)], [range(80, 90)]),
      ],
      [
        match('==', payload('ip', 'saddr'), { prefix: { addr: '10.0.0.0', len: 8 } }),
        within(['ip saddr'], [range(0x0a000000, 0x0affffff)]),
      ],
      [match('==', payload('ip6', 'saddr'), '::ffff:1.2.3.4'), is('ip6 saddr', 0xffff_0102_0304n)],
      [
        match('in', { ct: { key: 'state' } }, ['established', 'related']),
        bits('ct state', 6, 'not-equal', 0),
      ],
      [match('!', { ct: { key: 'status' } }, 'dnat'), bits('ct status', 32, 'equal', 0)],
      [
        match('!=', { '&': [payload('tcp', 'flags'), { '|': [{ '|': ['fin', 'syn'] }, 'ack'] }] }, 'syn'),
        bits('tcp flags', 0x13, 'not-equal', 2),
      ],
      [
        match('==', { ct: { key: 'mark' } }, { prefix: { addr: 16, len: 28 } }),
        bits('ct mark', 0xfffffff0, 'equal', 16),
      ],
      [
        match('==', { ct: { key: 'mark' } }, { prefix: { addr: 0, len: 1 } }),
        bits('ct mark', 0x80000000, 'equal', 0),
      ],
    ] as const) {
      assert.deepEqual(statements(json), [statement])
    }
  })

  it('keeps what it does not model as opaque matches with their text', () => {
    for (const json of [
      match('==', payload('ip', 'ttl'), 5),
      match('==', payload('tcp', 'dport'), 'ssh'),
      match('==', payload('tcp', 'dport'), { set: [22, 'ssh'] }),
      match('==', { meta: { key: 'iifname' } }, 'eth*'),
      match('==', { meta: { key: 'mark' } }, 1),
      match('<', payload('tcp', 'dport'), 22),
      match('==', payload('ip', 'saddr'), '@s.mac'),
      match('==', { payload: { protocol: 'ip', field: 'saddr', tunnel: 'vxlan' } }, '1.2.3.4'),
      match('==', { ct: { key: 'state' } }, { set: ['new', 'established'] }),
      { limit: { rate: 3, burst: 5, per: 'second', inv: true } },
      { 'ct count': { val: 3 } },
      { set: { op: 'add', elem: payload('ip', 'saddr'), set: '@s.mac' } },
    ]) {
      assert.deepEqual(statements(json), [{ kind: 'opaque', text: JSON.stringify(json) }])
    }
  })

  it('says of what it does not model whether it may decide, or changes what later rules see', () => {
    const xt = (type: string, name: string): unknown => ({ xt: { type, name } })
    for (const [json, effect] of [
      [{ mangle: { key: { meta: { key: 'mark' } }, value: 1 } }, 'none'],
      [{ mangle: { key: { ct: { key: 'mark' } }, value: 1 } }, 'mark'],
      [{ mangle: { key: { ct: { key: 'event' } }, value: 1 } }, 'none'],
      [{ mangle: { key: payload('ip', 'daddr'), value: '1.2.3.4' } }, 'packet'],
      [{ notrack: null }, 'packet'],
      [{ queue: { num: 1 } }, 'verdict'],
      [{ 'never heard of': 1 }, 'verdict'],
      [xt('match', 'comment'), 'none'],
      [xt('match', 'conntrack'), undefined],
      [xt('target', 'LOG'), 'none'],
      [xt('target', 'CONNMARK'), 'mark'],
      [xt('target', 'REDIRECT'), 'packet'],
      [xt('target', 'TARPIT'), 'verdict'],
      [{ xt: null }, 'verdict'],
    ] as const) {
      const [statement] = statements(json)
      assert.ok(statement?.kind === 'opaque')
      assert.equal(statement.effect, effect, statement.text)
    }
    assert.deepEqual(statements(xt('target', 'REJECT')), [
      { kind: 'verdict', verdict: { kind: 'reject', answer: 'port-unreachable' } },
    ])
  })

  it('reports what gives verdicts of its own, and reads a translation as an acceptance', () => {
    const { table, unread } = read(
      { rule: { family: 'inet', table: 't', chain: 'c', expr: [{ vmap: { key: 1, data: 2 } }] } },
      { rule: { family: 'inet', table: 't', chain: 'c', expr: [{ masquerade: null }] } },
      {
        rule: {
          family: 'inet',
          table: 't',
          chain: 'c',
          expr: [{ reject: { type: 'icmp', expr: 'host-prohibited' } }],
        },
      },
    )
    assert.deepEqual(
      table.chains[0]?.rules.map((rule) => rule.statements.at(-1)),
      [
        { kind: 'opaque', text: '{"vmap":{"key":1,"data":2}}', effect: 'verdict' },
        ACCEPT,
        { kind: 'verdict', verdict: { kind: 'reject', answer: 'admin-prohibited' } },
      ],
    )
    assert.deepEqual(unread, [
      'decides inet t c: {"vmap":{"key":1,"data":2}}',
      'detail inet t c: {"masquerade":null}',
      'detail inet t c: {"reject":{"type":"icmp","expr":"host-prohibited"}}',
    ])
  })

  it('finds the fields of a set in its typeof, in the rules about it, or by its types', () => {
    const concat = { concat: [payload('ip', 'daddr'), { meta: { key: 'time' } }] }
    const { table } = read(
      { set: { family: 'inet', table: 't', name: 'a', type: { typeof: payload('ip', 'daddr') } } },
      { set: { family: 'inet', table: 't', name: 'b', type: ['ipv4_addr', 'time'], flags: ['interval'] } },
      { set: { family: 'inet', table: 't', name: 'c', type: ['ipv4_addr', 'inet_service'] } },
      { rule: { family: 'inet', table: 't', chain: 'c', expr: [match('==', concat, '@b'), { drop: null }] } },
    )
    assert.deepEqual(
      table.sets.map(({ fields }) => fields.join(' . ')),
      ['ip daddr', 'ip daddr . meta time', 'ip saddr . tcp dport'],
    )
    assert.deepEqual(table.chains[0]?.rules[0]?.statements, [inSet(['ip daddr', 'meta time'], 'b'), DROP])
  })

  it('leaves out sets that it cannot hold whole, and makes the matches on them opaque', () => {
    const wild = { family: 'inet', table: 't', name: 'wild', type: 'ifname', elem: ['eth0', 'veth*'] }
    const onWild = match('==', { meta: { key: 'iifname' } }, '@wild')
    const { table, unread } = read(
      { set: wild },
      { map: { family: 'inet', table: 't', name: 'm', type: 'ipv4_addr', map: 'verdict' } },
      { flowtable: { family: 'inet', table: 't', name: 'f' } },
      { gadget: { family: 'inet', table: 't', name: 'g' } },
      { rule: { family: 'inet', table: 't', chain: 'c', expr: [onWild, { accept: null }] } },
      { rule: { family: 'inet', table: 't', chain: 'nowhere', expr: [] } },
    )
    assert.deepEqual(table.sets, [])
    assert.equal(table.chains[0]?.rules[0]?.statements[0]?.kind, 'opaque')
    assert.deepEqual(
      unread.map((line) => line.slice(0, 24)),
      [
        'object inet t: {"set":{"',
        'object inet t: {"map":{"',
        'object inet t: {"flowtab',
        'decides inet t: {"gadget',
        'decides inet t: {"rule":',
      ],
    )
  })

  it('says of a text that it is no listing', () => {
    for (const text of ['', 'table inet t', '[]', '{}', '{"nftables": 1}', '\u001b[2J']) {
      const result = readJson(text)
      assert.ok(!result.ok)
      assert.match(result.error, /^this is not the JSON of nft: [^\u0000-\u001f]+$/u)
    }
  })

  it('answers to objects where names should be', () => {
    // Such an object has no text at all: String() of it throws.
    const odd = { toString: '' }
    const place = { family: 'inet', table: 't' }
    const expr = [
      { match: { op: '==', left: { payload: { protocol: odd, field: odd } }, right: 1 } },
      { match: { op: '==', left: { ct: { key: 'state', dir: odd } }, right: 1 } },
      { reject: { type: 'icmpx', expr: odd } },
    ]
    for (const object of [
      { rule: { ...place, chain: odd, expr } },
      { rule: { ...place, chain: 'c', expr } },
      { map: { ...place, name: odd } },
      { set: { ...place, name: 's', type: [odd] } },
    ])
      assert.ok(readJson({ nftables: [TABLE, CHAIN, object] }).ok)
  })

  it('answers to any JSON', () => {
    const property = fc.property(
      fc.array(
        fc.oneof(
          fc.dictionary(fc.constantFrom('set', 'chain', 'rule', 'table', '__proto__'), fc.jsonValue()),
          fc.record({
            rule: fc.record({
              family: fc.constant('inet'),
              table: fc.constant('t'),
              chain: fc.constant('c'),
              expr: fc.jsonValue(),
            }),
          }),
          fc.record({
            set: fc.record({
              family: fc.constant('inet'),
              table: fc.constant('t'),
              name: fc.constant('s'),
              type: fc.jsonValue(),
              elem: fc.jsonValue(),
            }),
          }),
        ),
      ),
      (objects) => assert.ok(readJson({ nftables: [TABLE, CHAIN, ...objects] }).ok),
    )
    fc.assert(property, { numRuns: 500 })
  })

  it('answers to JSON nested without end', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    for (const text of [
      `{"nftables":${deep}}`,
      `{"nftables":[{"table":{"family":"inet","name":${deep}}}]}`,
    ]) {
      const result = readJson(text)
      assert.ok(!result.ok || result.value.unread.length > 0)
    }
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Statement, Table } from '../../ruleset/ruleset.ts'
import { describeRule } from './render-rule.ts'
import type { ReadObservation } from './read-observation.ts'
import { readRuleTexts } from './rule-texts.ts'
import { isDormantText, readObservation, unreadableTable } from './read-observation.ts'

const META = '{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}'
const TABLE = '{"table": {"family": "inet", "name": "t", "handle": 1}}'
const CHAIN = '{"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1}}'

function listing(...objects: readonly string[]): string {
  return `{"nftables": [${[META, ...objects].join(', ')}]}\n`
}

function read(...objects: readonly string[]): ReadObservation {
  const result = readObservation(listing(...objects))
  assert.ok(result.ok, result.ok ? '' : result.error)
  return result.value
}

function rule(...expr: readonly unknown[]): string {
  return JSON.stringify({ rule: { family: 'inet', table: 't', chain: 'c', handle: 3, expr } })
}

/** The rules of the only chain as text. */
function rules(...objects: readonly string[]): readonly string[] {
  const [table] = read(TABLE, CHAIN, ...objects).ruleset.tables
  return (table?.chains[0]?.rules ?? []).map(describeRule)
}

const DPORT = { payload: { protocol: 'tcp', field: 'dport' } }
const STATE = { ct: { key: 'state' } }
const match = (op: string, left: unknown, right: unknown): unknown => ({ match: { op, left, right } })

describe('an observation of everybody’s rules', () => {
  test('splits a verdict map into a rule for each element', () => {
    const data = {
      set: [
        [22, { accept: null }],
        [{ range: [80, 90] }, { jump: { target: 'x' } }],
      ],
    }
    assert.deepEqual(
      rules(rule(match('==', { meta: { key: 'iifname' } }, 'eth0'), { vmap: { key: DPORT, data } })),
      ['iifname "eth0" tcp dport 22 accept', 'iifname "eth0" tcp dport 80-90 jump x'],
    )
    const states = {
      set: [
        [2, { accept: null }],
        [1, { drop: null }],
      ],
    }
    assert.deepEqual(rules(rule({ vmap: { key: STATE, data: states } })), [
      'ct state == established accept',
      'ct state == invalid drop',
    ])
  })

  test('splits one over a map with a name, and leaves what it does not know whole', () => {
    const map = (elem: readonly unknown[]): string =>
      JSON.stringify({
        map: { family: 'inet', name: 'm', table: 't', type: 'inet_service', handle: 2, map: 'verdict', elem },
      })
    const named = rule({ vmap: { key: DPORT, data: '@m' } })
    assert.deepEqual(rules(map([[{ elem: { val: 22, timeout: 5 } }, { drop: null }]]), named), [
      'tcp dport 22 drop',
    ])
    for (const unknown of [
      rules(map([['*', { drop: null }]]), named),
      rules(map(Array.from({ length: 501 }, (_, port) => [port, { drop: null }])), named),
      rules(named),
      rules(rule({ vmap: { key: DPORT, data: { set: [22] } } })),
    ]) {
      assert.equal(unknown.length, 1)
      assert.match(unknown[0] ?? '', /^‹.*vmap/)
    }
  })

  test('takes an interface’s index for its name, and a set of states for their bits', () => {
    const iif = { meta: { key: 'iif' } }
    assert.deepEqual(
      rules(
        rule(match('==', iif, 'eth0'), { accept: null }),
        rule(match('==', STATE, { set: [2, 4] }), { accept: null }),
        rule(match('!=', STATE, { set: [2, 4] }), { drop: null }),
      ),
      [
        'iifname "eth0" accept',
        'ct state established,related accept',
        'ct state & (established | related) == 0 drop',
      ],
    )
    assert.match(rules(rule(match('==', iif, '17')))[0] ?? '', /^‹/)
  })

  test('of a field that the model lacks it says at least which packets have it', () => {
    const ttl = { payload: { protocol: 'ip', field: 'ttl' } }
    const [first, masked, modelled] = rules(
      rule(match('==', ttl, 3), { drop: null }),
      rule(match('!=', { '&': [{ payload: { protocol: 'tcp', field: 'sequence' } }, 1] }, 0)),
      rule(match('==', DPORT, 22)),
    )
    assert.match(first ?? '', /^meta nfproto ipv4 ‹.*ttl.*› drop$/)
    assert.match(masked ?? '', /^meta l4proto tcp ‹/)
    assert.equal(modelled, 'tcp dport 22')
  })

  test('with the texts of rules, extensions are what nft says of them, and opaque statements say the whole rule', () => {
    const xt = (name: string): unknown => ({ xt: { type: 'match', name } })
    const at = (handle: number, ...expr: readonly unknown[]): string =>
      JSON.stringify({ rule: { family: 'inet', table: 't', chain: 'c', handle, expr } })
    const json = listing(
      TABLE,
      CHAIN,
      at(3, xt('conntrack'), { counter: null }, { drop: null }),
      at(4, xt('recent'), { drop: null }),
      at(5, xt('unheard of'), { accept: null }),
      at(6, xt('conntrack'), { accept: null }),
    )
    const texts = readRuleTexts(`table ip t { # handle 1
\tchain c { # handle 1
\t\tct state established accept # handle 3
\t}
}
table inet t { # handle 2
\tset s { # handle 9
\t\ttype ipv4_addr
\t}
\tchain c { # handle 1
\t\ttype filter hook input priority 0; policy accept;
\t\tct state invalid counter packets 7 bytes 99 drop comment "x # handle 4" # handle 3
\t\txt match recent counter packets 1 bytes 2 drop # handle 4
\t\ttcp dport { 22,
\t\t\t80 } accept # handle 6
\t}
}
`)
    const result = readObservation(json, texts)
    assert.ok(result.ok && result.value.opaque)
    assert.deepEqual(result.value.ruleset.tables[0]?.chains[0]?.rules.map(describeRule), [
      'ct state invalid counter drop comment "x # handle 4"',
      '‹xt match recent drop› drop',
      '‹{"xt":{"type":"match","name":"unheard of"}}› accept',
      '‹{"xt":{"type":"match","name":"conntrack"}}› accept',
    ])
    assert.equal(read(TABLE, CHAIN, rule({ drop: null })).opaque, false)
  })

  test('a table with flags is told, whatever stands for them, even what is no JSON', () => {
    for (const flags of ['"dormant"', '["dormant"]', '"x\u0001\ufffd"', '"a"b}, {"', '"', 'null', '"}}"']) {
      const flagged = `{"table": {"family": "inet", "name": "t", "handle": 1, "flags": ${flags}}}`
      const { ruleset, flagged: told } = read(flagged, CHAIN, rule({ drop: null }))
      assert.deepEqual(told, [{ family: 'inet', name: 't' }], flags)
      assert.deepEqual(
        ruleset.tables.map(({ name, dormant }) => [name, dormant]),
        [['t', undefined]],
      )
      assert.equal(ruleset.tables[0]?.chains[0]?.rules.length, 1)
      assert.deepEqual(read(flagged).flagged, told)
    }
    const comment = `{"table": {"family": "inet", "name": "t", "handle": 1, "comment": "a \\"b\\"", "flags": "?"}}`
    assert.equal(read(comment, TABLE.replace('"t"', '"u"')).flagged.length, 1)
    assert.deepEqual(read(TABLE, CHAIN).flagged, [])
  })

  test('what may decide and cannot be read is a rule that may do anything, and is told', () => {
    const strange =
      '{"chain": {"family": "inet", "table": "t", "name": "s", "handle": 1, "type": "new", "hook": "input", "prio": 0}}'
    const { ruleset, notes } = read(TABLE, strange)
    assert.equal(notes.length, 1)
    assert.match(notes[0] ?? '', /^a part of table inet t could not be read: .*"new"/)
    assert.deepEqual(effects(ruleset.tables[0]), ['verdict', 'verdict'])
    assert.deepEqual(effects(unreadableTable({ family: 'ip', name: 'x' })), ['verdict', 'verdict'])
    const harmless = read(TABLE, '{"quota": {"family": "inet", "table": "t", "name": "q", "handle": 1}}')
    assert.deepEqual(harmless.notes, [])
    assert.deepEqual(effects(harmless.ruleset.tables[0]), [])
  })

  test('of no listing it is none', () => {
    for (const text of ['', '{', '[]', '{"nftables": 1}']) assert.equal(readObservation(text).ok, false)
  })

  test('the text of a table tells whether it sleeps', () => {
    const body = '\tchain c {\n\t\tcomment "flags dormant"\n\t}\n}\n'
    assert.ok(isDormantText(`table inet t {\n\tflags dormant\n\n${body}`))
    assert.ok(isDormantText(`table inet t { # handle 3\n\tflags owner,dormant\n\n${body}`))
    assert.ok(!isDormantText(`table inet t {\n\tflags owner,persist\n\n${body}`))
    assert.ok(!isDormantText(`table inet t {\n\tset s {\n\t\tflags dynamic\n\t}\n${body}`))
    assert.ok(!isDormantText(`table inet t {\n${body}`))
  })
})

function effects(table: Table | undefined): readonly unknown[] {
  const all: Statement[] = (table?.chains ?? []).flatMap((chain) =>
    chain.rules.flatMap((each) => [...each.statements]),
  )
  return all.map((statement) => (statement.kind === 'opaque' ? statement.effect : statement.kind))
}

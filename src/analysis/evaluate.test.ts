import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InternalError } from '../base/internal-error.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet, TrackingState } from '../packet/packet.ts'
import { inSet, isIn, noneOf, oneOf, only, setName, verdict } from '../ruleset/build.ts'
import type { FieldName } from '../ruleset/fields.ts'
import type {
  BaseChain,
  BitsMatch,
  Chain,
  NamedSet,
  Rule,
  Ruleset,
  Statement,
  Table,
  Verdict,
} from '../ruleset/ruleset.ts'
import { interfaceNamed, ip, mac } from '../../tests/support/sample-host.ts'
import { evaluate } from './evaluate.ts'
import { bitsValue, fieldValue } from './field-value.ts'

const PACKET: Packet = {
  hook: 'input',
  iif: interfaceNamed('eth0'),
  mac: mac('00:16:3e:00:00:01'),
  family: 'ip',
  source: ip('192.0.2.9'),
  destination: ip('192.0.2.1'),
  protocol: PROTOCOL_NUMBER.tcp,
  sourcePort: 40000,
  destinationPort: 22,
  tcpFlags: 2,
  hopLimit: 64,
  tracking: { state: 'new', direction: 'original', mark: 0, dnat: false, originalDestinationPort: 22 },
  time: 1_800_000_000,
}

const { mac: _, ...FROM_TUN } = { ...PACKET, iif: interfaceNamed('tun0') }
const PING6: Packet = {
  hook: 'input',
  iif: interfaceNamed('eth0'),
  mac: mac('00:16:3e:00:00:01'),
  family: 'ip6',
  source: ip('2001:db8::9'),
  destination: ip('2001:db8::1'),
  protocol: PROTOCOL_NUMBER.icmpv6,
  messageType: 128,
  hopLimit: 64,
  tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
  time: 1_800_000_000,
}

const rule = (...statements: readonly Statement[]): Rule => ({ statements })
const say = (kind: 'accept' | 'drop' | 'return' | 'continue', ...before: readonly Statement[]): Rule =>
  rule(...before, { kind: 'verdict', verdict: { kind } })
const go = (kind: 'jump' | 'goto', chain: string, ...before: readonly Statement[]): Rule =>
  rule(...before, { kind: 'verdict', verdict: { kind, chain } })

function chain(name: string, rules: readonly Rule[], base?: Partial<BaseChain>): Chain {
  if (base === undefined) return { name, rules }
  return { name, rules, base: { type: 'filter', hook: 'input', priority: 0, policy: 'accept', ...base } }
}

const table = (chains: readonly Chain[], more: Partial<Table> = {}): Table => ({
  family: 'inet',
  name: 't',
  sets: [],
  chains,
  ...more,
})
const ruleset = (...tables: readonly Table[]): Ruleset => ({ tables })
const inInput = (...rules: readonly Rule[]): Ruleset => ruleset(table([chain('input', rules, {})]))
/** Does the statement hold for the packet? */
const holds = (packet: Packet, ...statements: readonly Statement[]): boolean =>
  evaluate(inInput(say('drop', ...statements)), packet).verdict === 'drop'

describe('base chains', () => {
  test('without rules everything is accepted, and a chain that falls through has its policy', () => {
    assert.equal(evaluate(ruleset(), PACKET).verdict, 'accept')
    assert.equal(evaluate(ruleset(table([chain('input', [], { policy: 'drop' })])), PACKET).verdict, 'drop')
    assert.equal(evaluate(inInput(), PACKET).verdict, 'accept')
  })

  test('run by priority, whatever table they are in', () => {
    const late = table([chain('late', [say('accept')], { priority: 10 })], { name: 'a' })
    const early = table([chain('early', [say('accept')], { priority: -10 })], { name: 'b' })
    const { path } = evaluate(ruleset(late, early), PACKET)
    assert.deepEqual(
      path.map((step) => `${step.table.name}/${step.chain}`),
      ['b/early', 'a/late'],
    )
  })

  test('a drop is final; an accept ends its own chain only', () => {
    const accepts = table([chain('first', [say('accept')], { priority: -10 })], { name: 'a' })
    const drops = table([chain('second', [say('drop')], { priority: 10 })], { name: 'b' })
    assert.equal(evaluate(ruleset(accepts, drops), PACKET).verdict, 'drop')
    const dropsFirst = table([chain('first', [say('drop')], { priority: -10 })], { name: 'a' })
    const acceptsThen = table([chain('second', [say('accept')], { priority: 10 })], { name: 'b' })
    const outcome = evaluate(ruleset(acceptsThen, dropsFirst), PACKET)
    assert.equal(outcome.verdict, 'drop')
    assert.equal(outcome.path.length, 1)
  })

  test('a reject is final too, and says so', () => {
    const reject: Verdict = { kind: 'reject', answer: 'tcp reset' }
    assert.equal(evaluate(inInput(rule({ kind: 'verdict', verdict: reject })), PACKET).verdict, 'reject')
  })

  test('only those of the packet’s hook, type filter, and a family that sees it', () => {
    const elsewhere: readonly Table[] = [
      table([chain('output', [say('drop')], { hook: 'output' })]),
      table([chain('nat', [say('drop')], { type: 'nat' })]),
      table([chain('six', [say('drop')], {})], { family: 'ip6' }),
      table([chain('arp', [say('drop')], {})], { family: 'arp' }),
      table([chain('bridge', [say('drop')], {})], { family: 'bridge' }),
    ]
    assert.equal(evaluate(ruleset(...elsewhere), PACKET).verdict, 'accept')
    const four = table([chain('four', [say('drop')], {})], { family: 'ip' })
    assert.equal(evaluate(ruleset(four), PACKET).verdict, 'drop')
    assert.equal(evaluate(ruleset(four), PING6).verdict, 'accept')
  })
})

describe('jump, goto, return, continue', () => {
  const called = (ruleOfInput: Rule, rules: readonly Rule[]): string =>
    evaluate(ruleset(table([chain('input', [ruleOfInput, say('drop')], {}), chain('sub', rules)])), PACKET)
      .verdict

  test('a jump comes back where its chain falls through or returns', () => {
    assert.equal(called(go('jump', 'sub'), []), 'drop')
    assert.equal(called(go('jump', 'sub'), [say('return'), say('accept')]), 'drop')
    assert.equal(called(go('jump', 'sub'), [say('accept')]), 'accept')
  })

  test('a goto does not come back', () => {
    assert.equal(called(go('goto', 'sub'), []), 'accept')
    assert.equal(called(go('goto', 'sub'), [say('return')]), 'accept')
    assert.equal(called(go('goto', 'sub'), [say('drop')]), 'drop')
  })

  test('a return in a base chain is its policy', () => {
    const base = ruleset(table([chain('input', [say('return'), say('accept')], { policy: 'drop' })]))
    assert.equal(evaluate(base, PACKET).verdict, 'drop')
  })

  test('continue goes on, as a rule without a verdict does', () => {
    assert.equal(
      evaluate(inInput(say('continue'), rule({ kind: 'counter' }), say('drop')), PACKET).verdict,
      'drop',
    )
  })

  test('a goto from a called chain comes back to the caller of that chain', () => {
    const chains = [
      chain('input', [go('jump', 'a'), say('drop')], {}),
      chain('a', [go('goto', 'b'), say('accept')]),
      chain('b', []),
    ]
    assert.equal(evaluate(ruleset(table(chains)), PACKET).verdict, 'drop')
  })

  test('a chain that is not there and a circle are bugs', () => {
    assert.throws(() => called(go('jump', 'nowhere'), []), InternalError)
    assert.throws(() => called(go('jump', 'sub'), [go('jump', 'sub')]), InternalError)
  })
})

describe('matches', () => {
  test('run from left to right, and the first that fails ends the rule', () => {
    const mark: Statement = { kind: 'mark-connection', bits: 4 }
    const late = inInput(rule(oneOf('iifname', ['eth1']), mark))
    assert.equal(evaluate(late, PACKET).mark, 0)
    const early = inInput(rule(mark, oneOf('iifname', ['eth1'])), rule(mark))
    assert.equal(evaluate(early, PACKET).mark, 4)
  })

  test('a field that the packet does not have fails the match, negated or not', () => {
    const cases: readonly (readonly [FieldName, Packet])[] = [
      ['ether saddr', FROM_TUN],
      ['ip saddr', PING6],
      ['ip6 saddr', PACKET],
      ['ip6 hoplimit', PACKET],
      ['tcp dport', PING6],
      ['udp dport', PACKET],
      ['icmp type', PING6],
      ['icmpv6 type', PACKET],
      ['igmp type', PACKET],
      ['ct original proto-dst', { ...PACKET, tracking: { ...PACKET.tracking, state: 'invalid' } }],
      ['ct direction', { ...PACKET, tracking: { ...PACKET.tracking, state: 'untracked' } }],
    ]
    for (const [field, packet] of cases) {
      const value = field === 'ip6 saddr' ? 7n : 7
      assert.equal(fieldValue(field, packet), undefined, field)
      assert.equal(holds(packet, oneOf(field, [value])), false, field)
      assert.equal(holds(packet, noneOf(field, [value])), false, `${field} negated`)
    }
  })

  test('bits that the packet does not have fail the match, equal or not', () => {
    const match = (test: BitsMatch['test'], field: BitsMatch['field']): BitsMatch => ({
      kind: 'bits',
      field,
      mask: 2,
      test,
      value: 0,
    })
    assert.equal(holds(PING6, match('equal', 'tcp flags')), false)
    assert.equal(holds(PING6, match('not-equal', 'tcp flags')), false)
    const invalid: Packet = { ...PACKET, tracking: { ...PACKET.tracking, state: 'invalid' } }
    for (const field of ['ct mark', 'ct status'] as const) {
      assert.equal(bitsValue(field, invalid), undefined)
      assert.equal(holds(invalid, match('equal', field)), false)
      assert.equal(holds(PACKET, match('equal', field)), true)
    }
  })

  test('ct state is a bit of its own for each state', () => {
    const states: readonly TrackingState[] = ['new', 'established', 'related', 'invalid', 'untracked']
    const values = states.map((state) =>
      bitsValue('ct state', { ...PACKET, tracking: { ...PACKET.tracking, state } }),
    )
    assert.deepEqual(values, [8, 2, 4, 1, 64])
    const either: BitsMatch = { kind: 'bits', field: 'ct state', mask: 10, test: 'not-equal', value: 0 }
    assert.equal(holds(PACKET, either), true)
  })

  test('an interface that is absent has the empty name, so a negated match holds', () => {
    assert.equal(holds(PACKET, noneOf('oifname', ['eth0'])), true)
    assert.equal(holds(PACKET, oneOf('oifname', ['eth0'])), false)
  })

  test('fields taken together match value by value, with and without a named set', () => {
    const fields: readonly FieldName[] = ['ether saddr', 'ip saddr']
    const elements = [
      [only(0x00163e000001), { low: 0xc0000200, high: 0xc00002ff }],
      [only(0x00163e000002), only(0xc0000301)],
    ]
    assert.equal(holds(PACKET, isIn(fields, elements)), true)
    assert.equal(holds({ ...PACKET, source: ip('192.0.3.1') }, isIn(fields, elements)), false)
    assert.equal(holds(FROM_TUN, isIn(fields, elements)), false)
    const name = setName('people')
    const set: NamedSet = { name, fields, interval: true, elements }
    const named = ruleset(table([chain('input', [say('drop', inSet(fields, name))], {})], { sets: [set] }))
    assert.equal(evaluate(named, PACKET).verdict, 'drop')
    assert.throws(() => evaluate(inInput(say('drop', inSet(fields, name))), PACKET), InternalError)
  })

  test('ranges hold at both ends', () => {
    const ports = isIn(['tcp dport'], [[{ low: 22, high: 25 }], [{ low: 80, high: 80 }]])
    const at = (destinationPort: number): boolean => holds({ ...PACKET, destinationPort }, ports)
    assert.deepEqual([21, 22, 25, 26, 80].map(at), [false, true, true, false, true])
  })

  test('a match that is not modelled is no answer, unless one is assumed', () => {
    const opaque: Statement = { kind: 'opaque', text: 'meta cgroup 7' }
    const rules = inInput(say('drop', opaque))
    assert.throws(() => evaluate(rules, PACKET), InternalError)
    assert.equal(evaluate(rules, PACKET, { assume: () => true }).verdict, 'drop')
    assert.equal(evaluate(rules, PACKET, { assume: () => false }).verdict, 'accept')
    const unreached = inInput(say('accept'), say('drop', opaque))
    assert.equal(evaluate(unreached, PACKET).verdict, 'accept')
  })

  test('a limit is asked about only where it is reached, each time anew', () => {
    const limit: Statement = { kind: 'limit', rate: 3, per: 'minute', burst: 5 }
    const asked: unknown[] = []
    const assume = (statement: unknown): boolean => asked.push(statement) > 1
    const rules = inInput(
      say('accept', oneOf('iifname', ['eth1']), limit),
      say('drop', limit),
      say('drop', limit),
    )
    assert.equal(evaluate(rules, PACKET, { assume }).verdict, 'drop')
    assert.equal(asked.length, 2)
    assert.equal(evaluate(rules, PACKET).verdict, 'drop')
  })
})

describe('marks and the path', () => {
  test('a mark is set bit by bit and seen by later rules; without a connection there is nothing to mark', () => {
    const mark: Statement = { kind: 'mark-connection', bits: 0x10000000 }
    const marked: BitsMatch = {
      kind: 'bits',
      field: 'ct mark',
      mask: 0x10000000,
      test: 'not-equal',
      value: 0,
    }
    const rules = inInput(rule(mark), say('drop', marked))
    const started: Packet = { ...PACKET, tracking: { ...PACKET.tracking, mark: 1 } }
    assert.deepEqual([evaluate(rules, started).verdict, evaluate(rules, started).mark], ['drop', 0x10000001])
    for (const state of ['invalid', 'untracked'] as const) {
      const outcome = evaluate(rules, { ...PACKET, tracking: { ...PACKET.tracking, state } })
      assert.deepEqual([outcome.verdict, outcome.mark], ['accept', 0])
    }
    assert.equal(started.tracking.mark, 1)
  })

  test('the highest bit stays a positive number', () => {
    assert.equal(
      evaluate(inInput(rule({ kind: 'mark-connection', bits: 0x80000000 })), PACKET).mark,
      0x80000000,
    )
  })

  test('the path has each rule that held, in order, and the policy where it decided', () => {
    const rules = [say('accept', oneOf('iifname', ['eth1'])), rule({ kind: 'counter' }), go('jump', 'sub')]
    const chains = [chain('input', rules, { policy: 'drop' }), chain('sub', [say('return', verdictless())])]
    const { path } = evaluate(ruleset(table(chains)), PACKET)
    assert.deepEqual(
      path.map((step) => [step.chain, step.index, step.verdict?.kind]),
      [
        ['input', 1, undefined],
        ['input', 2, 'jump'],
        ['sub', 0, 'return'],
        ['input', undefined, 'drop'],
      ],
    )
  })
})

function verdictless(): Statement {
  return { kind: 'log', prefix: 'x', ether: false }
}

test('what build makes is what is evaluated', () => {
  assert.equal(evaluate(inInput(rule(verdict('drop'))), PACKET).verdict, 'drop')
})

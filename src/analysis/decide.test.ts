import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { arbitraryPacket, withDoubts } from '../../tests/support/doubtful-table.ts'
import {
  ACCEPT,
  DROP,
  INPUT_BASE,
  bits,
  is,
  one,
  rule,
  set,
  verdict,
  within,
} from '../../tests/support/tables.ts'
import { interfaceNamed, ip, mac } from '../../tests/support/sample-host.ts'
import type { Packet } from '../packet/packet.ts'
import type { BaseChain, Chain, OpaqueEffect, Rule, Ruleset, Statement, Table } from '../ruleset/ruleset.ts'
import type { Decision } from './decide.ts'
import { decide } from './decide.ts'
import { evaluate } from './evaluate.ts'

const SYN: Packet = {
  hook: 'input',
  iif: interfaceNamed('eth0'),
  mac: mac('00:16:3e:00:00:01'),
  family: 'ip',
  source: ip('192.0.2.7'),
  destination: ip('192.0.2.1'),
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 22,
  tcpFlags: 2,
  hopLimit: 64,
  tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
  time: 1_800_000_000,
}
const opaque = (text: string, effect?: OpaqueEffect): Statement =>
  effect === undefined ? { kind: 'opaque', text } : { kind: 'opaque', text, effect }
const LIMIT: Statement = { kind: 'limit', rate: 3, per: 'minute', burst: 5 }
const SSH = is('tcp dport', 22)

function base(hook: BaseChain['hook'], priority: number, policy: BaseChain['policy'] = 'accept'): BaseChain {
  return { type: 'filter', hook, priority, policy }
}

function chain(name: string, at: BaseChain | undefined, ...rules: readonly Rule[]): Chain {
  return at === undefined ? { name, rules } : { name, base: at, rules }
}

function table(name: string, ...chains: readonly Chain[]): Table {
  return { family: 'inet', name, sets: [], chains }
}

const CLOSED = table('admit', chain('input', INPUT_BASE, rule('ssh', SSH, ACCEPT), rule('end', DROP)))

function ask(packet: Packet, ...tables: readonly Table[]): Decision {
  return decide({ tables }, packet)
}

/** Whom it hangs on, or the verdict. */
function told(decision: Decision): readonly string[] | string {
  return decision.kind === 'hangs' ? decision.on.map(({ text }) => text) : decision.kind
}

function refusedBy(decision: Decision): string | undefined {
  return decision.kind === 'accept' ? undefined : decision.path.at(-1)?.rule?.comment
}

describe('a decision', () => {
  test('is what all assumptions give, for random tables', () => {
    const kinds = new Set<string>()
    fc.assert(
      fc.property(withDoubts(), arbitraryPacket(), (tables, packet) => {
        const ruleset: Ruleset = { tables }
        const verdicts = new Set<boolean>()
        const open: (readonly boolean[])[] = [[]]
        let runs = 0
        for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
          if (runs++ > 300) return
          const given = prefix
          let asked = 0
          const outcome = evaluate(ruleset, packet, {
            assume: () => {
              asked++
              return given[asked - 1] ?? true
            },
          })
          verdicts.add(outcome.verdict === 'accept')
          for (let at = given.length; at < asked; at++) {
            open.push([...given, ...Array.from({ length: at - given.length }, () => true), false])
          }
        }
        const expected = verdicts.size === 2 ? 'hangs' : verdicts.has(true) ? 'accept' : 'refuse'
        assert.equal(decide(ruleset, packet).kind, expected)
        kinds.add(expected)
      }),
      { numRuns: 150 },
    )
    assert.equal(kinds.size, 3, 'the tables show too little')
  })

  test('names the rule that refuses, and what a refusal hangs on', () => {
    assert.equal(told(ask(SYN, CLOSED)), 'accept')
    const other = table('other', chain('in', base('input', -10), rule('no', SSH, DROP)))
    assert.equal(told(ask(SYN, CLOSED, other)), 'refuse')
    assert.equal(refusedBy(ask(SYN, CLOSED, other)), 'no')
    const maybe = table(
      'other',
      chain('in', base('input', -10), rule('maybe', opaque('meta cgroup 7'), DROP)),
    )
    assert.deepEqual(told(ask(SYN, CLOSED, maybe)), ['meta cgroup 7'])
    assert.equal(refusedBy(ask(SYN, CLOSED, maybe)), 'maybe')
    const limited = table(
      'other',
      chain('in', base('input', -10), rule('few', LIMIT, ACCEPT), rule('no', DROP)),
    )
    assert.deepEqual(told(ask(SYN, CLOSED, limited)), ['limit rate 3/minute'])
  })

  test('hangs on nothing that decides nothing', () => {
    const idle = table(
      'other',
      chain(
        'in',
        base('input', -10),
        rule('logs', LIMIT, { kind: 'log', prefix: 'x', ether: false }),
        rule('both ways', opaque('a'), ACCEPT),
        rule('not ours', opaque('b'), is('tcp dport', 80), DROP),
        rule('counts', opaque('c'), { kind: 'counter' }),
        rule('says nothing', opaque('d', 'none'), is('udp dport', 22), DROP),
      ),
    )
    assert.equal(told(ask(SYN, CLOSED, idle)), 'accept')
  })

  test('of two limits with the same text each is one of its own', () => {
    const twice = table(
      'other',
      chain('in', base('input', -10), rule('a', LIMIT, verdict({ kind: 'jump', chain: 'b' }))),
      chain('b', undefined, rule('b', LIMIT, ACCEPT), rule('c', DROP)),
    )
    assert.deepEqual(told(ask(SYN, twice)), ['limit rate 3/minute', 'limit rate 3/minute'])
  })

  test('many doubtful rules are no product of assumptions', () => {
    const rules = Array.from({ length: 2000 }, (_, index) => rule(`r${index}`, opaque(`o${index}`), ACCEPT))
    const long = table('other', chain('in', base('input', -10), ...rules))
    const began = performance.now()
    assert.equal(told(ask(SYN, CLOSED, long)), 'accept')
    const fatal = table('other', chain('in', base('input', -10), ...rules, rule('last', DROP)))
    assert.equal(ask(SYN, CLOSED, fatal).kind, 'hangs')
    assert.ok(performance.now() - began < 1000)
  })

  test('is over prerouting too, where connection tracking has not looked yet at a low priority', () => {
    const invalid = bits('ct state', 1, 'not-equal', 0)
    const early = (priority: number): Table =>
      table('other', chain('pre', base('prerouting', priority), rule('invalid', invalid, DROP)))
    assert.equal(told(ask(SYN, CLOSED, early(-300))), 'refuse')
    assert.equal(told(ask(SYN, CLOSED, early(-150))), 'accept')
    const policy = table('other', chain('pre', base('prerouting', -150, 'drop')))
    assert.equal(told(ask(SYN, CLOSED, policy)), 'refuse')
  })

  test('hangs on a translation that the packet meets, and on no other', () => {
    const nat: BaseChain = { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' }
    const docker = (port: number): Table => ({
      family: 'ip',
      name: 'nat',
      sets: [],
      chains: [
        chain(
          'PREROUTING',
          nat,
          rule('to', opaque('fib daddr type local'), verdict({ kind: 'jump', chain: 'D' })),
        ),
        chain(
          'D',
          undefined,
          rule('dnat', is('tcp dport', port), opaque('dnat to 172.17.0.2', 'packet'), ACCEPT),
        ),
      ],
    })
    assert.equal(told(ask(SYN, CLOSED, docker(8080))), 'accept')
    assert.deepEqual(told(ask(SYN, CLOSED, docker(22))), ['fib daddr type local', 'dnat to 172.17.0.2'])
    const answer: Packet = { ...SYN, tracking: { ...SYN.tracking, state: 'established' } }
    assert.equal(told(ask(answer, CLOSED, docker(22))), 'accept')
  })

  test('hangs on a chain at ingress that may refuse, whatever its device', () => {
    const ingress = (...rules: readonly Rule[]): Table => ({
      family: 'netdev',
      name: 'n',
      sets: [],
      chains: [chain('i', base('ingress', 0), ...rules)],
    })
    assert.equal(told(ask(SYN, CLOSED, ingress())), 'accept')
    assert.equal(told(ask(SYN, CLOSED, ingress(rule('no', is('ip saddr', 1), DROP)))), 'accept')
    assert.deepEqual(told(ask(SYN, CLOSED, ingress(rule('no', SSH, DROP)))), [
      'whether the packet comes by at ingress',
    ])
    const port = ingress(rule('no', is('iifname', 'port0'), DROP))
    assert.equal(ask(SYN, CLOSED, port).kind, 'hangs')
    const refusedAnyway = table('none', chain('in', base('input', 0, 'drop')))
    assert.equal(ask(SYN, refusedAnyway, ingress(rule('no', SSH, DROP))).kind, 'refuse')
  })

  test('of a packet on a bridge is over family bridge, of another it is not', () => {
    const bridge: Table = {
      family: 'bridge',
      name: 'b',
      sets: [],
      chains: [chain('i', base('input', 0, 'drop'))],
    }
    assert.equal(told(ask(SYN, CLOSED, bridge)), 'accept')
    assert.equal(decide({ tables: [CLOSED, bridge] }, SYN, { bridged: true }).kind, 'hangs')
  })

  test('hangs on a mark that others set, where a rule asks for it', () => {
    const marks = (...rules: readonly Rule[]): Table =>
      table('other', chain('in', base('input', -10), ...rules))
    const set7 = rule('set', opaque('ct mark set 7', 'mark'))
    const asked = rule('asked', bits('ct mark', 0xffffffff, 'equal', 7), DROP)
    assert.equal(told(ask(SYN, CLOSED, marks(asked))), 'accept')
    assert.deepEqual(told(ask(SYN, CLOSED, marks(set7, asked))), ['ct mark set 7'])
    assert.equal(told(ask(SYN, CLOSED, marks(set7))), 'accept')
  })

  test('hangs on what may give a verdict of its own, and on a jump to a chain that was not read', () => {
    const vmap = table('other', chain('in', base('input', -10), rule('v', opaque('vmap', 'verdict'))))
    assert.deepEqual(told(ask(SYN, CLOSED, vmap)), ['vmap'])
    const jump = table(
      'other',
      chain('in', base('input', -10), rule('j', verdict({ kind: 'jump', chain: 'x' }))),
    )
    assert.deepEqual(told(ask(SYN, CLOSED, jump)), ['the chain x could not be read'])
  })

  test('passes over a table that sleeps, and of other families', () => {
    const drop = chain('in', base('input', -10, 'drop'))
    assert.equal(told(ask(SYN, CLOSED, { ...table('other', drop), dormant: true })), 'accept')
    assert.equal(told(ask(SYN, CLOSED, { ...table('other', drop), family: 'ip6' })), 'accept')
    assert.equal(told(ask(SYN, CLOSED, { ...table('other', drop), family: 'ip' })), 'refuse')
  })

  test('of a packet of this host is over output and postrouting', () => {
    const answer: Packet = { ...SYN, hook: 'output', tracking: { ...SYN.tracking, state: 'established' } }
    const out = (hook: BaseChain['hook']): Table => table('other', chain('out', base(hook, 0, 'drop')))
    assert.equal(told(ask(answer, out('output'))), 'refuse')
    assert.equal(told(ask(answer, out('postrouting'))), 'refuse')
    assert.equal(told(ask(answer, CLOSED)), 'accept')
  })

  test('sees sets', () => {
    const banned = set('banned', ['ip saddr'], false, [one(0xc0000207)])
    const jail: Table = {
      ...table(
        'f2b',
        chain(
          'in',
          base('input', -1),
          rule('jail', { ...within(['ip saddr']), values: { kind: 'set', name: banned.name } }, DROP),
        ),
      ),
      sets: [banned],
    }
    assert.equal(told(ask(SYN, CLOSED, jail)), 'refuse')
    assert.equal(told(ask({ ...SYN, source: ip('192.0.2.8') }, CLOSED, jail)), 'accept')
  })
})

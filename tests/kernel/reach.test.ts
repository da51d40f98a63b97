/**
 * The proof that admins stay in, held against real packets: under each set of other people's rules every admin dials
 * SSH in both families, and whoever the proof calls admitted gets through, whoever it calls refused does not. Where
 * the answer hangs on what admit does not model, the proof says on what.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { ReachReport } from '../../src/apply/reach.ts'
import { proveReach } from '../../src/apply/reach.ts'
import { rescueTable } from '../../src/apply/rescue.ts'
import { ADMIT_TABLE, compile } from '../../src/compile/compile.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import { diffTable } from '../../src/ruleset/diff.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { runCommand } from '../../src/system/command.ts'
import { readHostFacts } from '../../src/system/host-reader.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { policyOf } from '../support/apply-policy.ts'
import type { Client } from '../support/clients.ts'
import { Call, cableClient, Switchboard, unplug } from '../support/clients.ts'
import { expectOk } from '../support/expect-ok.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

/** Long enough for a handshake on an idle cable; only who is refused takes this long. */
const SILENCE = 700
const PATIENCE = 10_000
const NOW = Math.floor(Date.now() / 1000)
const POLICY = policyOf(
  `admit: 1
devices:
  laptop: { mac: 02:11:00:00:00:01, admin: true, unseen: true }
  office: { address: [10.50.2.2, "2001:db8:50:2::2"], admin: true, unseen: true }
grants:
  - { from: laptop, to: ssh, on: to-laptop }
  - { from: office, to: ssh, on: to-office }
safety: { admins: 1 }
`,
  NOW,
)
const kernel = new NftKernel()

/** What the proof says of one admin and family: `in`, `refused`, or what it hangs on. */
type Told = readonly string[]

interface Case {
  readonly name: string
  readonly rules: string
  /** By `laptop ip` and so on; who is not named gets in. A text is what the doubt is about. */
  readonly told: Readonly<Record<string, 'refused' | RegExp>>
  /** Who really gets no connection although the proof only doubts. */
  readonly silent?: readonly string[]
}

const EVERYBODY = ['laptop ip', 'laptop ip6', 'office ip', 'office ip6']
const all = (what: 'refused' | RegExp): Case['told'] =>
  Object.fromEntries(EVERYBODY.map((who) => [who, what]))

const filter = (hook: string, priority: string, ...rules: readonly string[]): string =>
  `table inet other {\n chain c {\n type filter hook ${hook} priority ${priority}\n ${rules.join('\n ')}\n }\n}\n`

const CASES: readonly Case[] = [
  { name: 'nobody else', rules: '', told: {} },
  {
    name: 'a drop of SSH at input',
    rules: filter('input', '-10', 'tcp dport 22 drop'),
    told: all('refused'),
  },
  {
    name: 'a rejection after admit',
    rules: filter('input', '10', 'tcp dport 22 reject'),
    told: all('refused'),
  },
  {
    name: 'a drop at prerouting of what tracking has not seen',
    rules: filter('prerouting', 'raw', 'ct state invalid drop'),
    told: all('refused'),
  },
  {
    name: 'the same where tracking has seen it',
    rules: filter('prerouting', 'mangle', 'ct state invalid drop'),
    told: {},
  },
  {
    name: 'a jail with the address of an admin, as fail2ban makes it',
    rules: `table inet f2b-table {
      set addr-set-sshd {
        type ipv4_addr
        elements = { 10.50.1.2, 198.51.100.7, 203.0.113.9 }
      }
      chain f2b-chain {
        type filter hook input priority filter - 1
        tcp dport 22 ip saddr @addr-set-sshd reject with icmp type port-unreachable
      }
    }\n`,
    told: { 'laptop ip': 'refused' },
  },
  {
    name: 'a jail of strangers',
    rules: `table inet f2b-table {
      set addr-set-sshd {
        type ipv4_addr
        flags timeout
        elements = { 198.51.100.7 timeout 1h, 203.0.113.9 timeout 1h }
      }
      chain f2b-chain {
        type filter hook input priority filter - 1
        tcp dport 22 ip saddr @addr-set-sshd drop
      }
    }\n`,
    told: {},
  },
  {
    name: 'a table of one family',
    rules: 'table ip6 other {\n chain c {\n type filter hook input priority 0; policy drop\n }\n}\n',
    told: { 'laptop ip6': 'refused', 'office ip6': 'refused' },
  },
  {
    name: 'a verdict map of states and one of ports',
    rules: filter(
      'input',
      '-10',
      'ct state vmap { established : accept, related : accept, invalid : drop }',
      'iif "to-office" tcp dport vmap { 22 : drop, 80 : accept }',
    ),
    told: { 'office ip': 'refused', 'office ip6': 'refused' },
  },
  {
    name: 'a match that is not modelled and does not hold',
    rules: filter('input', '-10', 'ip ttl 3 tcp dport 22 drop'),
    told: { 'laptop ip': /ip ttl/, 'office ip': /ip ttl/ },
  },
  {
    name: 'a match that is not modelled and holds',
    rules: filter('input', '-10', 'ip ttl 64 tcp dport 22 drop'),
    told: { 'laptop ip': /ip ttl/, 'office ip': /ip ttl/ },
    silent: ['laptop ip', 'office ip'],
  },
  {
    name: 'a limit',
    rules: filter('input', '-10', 'iifname "to-laptop" tcp dport 22 limit rate over 1000/second drop'),
    told: { 'laptop ip': /limit rate over/, 'laptop ip6': /limit rate over/ },
  },
  {
    name: 'marks that are set and asked for',
    rules: filter(
      'prerouting',
      'mangle',
      'iifname "to-laptop" ct mark set 7',
      'ct mark 7 drop',
      'ct mark 8 drop',
    ),
    told: { 'laptop ip': /ct mark set/, 'laptop ip6': /ct mark set/ },
    silent: ['laptop ip', 'laptop ip6'],
  },
  {
    name: 'a table that sleeps',
    rules:
      'table inet other {\n flags dormant\n chain c {\n type filter hook input priority 0; policy drop\n }\n}\n',
    told: {},
  },
  {
    name: 'an output that answers nobody',
    rules:
      'table inet other {\n chain c {\n type filter hook output priority 0; policy drop\n udp dport 53 accept\n icmpv6 type { 133, 134, 135, 136 } accept\n }\n}\n',
    told: all('refused'),
  },
  {
    name: 'an output that answers',
    rules:
      'table inet other {\n chain c {\n type filter hook output priority 0; policy drop\n ct state established accept\n icmpv6 type { 133, 134, 135, 136 } accept\n }\n}\n',
    told: {},
  },
  {
    name: 'a drop at ingress of one device',
    rules:
      'table netdev other {\n chain c {\n type filter hook ingress device "to-laptop" priority 0\n tcp dport 22 drop\n }\n}\n',
    told: all(/comes by at ingress/),
    silent: ['laptop ip', 'laptop ip6'],
  },
  {
    name: 'translations of SSH and of another port',
    rules:
      'table ip other {\n chain c {\n type nat hook prerouting priority dstnat\n tcp dport 8080 dnat to 172.17.0.2:80\n iifname "to-office" tcp dport 22 redirect to :9\n }\n}\n',
    told: { 'office ip': /redirect to :9/ },
    silent: ['office ip'],
  },
  {
    name: 'connections that are not tracked',
    rules: filter('prerouting', 'raw', 'iifname "to-office" notrack'),
    told: { 'office ip': /notrack/, 'office ip6': /notrack/ },
  },
]

describe('the proof of reach and the kernel', () => {
  let facts: HostFacts
  let clients: readonly Client[]
  let board: Switchboard

  before(async () => {
    clients = [
      cableClient('laptop', 1, '02:11:00:00:00:01'),
      cableClient('office', 2, '02:11:00:00:00:02'),
      cableClient('stranger', 3, '02:11:00:00:00:03'),
    ]
    board = await Switchboard.open(22)
    // Whoever has dialled once is a neighbour, with its MAC.
    await assertConnected(EVERYBODY)
    const read = await readHostFacts(runCommand, [])
    facts = { ...read.facts, sshPorts: [22] }
  })
  after(async () => {
    board.close()
    for (const client of clients) await unplug(client)
  })
  beforeEach(() => {
    run('nft', ['flush', 'ruleset'])
    run('conntrack', ['-F'])
  })

  for (const one of CASES) {
    test(one.name, async () => {
      const candidate = compile(POLICY, facts, { now: NOW })
      run('nft', ['-f', '-'], one.rules)
      const report = await prove(candidate)
      for (const who of EVERYBODY) {
        const expected = one.told[who]
        if (expected instanceof RegExp) assert.match(toldOf(report, who).join(), expected)
        else assert.deepEqual(toldOf(report, who), expected === undefined ? [] : ['refused'], who)
      }
      expectOk(await kernel.apply(diffTable(undefined, candidate)), 'apply')
      assert.deepEqual(toldOf(await prove(candidate), 'laptop ip'), toldOf(report, 'laptop ip'))
      const silent = new Set([
        ...Object.keys(one.told).filter((who) => one.told[who] === 'refused'),
        ...(one.silent ?? []),
      ])
      await assertConnected(EVERYBODY.filter((who) => !silent.has(who)))
    })
  }

  test('rules of iptables-nft: what nft’s text shows of them is judged, what it hides is a doubt', async () => {
    const candidate = compile(POLICY, facts, { now: NOW })
    const add = (program: string, line: string): string => run(program, ['-A', 'INPUT', ...line.split(' ')])
    add('iptables-nft', '-i to-laptop -p tcp --dport 22 -m comment --comment x -j REJECT')
    add('iptables-nft', '-m conntrack --ctstate INVALID -j DROP')
    add('ip6tables-nft', '-p tcp -m multiport --dports 23,22 -m mac --mac-source 02:11:00:00:00:02 -j DROP')
    add('ip6tables-nft', '-i to-laptop -p tcp --dport 22 -m recent --name x --rcheck -j DROP')
    const report = await prove(candidate)
    assert.deepEqual(toldOf(report, 'laptop ip'), ['refused'])
    assert.match(
      toldOf(report, 'laptop ip6').join(),
      /^iifname "to-laptop" tcp dport 22 xt match recent drop$/,
    )
    assert.deepEqual(toldOf(report, 'office ip'), [])
    assert.deepEqual(toldOf(report, 'office ip6'), ['refused'])
    expectOk(await kernel.apply(diffTable(undefined, candidate)), 'apply')
    await assertConnected(['laptop ip6', 'office ip'])
  })

  test('flags that this nft cannot list as JSON are told by their text', async () => {
    for (const name of ['a', 'b', 'c']) {
      run(
        'nft',
        ['-f', '-'],
        `table inet ${name} {\n flags dormant\n chain c {\n type filter hook input priority 0; policy drop\n }\n}\n`,
      )
    }
    run('nft', ['add', 'table', 'inet', 'awake'])
    const { ruleset, notes } = expectOk(await kernel.observeAll(), 'observe')
    assert.deepEqual(
      ruleset.tables.map(({ name, dormant }) => [name, dormant]),
      [
        ['a', true],
        ['b', true],
        ['c', true],
        ['awake', undefined],
      ],
    )
    assert.deepEqual(notes, [])
  })

  test('the admins-only rules let admins in and nobody else', async () => {
    const table = rescueTable(POLICY, facts, { now: NOW })
    assert.ok(table !== undefined)
    expectOk(await kernel.apply(diffTable(undefined, table)), 'apply')
    await assertConnected(EVERYBODY)
    await assertConnected([], ['stranger'])
    assert.deepEqual(diffTable(expectOk(await kernel.observe(ADMIT_TABLE), 'observe'), table).operations, [])
  })

  async function prove(candidate: Table): Promise<ReachReport> {
    const { ruleset } = expectOk(await kernel.observeAll(), 'observe')
    return proveReach({ policy: POLICY, facts, observed: ruleset, candidate, now: NOW })
  }

  /** Exactly these, by name and family, get a connection to port 22, of those that are named. */
  async function assertConnected(
    expected: readonly string[],
    names: readonly string[] = ['laptop', 'office'],
  ): Promise<void> {
    const tries = clients
      .filter(({ name }) => names.includes(name))
      .flatMap((client) => [
        { who: `${client.name} ip`, call: new Call(client, 'tcp', client.host, 22) },
        { who: `${client.name} ip6`, call: new Call(client, 'tcp', client.host6, 22) },
      ])
    const heard = await Promise.all(
      tries.map(({ who, call }) => call.hears('connected', expected.includes(who) ? PATIENCE : SILENCE)),
    )
    for (const { call } of tries) call.hangUp()
    assert.deepEqual(
      tries.flatMap(({ who }, index) => (heard[index] === true ? [who] : [])),
      expected,
    )
  }
})

function toldOf(report: ReachReport, who: string): Told {
  const about = ({
    who: one,
    packet,
  }: ReachReport['failures'][number] | ReachReport['doubts'][number]): boolean =>
    one.kind === 'admin' && `${one.device.name} ${packet?.family}` === who
  const refused = report.failures.some(about) ? ['refused'] : []
  return [...refused, ...report.doubts.filter(about).flatMap(({ on }) => on.map(({ text }) => text))]
}

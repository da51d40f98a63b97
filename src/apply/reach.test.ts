import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST, interfaceNamed, ip, mac } from '../../tests/support/sample-host.ts'
import {
  ACCEPT,
  DROP,
  INPUT_BASE,
  inSet,
  is,
  one,
  range,
  rule,
  set,
  within,
} from '../../tests/support/tables.ts'
import { compile } from '../compile/compile.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import type { NamedSet, Rule, Statement, Table } from '../ruleset/ruleset.ts'
import type { ReachReport } from './reach.ts'
import { proveReach } from './reach.ts'

const NOW = 1_800_000_000
const DEVICES = `devices:
  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  office: { address: [203.0.113.0/24, "2001:db8:1::/64"], admin: true }
  desk: { bound: { mac: 00:16:3e:00:00:07, address: 192.168.1.7 }, admin: true }
`
const GRANTS = 'grants:\n  - { from: [laptop, office, desk], to: ssh }\n'
const SAFE = 'safety: { admins: 0 }\n'

interface Asked {
  readonly policy?: string
  readonly facts?: HostFacts
  readonly others?: readonly Table[]
  readonly caller?: SshConnection
  /** Nothing is to be in admit's place. */
  readonly open?: true
}

function prove({ policy: text, facts = SAMPLE_HOST, others = [], caller, open }: Asked = {}): ReachReport {
  const policy = policyOf(text ?? `admit: 1\n${DEVICES}${GRANTS}${SAFE}`, NOW)
  const candidate = open === true ? undefined : compile(policy, facts, { now: NOW })
  const observed = { tables: others }
  return proveReach({
    policy,
    facts,
    observed,
    candidate,
    now: NOW,
    ...(caller === undefined ? {} : { caller }),
  })
}

function other(...rules: readonly Rule[]): Table {
  return {
    family: 'inet',
    name: 'other',
    sets: [],
    chains: [{ name: 'in', base: { ...INPUT_BASE, priority: -10, policy: 'accept' }, rules }],
  }
}

function words(report: ReachReport): readonly string[] {
  return report.failures.map(({ who, request, packet, by }) => {
    const name = who.kind === 'admin' ? who.device.name : 'me'
    return `${name} ${request} ${packet?.iif ?? 'nowhere'} ${packet?.family ?? ''} by ${by?.table.name ?? 'nobody'} ${by?.chain ?? ''}`
  })
}

const SSH = is('tcp dport', 22)
const CALLER: SshConnection = {
  local: { address: ip('192.0.2.1'), port: 22 },
  remote: { address: ip('203.0.113.7'), port: 50000 },
  interface: interfaceNamed('eth0'),
  gateway: ip('192.0.2.254'),
}

describe('the proof that admins stay in', () => {
  test('holds where every admin has a grant, and says how many packets it took', () => {
    const report = prove()
    assert.deepEqual(words(report), [])
    assert.deepEqual(report.doubts, [])
    assert.deepEqual(
      report.admins.map(({ name }) => name),
      ['laptop', 'office', 'desk'],
    )
    assert.ok(report.packets >= 10)
    assert.deepEqual(report.notes, [])
  })

  test('admit’s own table in the kernel is not asked; the candidate is', () => {
    const old: Table = {
      family: 'inet',
      name: 'admit',
      sets: [],
      chains: [{ name: 'input', base: INPUT_BASE, rules: [rule('meaning.refuse: no', DROP)] }],
    }
    assert.deepEqual(words(prove({ others: [old] })), [])
    assert.deepEqual(words(prove({ others: [old], open: true })), [])
    const wanting = `admit: 1\n${DEVICES}grants:\n  - { from: [office, desk], to: ssh }\n${SAFE}`
    const failures = prove({ policy: wanting, open: true }).failures
    assert.deepEqual(failures, [])
  })

  test('an admin without a grant is a failure, in every family and on every judged interface, at its line', () => {
    const policy = `admit: 1\n${DEVICES}grants:\n  - { from: [office, desk], to: ssh }\n${SAFE}`
    const report = prove({ policy })
    // br0 and bond0 have no addresses: nobody dials this host there.
    assert.deepEqual(words(report), [
      'laptop 22/tcp eth0 ip by admit input',
      'laptop 22/tcp eth0 ip6 by admit input',
    ])
    assert.ok(report.failures.every(({ who }) => who.kind === 'admin' && who.device.name === 'laptop'))
    const [first] = report.failures
    assert.equal(first?.place?.line, 3)
    assert.equal(first?.foreign, false)
    assert.equal(first?.by?.rule?.comment, 'meaning.refuse: no grant admits it')
  })

  test('a grant on another interface is none where the device was seen', () => {
    const policy = `admit: 1\n${DEVICES}grants:\n  - { from: [laptop, office], to: ssh, on: eth0 }\n  - { from: desk, to: ssh, on: eth0 }\n${SAFE}`
    const failures = words(prove({ policy }))
    // desk was seen on br0; laptop nowhere, and its grants name eth0.
    assert.deepEqual(failures, ['desk 22/tcp br0 ip by admit input'])
  })

  test('every port that sshd listens on is asked', () => {
    const facts = { ...SAMPLE_HOST, sshPorts: [22, 22222] }
    const failures = prove({ facts }).failures
    assert.ok(failures.length > 0)
    assert.ok(failures.every(({ request }) => request === '22222/tcp'))
  })

  test('without an SSH server nothing is proven, and it says so', () => {
    const report = prove({ facts: { ...SAMPLE_HOST, sshPorts: [] } })
    assert.equal(report.packets, 0)
    assert.match(report.notes.join(), /no SSH server is seen listening/)
  })

  test('an admin that this host never saw, or with an until, does not count and is told', () => {
    const policy = `admit: 1
devices:
  far: { address: 198.51.100.9, admin: true }
  soon: { mac: 00:16:3e:00:00:09, admin: true, until: 2099-01-01T00:00:00Z }
${SAFE}`
    const report = prove({ policy })
    assert.deepEqual(report.failures, [])
    assert.deepEqual(
      report.notCounted.map(({ device, because }) => `${device.name} ${because}`),
      ['far never-seen', 'soon until'],
    )
    assert.match(report.notes.join(), /no device counts/)
  })

  test('a MAC on a host without Ethernet cannot be shown: a failure', () => {
    const wg0 = SAMPLE_HOST.interfaces.filter(({ name }) => name === 'lo' || name === 'wg0')
    const facts = { ...SAMPLE_HOST, interfaces: wg0, neighbours: [], sshConnections: [] }
    const policy = `admit: 1\ndevices:\n  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }\n${SAFE}`
    const [failure] = prove({ policy, facts }).failures
    assert.equal(failure?.packet, undefined)
    assert.equal(failure?.place?.line, 3)
  })
})

describe('other tables in the proof', () => {
  test('a drop for certain values is a failure that names their rule', () => {
    const report = prove({ others: [other(rule('no ssh', SSH, DROP))] })
    assert.ok(report.failures.length >= 3)
    const [failure] = report.failures
    assert.equal(failure?.foreign, true)
    assert.equal(failure?.by?.rule?.comment, 'no ssh')
    assert.equal(failure?.place, undefined)
  })

  test('source ports, hop limits, ECN, single addresses and single destinations are all found', () => {
    const found = (...statements: readonly Statement[]): readonly string[] =>
      words(prove({ others: [other(rule('x', ...statements, DROP))] }))
    assert.ok(found(is('tcp sport', 31337)).length > 0)
    assert.ok(found(is('ip6 hoplimit', 1)).length > 0)
    assert.ok(found({ kind: 'bits', field: 'tcp flags', mask: 192, test: 'equal', value: 192 }).length > 0)
    assert.deepEqual(found(is('ip saddr', 0xcb007132)), ['office 22/tcp eth0 ip by other in'])
    assert.ok(found(is('ip daddr', 0xc0000201)).length > 0)
    assert.deepEqual(found(is('ip daddr', 0xc0000299)), [])
    assert.deepEqual(found(is('udp dport', 22)), [])
    assert.deepEqual(found(is('tcp sport', 0)), [])
  })

  test('a MAC’s sources are those of its link: what others refuse elsewhere is no failure', () => {
    const policy = `admit: 1\ndevices:\n  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }\ngrants:\n  - { from: laptop, to: ssh, on: eth0 }\n${SAFE}`
    const banned = (address: number): readonly string[] =>
      words(prove({ policy, others: [other(rule('banned', is('ip saddr', address), DROP))] }))
    assert.deepEqual(banned(0x01020304), [])
    assert.deepEqual(banned(0xc0000232), ['laptop 22/tcp eth0 ip by other in'])
    // This host's own address, and the broadcast address, send nothing.
    assert.deepEqual(banned(0xc0000201), [])
    assert.deepEqual(banned(0xc00002ff), [])
  })

  test('of a router’s MAC any source may come: what others refuse of these is a doubt, what they refuse of all a failure', () => {
    const policy = `admit: 1\ndevices:\n  up: { mac: fe:00:00:00:01:01, admin: true, everyone-behind: gateway }\ngrants:\n  - { from: up, to: ssh, on: eth0 }\n${SAFE}`
    const jail = prove({ policy, others: [other(rule('banned', is('ip saddr', 0x01020304), DROP))] })
    assert.deepEqual(words(jail), [])
    assert.match(jail.doubts[0]?.on[0]?.text ?? '', /behind the router/)
    assert.equal(jail.doubts[0]?.packet?.source, '1.2.3.4')
    const port = prove({ policy, others: [other(rule('no', is('tcp sport', 31337), DROP))] })
    assert.deepEqual(words(port), ['up 22/tcp eth0 ip by other in', 'up 22/tcp eth0 ip6 by other in'])
    const without = prove({ policy: policy.replace('to: ssh', 'to: ping') })
    assert.equal(without.failures.length, 2)
  })

  test('behind a gateway a packet carries the gateway’s MAC', () => {
    const drop = (text: number): readonly string[] =>
      words(prove({ others: [other(rule('mac', is('ether saddr', text), DROP))] }))
    assert.ok(drop(0xfe0000000101).includes('office 22/tcp eth0 ip by other in'))
  })

  test('an answer that this host’s own rules refuse is a failure; most hosts refuse none', () => {
    const out = (policy: 'accept' | 'drop', ...rules: readonly Rule[]): Table => ({
      family: 'inet',
      name: 'other',
      sets: [],
      chains: [{ name: 'out', base: { type: 'filter', hook: 'output', priority: 0, policy }, rules }],
    })
    const established: Statement = { kind: 'bits', field: 'ct state', mask: 2, test: 'not-equal', value: 0 }
    assert.deepEqual(words(prove({ others: [out('drop', rule('answers', established, ACCEPT))] })), [])
    const silent = prove({ others: [out('drop', rule('dns', is('udp dport', 53), ACCEPT))] })
    assert.ok(silent.failures.length > 0)
    assert.ok(silent.failures.every(({ direction }) => direction === 'reply'))
    assert.equal(silent.failures[0]?.request, '22/tcp')
  })

  test('what hangs on a match that is not modelled, a limit, a translation or another device is a doubt', () => {
    const doubtful: readonly Statement[] = [
      { kind: 'opaque', text: 'meta cgroup 7' },
      { kind: 'limit', rate: 3, per: 'minute', burst: 5 },
    ]
    for (const statement of doubtful) {
      const report = prove({ others: [other(rule('maybe', statement, DROP))] })
      assert.deepEqual(report.failures, [])
      assert.ok(report.doubts.length > 0)
      assert.equal(report.doubts[0]?.on[0]?.rule?.comment, 'maybe')
    }
  })

  test('a set of banned addresses is a failure only where an admin may come from them', () => {
    const jail = (...elements: NamedSet['elements']): Table => ({
      ...other(rule('fail2ban', SSH, inSet(['ip saddr'], 'addr-set-sshd'), DROP)),
      sets: [set('addr-set-sshd', ['ip saddr'], true, ...elements)],
    })
    assert.deepEqual(words(prove({ others: [jail([one(0x08080808)], [range(0x08080900, 0x080809ff)])] })), [])
    assert.deepEqual(words(prove({ others: [jail([one(0xcb007107)])] })), [
      'office 22/tcp eth0 ip by other in',
    ])
  })

  test('legacy iptables is told, since nft does not show it', () => {
    const facts = {
      ...SAMPLE_HOST,
      otherFirewalls: [{ name: 'iptables-legacy', evidence: '/proc/net/ip_tables_names' }],
    }
    assert.match(prove({ facts }).notes.join(), /not visible to nft/)
  })
})

describe('the proof that whoever applies stays in', () => {
  test('their connection is judged as a new one, by what a packet of theirs shows', () => {
    assert.deepEqual(words(prove({ caller: CALLER })), [])
    const stranger = { ...CALLER, remote: { address: ip('198.51.100.77'), port: 4 } }
    const report = prove({ caller: stranger })
    assert.deepEqual(words(report), ['me 22/tcp eth0 ip by admit input'])
    const [failure] = report.failures
    assert.ok(failure?.who.kind === 'applier' && failure.who.devices.length === 0)
    assert.equal(failure.packet?.mac, 'fe:00:00:00:01:01')
    assert.equal(failure.place, undefined)
  })

  test('a device without a grant is named, with its line', () => {
    const policy = `admit: 1\n${DEVICES}  guest: { mac: 00:16:3e:00:00:05 }\n${GRANTS}${SAFE}`
    const { gateway, ...link } = CALLER
    assert.ok(gateway !== undefined)
    const guest: SshConnection = {
      ...link,
      mac: mac('00:16:3e:00:00:05'),
      remote: { address: ip('192.0.2.9'), port: 4 },
    }
    const [failure] = prove({ policy, caller: guest }).failures
    assert.ok(failure?.who.kind === 'applier')
    assert.deepEqual(
      failure.who.devices.map(({ name }) => name),
      ['guest'],
    )
    assert.equal(failure.place?.line, 6)
  })

  test('also where the port is no longer listened on, and only with sources that match all of it', () => {
    const facts = { ...SAMPLE_HOST, sshPorts: [] }
    assert.equal(
      prove({ facts, caller: { ...CALLER, local: { address: ip('192.0.2.1'), port: 23 } } }).failures.length,
      1,
    )
    const pair = within(['ip saddr', 'tcp sport'], [one(0xcb007107), range(1, 1023)])
    const report = prove({ facts, caller: CALLER, others: [other(rule('low', pair, DROP))] })
    assert.deepEqual(words(report), ['me 22/tcp eth0 ip by other in'])
  })

  test('over lo nothing is judged by admit', () => {
    const local: SshConnection = {
      local: { address: ip('192.0.2.1'), port: 22 },
      remote: { address: ip('192.0.2.1'), port: 5 },
      interface: interfaceNamed('lo'),
    }
    assert.deepEqual(words(prove({ caller: local })), [])
  })
})

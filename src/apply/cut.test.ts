import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { interfaceNamed, ip, mac, SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { compile } from '../compile/compile.ts'
import type { ConnectedSocket, ConnectionsReading } from '../host/read-connections.ts'
import { readConnections } from '../host/read-connections.ts'
import type { EstablishedSocket } from '../host/read-sockets.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import { readTracking } from '../host/read-tracking.ts'
import type { Peer, Ways } from '../host/ways.ts'
import { peerKey } from '../host/ways.ts'
import { PICKED_UP } from '../policy/meaning.ts'
import type { Connections, ConnectionsError } from './connections.ts'
import { cutWords } from './cut-words.ts'
import type { CutReport } from './cut.ts'
import { cutRefused } from './cut.ts'
import { endsKey } from './live.ts'

const NOW = 1_800_000_000
const PHONE = '192.0.2.7'
const STRANGER = '192.0.2.66'

/** A host whose connections are as a test writes them, in the words of `ss` and `conntrack`. */
class FakeConnections implements Connections {
  #sockets: ConnectionsReading
  #flows: readonly TrackedFlow[]
  readonly killed: string[] = []
  readonly asked: string[] = []
  /** Ports of connections that the kernel does not end. */
  stubborn: readonly number[] = []
  able: Result<void, ConnectionsError> = ok(undefined)
  listing: Result<void, ConnectionsError> = ok(undefined)
  tables: readonly string[] = []
  #time = 0

  constructor(sockets: string, flows = '') {
    this.#sockets = readConnections(`tcp LISTEN 0 5 *:22 *:*\nudp UNCONN 0 0 *:53 *:*\n${sockets}`).value
    this.#flows = readTracking(flows).value
  }

  async sockets() {
    this.asked.push('sockets')
    return ok(this.#sockets)
  }

  async ways(peers: readonly Peer[]): Promise<Result<Ways, ConnectionsError>> {
    const way = { interface: interfaceNamed('eth0'), macs: [mac('00:16:3e:00:00:07')] }
    return ok(new Map(peers.map((peer) => [peerKey(peer), way])))
  }

  async flows() {
    return this.listing.ok ? ok(this.#flows) : this.listing
  }

  async flowtables() {
    return ok(this.tables)
  }

  async canKill() {
    this.asked.push('canKill')
    return this.able
  }

  async kill(sockets: readonly EstablishedSocket[]) {
    const gone = new Set(
      sockets.filter(({ remote }) => !this.stubborn.includes(remote.port)).map((socket) => endsKey(socket)),
    )
    this.killed.push(...gone)
    const left = (socket: ConnectedSocket): boolean => !gone.has(endsKey(socket))
    this.#sockets = { ...this.#sockets, connected: this.#sockets.connected.filter(left) }
    return ok(undefined)
  }

  async forget(flows: readonly TrackedFlow[]) {
    for (const { protocol, original } of flows) this.asked.push(`forget ${protocol} ${original.sourcePort}`)
    this.#flows = this.#flows.filter((flow) => !flows.includes(flow))
    return ok(undefined)
  }

  async mark(flows: readonly TrackedFlow[], bits: number) {
    for (const { protocol, original } of flows) this.asked.push(`mark ${protocol} ${original.sourcePort}`)
    this.#flows = this.#flows.map((flow) =>
      flows.includes(flow) ? { ...flow, mark: flow.mark | bits } : flow,
    )
    return ok(undefined)
  }

  elapsed() {
    return this.#time++
  }
}

function cut(
  connections: Connections,
  options: { fresh?: boolean; rounds?: number } = {},
): Promise<CutReport> {
  const policy = policyOf(
    `admit: 1
host: { forward: guard }
devices:
  phone: { address: ${PHONE} }
services:
  here: [22/tcp, 53/udp]
grants:
  - { from: phone, to: here }
  - { from: phone, to: here, through: 10.1.0.0/16 }
safety: { admins: 0 }
`,
    NOW,
  )
  const table = compile(policy, SAMPLE_HOST, { now: NOW })
  return cutRefused(connections, table, SAMPLE_HOST, NOW, { fresh: false, ...options })
}

const tcp = (port: number, peer: string, peerPort: number, state = 'ESTAB'): string =>
  `tcp ${state} 0 0 192.0.2.1:${port} ${peer}:${peerPort}`
const flow = (
  protocol: 'tcp' | 'udp',
  from: string,
  fromPort: number,
  to: string,
  toPort: number,
  flag = '',
): string =>
  `${protocol} 6 99 src=${from} dst=${to} sport=${fromPort} dport=${toPort} src=${to} dst=${from} sport=${toPort} dport=${fromPort} ${flag} mark=0 use=1`
const peers = (ends: CutReport['cut']): readonly string[] =>
  ends.map(({ remote }) => `${remote.address} ${remote.port}`)

describe('cutting what the rules refuse', () => {
  test('connections to this host whose peers are refused, with their entries; everything else lives on', async () => {
    const connections = new FakeConnections(
      [
        tcp(22, PHONE, 50001),
        tcp(22, STRANGER, 50002),
        tcp(22, STRANGER, 50003, 'SYN-RECV'),
        tcp(40000, STRANGER, 443),
        tcp(22, '192.0.2.1', 50004),
        'tcp ESTAB 0 0 127.0.0.1:22 127.0.0.1:50005',
        tcp(8080, STRANGER, 50006),
        tcp(22, STRANGER, 50007, 'SYN-SENT'),
      ].join('\n'),
      [
        flow('tcp', PHONE, 50001, '192.0.2.1', 22),
        flow('tcp', STRANGER, 50002, '192.0.2.1', 22),
        flow('tcp', '192.0.2.1', 22, STRANGER, 50003),
        flow('tcp', '192.0.2.1', 40000, STRANGER, 443),
        flow('tcp', STRANGER, 50006, '192.0.2.1', 8080),
        flow('tcp', STRANGER, 50009, '10.1.0.5', 22),
      ].join('\n'),
    )
    const report = await cut(connections)
    assert.deepEqual(peers(report.cut), [`${STRANGER} 50002`, `${STRANGER} 50003`, `${STRANGER} 50006`])
    assert.deepEqual(
      connections.asked.filter((what) => what.startsWith('forget')),
      ['forget tcp 50002', 'forget tcp 22', 'forget tcp 50006'],
    )
    assert.deepEqual(
      [report.remaining, report.silenced, report.entriesLeft, report.problems],
      [[], [], 0, []],
    )
  })

  test('nothing to cut: nothing is probed, killed, removed or said', async () => {
    const connections = new FakeConnections(tcp(22, PHONE, 50001), flow('tcp', PHONE, 50001, '192.0.2.1', 22))
    const report = await cut(connections)
    assert.deepEqual(connections.asked, ['sockets'])
    assert.deepEqual(cutWords(report), [])
  })

  test('what the kernel does not end remains and is named, in bounded time', async () => {
    const connections = new FakeConnections(`${tcp(22, STRANGER, 50001)}\n${tcp(22, STRANGER, 50002)}`)
    connections.stubborn = [50002]
    const report = await cut(connections)
    assert.deepEqual(
      [peers(report.cut), peers(report.remaining)],
      [[`${STRANGER} 50001`], [`${STRANGER} 50002`]],
    )
    assert.ok(connections.asked.length < 10)
    assert.match(
      cutWords(report).join('\n'),
      /^cut 1 connection: .*50001 to port 22\n1 connection could not be cut; /,
    )
  })

  test('a kernel that ends no connections', async () => {
    const connections = new FakeConnections(
      tcp(22, STRANGER, 50001),
      flow('tcp', STRANGER, 50001, '192.0.2.1', 22),
    )
    connections.able = fail({ kind: 'failed', message: 'it cannot' })
    const report = await cut(connections)
    assert.deepEqual([connections.killed, report.cut, report.problems], [[], [], ['it cannot']])
    assert.deepEqual(peers(report.remaining), [`${STRANGER} 50001`])
    const about = connections.asked.filter((what) => what.startsWith('forget') || what.startsWith('mark'))
    assert.deepEqual(about, ['mark tcp 50001'], 'its entry stays, and says that answers are judged')
  })

  test('without conntrack the sockets are cut all the same, and the program is named', async () => {
    const connections = new FakeConnections(tcp(22, STRANGER, 50001))
    connections.listing = fail({ kind: 'missing', message: 'the program conntrack is not installed' })
    const report = await cut(connections)
    assert.deepEqual(peers(report.cut), [`${STRANGER} 50001`])
    assert.deepEqual(report.problems, [
      'what connection tracking knows could not be read: the program conntrack is not installed',
    ])
  })

  test('this host’s own connections that tracking does not know are named, where their answers are refused', async () => {
    const sockets = `${tcp(40000, STRANGER, 443)}\n${tcp(40001, STRANGER, 443)}\n${tcp(40002, STRANGER, 443)}`
    const marked = flow('tcp', '192.0.2.1', 40002, STRANGER, 443).replace('mark=0', `mark=${PICKED_UP}`)
    const tracked = flow('tcp', '192.0.2.1', 40001, STRANGER, 443)
    const report = await cut(new FakeConnections(sockets, `${tracked}\n${marked}`))
    assert.deepEqual(
      report.silenced.map(({ local }) => local.port),
      [40000, 40002],
    )
    assert.deepEqual(report.cut, [])
  })

  describe('UDP', () => {
    const seen = [
      flow('udp', STRANGER, 50001, '192.0.2.1', 53),
      flow('udp', '192.0.2.1', 53, STRANGER, 50002),
      flow('udp', '192.0.2.1', 53, PHONE, 50003),
      flow('udp', '192.0.2.1', 40000, STRANGER, 53),
      flow('udp', '192.0.2.1', 53, STRANGER, 53),
      flow('udp', '192.0.2.1', 53, '224.0.0.251', 50004),
      flow('udp', '10.1.0.5', 53, STRANGER, 50005),
      flow('tcp', '10.1.0.5', 22, STRANGER, 50006),
    ].join('\n')
    const sockets = `udp ESTAB 0 0 192.0.2.1:53 ${STRANGER}:50007\nudp ESTAB 0 0 192.0.2.1:40001 ${STRANGER}:123`
    const told = (report: CutReport): readonly string[] =>
      report.flows.map(({ protocol, remote, opened }) => `${protocol} ${remote.port} ${opened}`)

    test('flows of refused peers are named, none is removed', async () => {
      const connections = new FakeConnections(sockets, seen)
      const report = await cut(connections)
      assert.deepEqual(told(report), [
        'udp 50001 peer',
        'udp 50002 unclear',
        'udp 53 unclear',
        'udp 50005 unclear',
        'udp 50007 unclear',
      ])
      assert.deepEqual(connections.asked, ['sockets'])
    })

    test('where tracking has just begun, those of clients by their ports are judged in both directions', async () => {
      const connections = new FakeConnections(sockets, seen)
      const report = await cut(connections, { fresh: true })
      assert.deepEqual(told(report), [
        'udp 50001 peer',
        'udp 50002 peer',
        'udp 53 unclear',
        'udp 50005 peer',
        'udp 50007 unclear',
      ])
      const marked = connections.asked.filter((what) => what.startsWith('mark'))
      assert.deepEqual(marked, ['mark udp 53', 'mark udp 53', 'mark tcp 22'])
      assert.match(
        cutWords(report).join('\n'),
        /^3 UDP flows: what the peer sends is refused; .*\n2 flows under way/,
      )
    })
  })

  test('flowtables: said, and refused TCP is taken out of them; UDP is named', async () => {
    const connections = new FakeConnections(
      '',
      [
        flow('tcp', STRANGER, 50001, '10.1.0.5', 22, '[OFFLOAD]'),
        flow('tcp', PHONE, 50002, '10.1.0.5', 22, '[OFFLOAD]'),
        flow('udp', STRANGER, 50003, '10.1.0.5', 53, '[HW_OFFLOAD]'),
      ].join('\n'),
    )
    connections.tables = ['inet fw fast']
    const report = await cut(connections)
    assert.deepEqual(
      report.unloaded.map(({ original }) => original.sourcePort),
      [50001],
    )
    assert.deepEqual(
      report.stillOffloaded.map(({ original }) => original.sourcePort),
      [50003],
    )
    assert.deepEqual(cutWords(report), [
      '1 flowtable carries connections past all rules: a revoke is not complete before those end: inet fw fast',
      `1 connection taken out of a flowtable, and refused now: ${STRANGER} port 50001 to 10.1.0.5 port 22/tcp`,
      `1 refused flow still carried by a flowtable, until silent: ${STRANGER} port 50003 to 10.1.0.5 port 53/udp`,
    ])
  })

  test('the words name devices where the caller can, and not thousands of connections', async () => {
    const sockets = Array.from({ length: 1000 }, (_, index) => tcp(22, STRANGER, 10_000 + index)).join('\n')
    const report = await cut(new FakeConnections(sockets))
    const [line = '', ...others] = cutWords(report, ({ remote }) =>
      remote.address === ip(STRANGER) ? 'te\u001bv' : undefined,
    )
    assert.match(
      line,
      /^cut 1000 connections: te\\u\{1b\}v 192\.0\.2\.66 port 10000 to port 22, .* and 995 more$/,
    )
    assert.deepEqual(others, [])
  })
})

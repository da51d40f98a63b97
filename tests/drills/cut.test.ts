/**
 * Cut for good, with programs that talk without pause: who is revoked, or was connected before the first apply, hears and says
 * nothing any more, directly or through this host; everybody else's connections live on, whole.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CutReport } from '../../src/apply/cut.ts'
import { cutRefused } from '../../src/apply/cut.ts'
import { cutWords } from '../../src/apply/cut-words.ts'
import { ADMIT_TABLE } from '../../src/compile/compile.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import { runCommand } from '../../src/system/command.ts'
import { SystemConnections } from '../../src/system/connections.ts'
import { readHostFacts } from '../../src/system/host-reader.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, policyOf } from '../support/apply-policy.ts'
import type { Person } from '../support/stage.ts'
import { Stage, until } from '../support/stage.ts'
import { expectOk } from '../support/expect-ok.ts'
import { run } from '../support/run.ts'

const PORT = 7000
const MACS = { laptop: '02:12:00:00:00:01', guest: '02:12:00:00:00:02', inner: '02:12:00:00:00:09' } as const
const LAPTOP = `  laptop: { mac: ${MACS.laptop} }`
const GUEST = `  guest: { mac: ${MACS.guest} }`

const kernel = new NftKernel()
const connections = new SystemConnections()

describe('cut for good', () => {
  let stage: Stage
  let laptop: Person
  let guest: Person
  let facts: HostFacts

  before(async () => {
    stage = await Stage.open(PORT, MACS)
    ;({ laptop, guest } = stage)
    await guest.streamer.tell(`serve ${PORT}`)
    facts = (await readHostFacts(runCommand, [])).facts
  })
  after(() => stage.close())

  // First of all, while no rule has ever asked for connection tracking in this namespace.
  test('connected before the first apply', async () => {
    const talks = [...(await stage.talksOf(laptop, 'direct')), ...(await stage.talksOf(guest, 'everywhere'))]
    await stage.host.tell(`idle outgoing ${guest.client.address} ${PORT} 1`)
    await stage.assertAlive(talks)
    assert.equal(run('conntrack', ['-L']).trim(), '', 'connection tracking was on before the rules were')

    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual(report.problems, [])
    assert.deepEqual(cutAddresses(report), [guest.client.address, guest.client.address6].sort())
    assert.deepEqual([report.remaining, report.undecided, report.entriesLeft], [[], [], 0])
    assert.deepEqual(
      report.silenced.map(({ remote }) => remote),
      [{ address: guest.client.address, port: PORT }],
      'a connection that this host opened is named',
    )
    // Those through this host are named only where their server was seen first.
    assert.deepEqual(
      [...new Set(udpNames(report))],
      [`${guest.client.address} peer`, `${guest.client.address6} peer`].sort(),
    )
    await stage.assertCut(talks.filter(({ who }) => who === guest))
    await stage.assertAlive(talks.filter(({ who }) => who === laptop))
  })

  test('a second apply of the same rules cuts nothing', async () => {
    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual([report.cut, report.remaining, report.undecided, report.problems], [[], [], [], []])
  })

  test('revoked', async () => {
    await restart()
    await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    const talks = [
      ...(await stage.talksOf(laptop, 'everywhere')),
      ...(await stage.talksOf(guest, 'everywhere')),
    ]
    await stage.assertAlive(talks)
    const again = await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    assert.deepEqual([again.cut, again.flows, again.problems], [[], [], []])
    await stage.assertAlive(talks)

    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual(cutAddresses(report), [guest.client.address, guest.client.address6].sort())
    assert.deepEqual(
      [report.remaining, report.undecided, report.entriesLeft, report.problems],
      [[], [], 0, []],
    )
    assert.deepEqual(
      udpNames(report),
      [`${guest.client.address} peer`, `${guest.client.address6} peer`].sort(),
    )
    assert.match(
      cutWords(report).join('\n'),
      /^cut 2 connections: \S+ port \d+ to port 7000, \S+ port \d+ to port 7000\n2 UDP flows: /,
    )
    const entries = expectOk(await connections.flows(), 'flows')
    const ofGuest = entries.filter(
      ({ original }) => original.source.includes('50:2:') || original.source.includes('.50.2.'),
    )
    assert.equal(
      ofGuest.filter(({ protocol }) => protocol === 'tcp').length,
      2,
      'the forwarded ones have theirs still',
    )
    assert.equal(ofGuest.filter(({ protocol }) => protocol === 'udp').length, 4)
    await stage.assertCut(talks.filter(({ who }) => who === guest))
    await stage.assertAlive(talks.filter(({ who }) => who === laptop))
  })

  test('expired: from that second on nothing of the client is accepted, though no process does anything', async () => {
    await restart()
    const started = Date.now()
    await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    const talks = [...(await stage.talksOf(laptop, 'direct')), ...(await stage.talksOf(guest, 'everywhere'))]
    await stage.assertAlive(talks)
    // As long as this machine needs for the same once more, and then some.
    const end = Math.ceil(Date.now() / 1000 + 3 + (2 * (Date.now() - started)) / 1000)
    const until = new Date(end * 1000).toISOString().replace('.000', '')
    const report = await apply(`${LAPTOP}\n${GUEST.slice(0, -2)}, until: ${until} }`, 'laptop, guest')
    assert.deepEqual([report.cut, report.flows], [[], []])
    await stage.assertAlive(talks)
    assert.ok(Date.now() / 1000 < end, 'this machine is too slow to tell')
    // `until` is inclusive of its own second, and the kernel compares whole seconds.
    await sleep(end * 1000 + 1100 - Date.now())
    await stage.assertCut(talks.filter(({ who }) => who === guest))
    await stage.assertAlive(talks.filter(({ who }) => who === laptop))
  })

  test('a thousand connections, and half-open ones', async (context) => {
    await restart()
    await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    await guest.streamer.tell(`idle many ${guest.client.host} ${PORT} 1000`, 60_000)
    await guest.streamer.tell(`idle near ${linkLocalOf(guest)}%eth0 ${PORT} 1`)
    await laptop.streamer.tell(`idle few ${laptop.client.host6} ${PORT} 10`)
    // The guest's system hears no answer to a first SYN, so these stay half open.
    run('ip', ['netns', 'exec', 'guest', 'nft', '-f', '-'], NO_ANSWERS)
    context.after(() => run('ip', ['netns', 'exec', 'guest', 'nft', 'delete', 'table', 'inet', 'deaf']))
    for (let count = 0; count < 3; count++)
      void guest.streamer.tell(`dial half${count} tcp ${guest.client.host} ${PORT}`).catch(() => {})
    await until(() => halfOpen() > 0)

    const started = performance.now()
    const report = await apply(LAPTOP, 'laptop')
    assert.ok(performance.now() - started < 20_000, 'it takes too long')
    assert.ok(report.cut.length > 1000, `${report.cut.length}`)
    assert.deepEqual(
      [report.remaining, report.undecided, report.entriesLeft, report.problems],
      [[], [], 0, []],
    )
    assert.equal(halfOpen(), 0)
    assert.ok(
      report.cut.some(({ remote }) => remote.address.startsWith('fe80:')),
      'by link-local addresses',
    )
    const left = expectOk(await connections.sockets(), 'sockets').connected
    assert.equal(
      left.filter(({ local, remote }) => local.port === PORT && remote.address === guest.client.address)
        .length,
      0,
    )
    const few = left.filter(
      ({ local, remote }) => local.port === PORT && remote.address === laptop.client.address6,
    )
    assert.equal(few.length, 10)
  })

  test('a connection whose listener is gone', async () => {
    await restart()
    await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    await guest.streamer.tell(`idle orphan ${guest.client.host} ${PORT} 1`)
    await laptop.streamer.tell(`idle kept ${laptop.client.host} ${PORT} 1`)
    await stage.host.tell(`deaf ${PORT}`)
    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual(cutAddresses(report), [guest.client.address], 'tracking knows who opened it')
    assert.equal((await laptop.streamer.counts())['kept']?.count, 0)
  })

  test('connections for whose opener somebody else’s tracking took the server', async () => {
    await restart()
    const talks = await stage.talksOf(guest, 'everywhere')
    await stage.assertAlive(talks)
    // Tracking begins while only the servers are heard.
    run('ip', ['netns', 'exec', 'guest', 'nft', '-f', '-'], DUMB)
    await sleep(100)
    run('nft', ['-f', '-'], TRACKING)
    await until(async () => {
      const flows = expectOk(await connections.flows(), 'flows')
      return flows.filter(({ original }) => original.sourcePort === PORT).length === talks.length
    })
    run('ip', ['netns', 'exec', 'guest', 'nft', 'delete', 'table', 'inet', 'dumb'])
    await stage.assertAlive(talks)

    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual([report.remaining, report.entriesLeft, report.problems], [[], 0, []])
    assert.deepEqual(cutAddresses(report), [guest.client.address, guest.client.address6].sort())
    const both = [`${guest.client.address} peer`, `${guest.client.address6} peer`]
    assert.deepEqual(udpNames(report), [...both, ...both].sort(), 'with this host, and through it')
    await stage.assertCut(talks)
    run('nft', ['delete', 'table', 'inet', 'other'])
  })

  test('who cannot be judged is left alone and named', async () => {
    await restart()
    await apply(`${LAPTOP}\n${GUEST}`, 'laptop, guest')
    await guest.streamer.tell(`idle quiet ${guest.client.host} ${PORT} 1`)
    run('ip', ['neigh', 'flush', 'dev', guest.client.interfaceName])
    const report = await apply(LAPTOP, 'laptop')
    assert.deepEqual(
      report.undecided.map(({ remote }) => remote.address),
      [guest.client.address],
    )
    assert.deepEqual([report.cut, report.remaining], [[], []])
    assert.match(cutWords(report).join('\n'), /1 connection left alone/)
    assert.equal((await guest.streamer.counts())['quiet']?.count, 0, 'it was ended')
  })

  test('the probe ends its own connection, and no other', async () => {
    await stage.host.tell(`idle own 127.0.0.1 ${PORT} 3`)
    expectOk(await connections.canKill(), 'canKill')
    await sleep(100)
    assert.equal((await stage.host.counts())['own']?.count, 0)
  })

  /** Everybody begins anew, with no rules and no connections. */
  async function restart(): Promise<void> {
    nftDelete()
    await stage.restart()
  }

  /** Applies and cuts, as `admit apply` does. */
  async function apply(devices: string, admitted: string): Promise<CutReport> {
    const now = Math.floor(Date.now() / 1000)
    const fresh = expectOk(await kernel.observe(ADMIT_TABLE), 'observe') === undefined
    const policy = policyOf(policyText(devices, admitted), now)
    await applyPolicy(kernel, policy, facts)
    const table = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
    assert.ok(table !== undefined)
    return cutRefused(connections, table, facts, Date.now() / 1000, { fresh })
  }
})

function policyText(devices: string, admitted: string): string {
  return `admit: 1
host: { forward: guard }
devices:
${devices}
services:
  talk: [${PORT}/tcp, ${PORT}/udp]
grants:
  - { from: [${admitted}], to: talk }
  - { from: [${admitted}], to: talk, through: [10.50.9.0/24, "2001:db8:50:9::/64"] }
safety: { admins: 0 }
`
}

const DUMB = `table inet dumb {
  chain output {
    type filter hook output priority 0; policy drop;
    icmpv6 type { 135, 136 } accept
  }
}
`
/** Somebody else's rules, which track and refuse nothing. */
const TRACKING = `table inet other {
  chain input {
    type filter hook input priority 10; policy accept;
    ct state established accept
  }
}
`
const NO_ANSWERS = `table inet deaf {
  chain input {
    type filter hook input priority 0; policy accept;
    tcp flags & (syn | ack) == (syn | ack) drop
  }
}
`

function nftDelete(): void {
  run(
    'nft',
    ['-f', '-'],
    `table ${ADMIT_TABLE.family} ${ADMIT_TABLE.name} {}\ndelete table ${ADMIT_TABLE.family} ${ADMIT_TABLE.name}\n`,
  )
}

/** This host's own link-local address on somebody's cable. */
function linkLocalOf({ client }: Person): string {
  const said = run('ip', ['-6', 'address', 'show', 'dev', client.interfaceName, 'scope', 'link'])
  return /inet6 (fe80:[^/]+)/.exec(said)?.[1] ?? assert.fail(said)
}

function halfOpen(): number {
  return run('ss', ['-Htn', 'state', 'syn-recv'])
    .split('\n')
    .filter((line) => line.trim() !== '').length
}

function cutAddresses(report: CutReport): readonly string[] {
  return report.cut.map(({ remote }) => remote.address).sort()
}

function udpNames(report: CutReport): readonly string[] {
  return report.flows.map(({ remote, opened }) => `${remote.address} ${opened}`).sort()
}

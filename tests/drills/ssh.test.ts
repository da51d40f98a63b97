/** Who confirms, as a real sshd, ssh, sudo and tmux show it: only a connection made after the rules proves anything. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { JournalEntry, Window } from '../../src/apply/journal.ts'
import { listTcpConnections } from '../../src/system/tcp-connections.ts'
import type { Client } from '../support/clients.ts'
import { cableClient, unplug } from '../support/clients.ts'
import { run } from '../support/run.ts'
import type { SshHost } from '../support/ssh-host.ts'
import { ALICE, startSshHost, whyNoSshd } from '../support/ssh-host.ts'
import type { SshWay } from '../support/ssh-lab.ts'
import { inTmux, sshOnce, SshSession, sshWords, startTmux } from '../support/ssh-lab.ts'
import type { Said } from '../support/ssh-process.ts'
import type { CallerReport } from './caller-child.ts'

const why = whyNoSshd()
const MOMENT = { uptime: 0, wall: 0 }
const ENTRY: JournalEntry = {
  id: 'drill',
  kind: 'apply',
  by: 'root',
  from: 'a console',
  started: MOMENT,
  window: 60,
  tokenHash: '',
  unguarded: [],
  keeps: true,
  connections: [],
}

describe('who confirms, over real ssh', { skip: why ?? false }, () => {
  let host: SshHost
  let client: Client
  /** Everything that is open before the rules are read back. */
  const open: SshSession[] = []
  const old: { [name: string]: SshSession } = {}
  let master: SshWay['control']

  before(async () => {
    host = await startSshHost()
    client = cableClient('near', 1, '00:16:3e:00:00:01')
    await openSessions()
    await readBack()
  })

  after(async () => {
    for (const session of open) await session.close()
    if (client !== undefined) await unplug(client)
    await host?.close()
  })

  const way = (rest: Partial<SshWay> = {}): SshWay => ({ from: client.name, to: client.host, ...rest })
  const way6 = (): SshWay => way({ to: client.host6 })

  async function opened(at: SshWay): Promise<SshSession> {
    const session = await SshSession.open(host, at)
    open.push(session)
    return session
  }

  /** The sessions that are there when the change is made, by what they are for. */
  async function openSessions(): Promise<void> {
    const path = join(host.folder, 'control')
    // What arrives at the host's port 2222 goes to the client, and from there back to the host's sshd.
    const forward = ['-R', `${client.host}:2222:${client.host}:22`]
    old['ip'] = await opened(way({ control: { kind: 'master', path } }))
    old['ip6'] = await opened(way6())
    old['alice'] = await opened(way({ user: ALICE }))
    old['forwards'] = await opened(way({ options: forward }))
    master = { kind: 'reuse', path }
    await startTmux(host, old['ip'], 'old')
  }

  /** What admit does when the rules are in: from here on a connection is a new one. */
  async function readBack(entry: Partial<JournalEntry> = {}, name = 'window'): Promise<string> {
    const listed = await listTcpConnections()
    assert.ok(listed.ok, listed.ok ? '' : listed.error)
    const window: Window = { opened: MOMENT, deadline: MOMENT, connections: listed.value }
    const file = join(host.folder, `${name}.json`)
    writeFileSync(file, JSON.stringify({ entry: { ...ENTRY, ...entry }, window }))
    return file
  }

  const command = (more = '', name = 'window'): string =>
    `${host.node} ${host.checkout}/tests/drills/caller-child.ts ${join(host.folder, name)}.json ${more}`

  function reportOf(said: Said): CallerReport {
    assert.equal(said.status, 0, `${said.out}\n${host.log().slice(-2000)}`)
    // sudo warns first where the machine's own name has no address.
    return JSON.parse(said.out.trim().split('\n').at(-1) ?? '') as CallerReport
  }

  /** `proven connection`, or why it was refused; with the address that it came from where there is one. */
  function verdict(said: Said): string {
    const { path, judgement } = reportOf(said)
    const from = path.kind === 'ssh' ? ` from ${path.connection.remote.address}` : ''
    if (judgement.kind === 'proven') return `proven ${judgement.how}${from}`
    assert.match(judgement.words.join('\n'), /ControlPath=none|type `admit confirm`/)
    return `${judgement.because}${from}`
  }

  const session = (name: string): SshSession => old[name] ?? assert.fail(name)

  describe('a new connection', () => {
    test('counts, over IPv4 and IPv6, and its interface and neighbour are known', async () => {
      const report = reportOf(await sshOnce(host, way(), command()))
      assert.deepEqual(report.judgement, { kind: 'proven', how: 'connection' })
      assert.ok(report.path.kind === 'ssh')
      assert.equal(report.path.connection.interface, client.interfaceName)
      assert.equal(report.path.connection.mac, client.mac)
      assert.equal(report.path.connection.local.port, 22)
      assert.equal(
        verdict(await sshOnce(host, way6(), command())),
        `proven connection from ${client.address6}`,
      )
    })

    test('counts under sudo, which drops SSH_CONNECTION, and says who became root', async () => {
      const report = reportOf(await sshOnce(host, way({ user: ALICE }), `sudo -n ${command()}`))
      assert.deepEqual(report.judgement, { kind: 'proven', how: 'connection' })
      assert.deepEqual([report.hint, report.who], [undefined, `root (${ALICE})`])
    })

    test('counts with a terminal, from a shell in a shell, and as a new master', async () => {
      const path = join(host.folder, 'new-control')
      assert.equal(
        verdict(await sshOnce(host, way({ options: ['-tt'] }), command())),
        `proven connection from ${client.address}`,
      )
      assert.equal(
        verdict(await sshOnce(host, way(), `sh -c 'sh -c "${command()}; true"; true'`)),
        `proven connection from ${client.address}`,
      )
      const fresh = await SshSession.open(host, way({ control: { kind: 'master', path } }))
      const reused = await sshOnce(host, way({ control: { kind: 'reuse', path } }), command())
      await fresh.close()
      assert.equal(verdict(reused), `proven connection from ${client.address}`)
    })

    test('does not count on an interface that the rules do not judge', async () => {
      await readBack({ unguarded: [client.interfaceName] }, 'unguarded')
      const said = await sshOnce(host, way(), command('', 'unguarded'))
      assert.equal(verdict(said), `unguarded from ${client.address}`)
    })

    test('does not count with a wrong token, nor with --here', async () => {
      const wrong = await sshOnce(host, way(), command('wrong'))
      assert.equal(verdict(wrong), `wrong-token from ${client.address}`)
      const here = await sshOnce(host, way(), command('none here'))
      assert.equal(verdict(here), `not-a-console from ${client.address}`)
    })
  })

  describe('an old connection', () => {
    test('does not count: the same session, over IPv4, IPv6 and under sudo, with the token too', async () => {
      assert.equal(verdict(await session('ip').run(command())), `old-connection from ${client.address}`)
      assert.equal(
        verdict(await session('ip').run(command('right'))),
        `old-connection from ${client.address}`,
      )
      assert.equal(verdict(await session('ip6').run(command())), `old-connection from ${client.address6}`)
      const sudo = await session('alice').run(`sudo -n ${command()}`)
      assert.equal(verdict(sudo), `old-connection from ${client.address}`)
    })

    test('does not count through a new session in it (ControlMaster)', async () => {
      const said = await sshOnce(host, way(master === undefined ? {} : { control: master }), command())
      assert.equal(verdict(said), `old-connection from ${client.address}`)
    })

    test('does not become new by a new connection that it forwards', async () => {
      // In by the port that the old session listens on, and held open by the server's banner.
      const forwarded = run('ip', ['netns', 'exec', client.name, 'bash', '-c', HOLD, client.host])
      assert.match(forwarded, /SSH-2\.0/)
      assert.equal(verdict(await session('forwards').run(command())), `old-connection from ${client.address}`)
    })

    test('does not count where it was only half open when the rules were read back', async () => {
      // The host's answer does not arrive: the connection stays half open until it does.
      const nft = (text: string): string => run('ip', ['netns', 'exec', client.name, 'nft', '-f', '-'], text)
      nft(DEAF)
      const dialling = SshSession.dial(host, way())
      await waitForState('SYN-RECV')
      await readBack({}, 'half-open')
      nft('delete table inet deaf')
      const said = await dialling.run(command('', 'half-open'))
      await dialling.close()
      assert.equal(verdict(said), `old-connection from ${client.address}`)
    })
  })

  describe('tmux', () => {
    test('started in the old session and attached over a new connection: not even with the token', async () => {
      for (const token of ['none', 'right']) {
        let said = await inTmux(host, way(), 'old', command(token))
        assert.equal(verdict(said), 'multiplexer')
        // Advice, unlike proof, is given from what could be read in time: a busy machine is asked again.
        for (let more = 0; more < 2 && reportOf(said).advised === undefined; more++) {
          said = await inTmux(host, way(), 'old', command(token))
        }
        // What deceives others: the variable speaks of the connection that the window was opened over.
        const { hint, advised } = reportOf(said)
        assert.ok(hint !== undefined && hint.startsWith(`${client.address} `))
        assert.equal(advised, Number(hint.split(' ')[1]))
      }
    })

    test('started in a new session: no other way to tell', async () => {
      const fresh = await SshSession.open(host, way())
      await startTmux(host, fresh, 'new')
      const said = await inTmux(host, way(), 'new', command('none here'))
      await fresh.close()
      assert.equal(verdict(said), 'multiplexer')
    })
  })

  describe('ssh to oneself', () => {
    for (const [title, to] of [
      ['127.0.0.1', () => '127.0.0.1'],
      ['::1', () => '::1'],
      ['its address', () => client.host],
      ['its IPv6 address', () => client.host6],
    ] as const) {
      test(`does not count, by ${title}`, async () => {
        const said = await sshOnce(host, { from: undefined, to: to() }, command())
        assert.match(verdict(said), /^own-address from /)
      })
    }

    test('nor from the old session', async () => {
      const again = sshWords(host, { from: undefined, to: client.host }).join(' ')
      assert.equal(
        verdict(await session('ip').run(`${again} ${command()}`)),
        `own-address from ${client.host}`,
      )
    })
  })

  describe('without a connection that can be seen', () => {
    test('not as an ordinary user, who may not look into sshd', async () => {
      const said = await sshOnce(host, way({ user: ALICE }), command())
      assert.equal(verdict(said), 'ssh-unseen')
      assert.equal(reportOf(said).who, ALICE)
    })

    test('not in another network namespace, and that is no console', async () => {
      run('ip', ['netns', 'add', 'elsewhere'])
      const inside = (more: string): string => `ip netns exec elsewhere ${command(more)}`
      assert.equal(verdict(await sshOnce(host, way(), inside(''))), 'ssh-unseen')
      assert.equal(verdict(await sshOnce(host, way(), inside('none here'))), 'not-a-console')
      run('ip', ['netns', 'del', 'elsewhere'])
    })

    test('not when it has let go of the session; --here and the token are what a console has', async () => {
      const local = (more: string): Said => ({ status: 0, out: run('sh', ['-c', command(more)]) })
      assert.equal(verdict(local('')), 'no-path')
      assert.equal(verdict(local('right')), 'proven token')
      assert.equal(verdict(local('none here')), 'proven console')
      assert.equal(verdict(local('wrong here')), 'wrong-token')
      assert.equal(reportOf(local('')).advised, undefined)
    })
  })
})

/** Reads the banner over a connection that then stays open for a while. */
const HOLD = 'exec 3<>/dev/tcp/$0/2222; head -n 1 <&3; sleep 20 <&3 >/dev/null 2>&1 &'

const DEAF = `table inet deaf {
  chain input {
    type filter hook input priority 0
    tcp flags & (syn | ack) == syn | ack drop
  }
}`

async function waitForState(state: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!run('ss', ['-Htan']).includes(state)) assert.ok(Date.now() < deadline, `no socket in ${state}`)
}

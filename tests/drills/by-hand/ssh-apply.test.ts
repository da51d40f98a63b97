/**
 * The real thing: admit as it is typed over ssh, by admins whose only way in is what the policy says. Who applies, who confirms,
 * who is cut off, and that the host takes everybody back whom it should. What a refusal says to type is typed.
 */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../support/clients.ts'
import { cableClient, unplug } from '../../support/clients.ts'
import { run } from '../../support/run.ts'
import type { InstalledAdmit } from '../../support/ssh-admit.ts'
import { installAdmit, typeAt } from '../../support/ssh-admit.ts'
import type { SshHost } from '../../support/ssh-host.ts'
import { ALICE, startSshHost, whyNoSshd } from '../../support/ssh-host.ts'
import type { Said, SshWay } from '../../support/ssh-lab.ts'
import { inTmux, sshOnce, SshSession, sshWords, SshTerminal, startTmux } from '../../support/ssh-lab.ts'

const why = whyNoSshd()
const UNSAFE = 3
const NEAR = '00:16:3e:00:00:01'
const FAMILIES = ['IPv4', 'IPv6'] as const
type Family = (typeof FAMILIES)[number]

const DEVICES = {
  near: `  near: { mac: ${NEAR}, admin: true, unseen: true }\n`,
  far: '  far: { address: [10.50.2.2, "2001:db8:50:2::2"], admin: true, unseen: true }\n',
}

function policyText(devices: string, grants: string): string {
  return `admit: 1\nhost: { log: off }\ndevices:\n${devices}grants:\n${grants}safety: { admins: 1 }\n`
}

/** Two that differ, and let both clients in. */
const ONE = policyText(DEVICES.near + DEVICES.far, '  - { from: [near, far], to: everything }\n')
const OTHER = policyText(DEVICES.near + DEVICES.far, '  - { from: [near, far], to: [ssh, ping] }\n')
/** One that forgets the client near. */
const WITHOUT_NEAR = policyText(DEVICES.far, '  - { from: far, to: ssh }\n')

describe('applied and confirmed over ssh', { skip: why ?? false }, () => {
  let host: SshHost
  let admit: InstalledAdmit
  let near: Client
  let far: Client
  let stranger: Client
  const open: SshSession[] = []

  before(async () => {
    host = await startSshHost()
    admit = installAdmit(host)
    near = cableClient('near', 1, NEAR)
    far = cableClient('far', 2, '00:16:3e:00:00:02')
    stranger = cableClient('stranger', 3, '00:16:3e:00:00:03')
  })

  /** Every test begins with ONE in force and confirmed. */
  beforeEach(() => {
    // What a test that failed left pending must not fail the others.
    if (isInFlight()) admit.atConsole('admit rollback')
    writeFileSync(admit.policy, ONE)
    const said = admit.atConsole('admit apply --no-confirm')
    assert.equal(said.status, 0, said.out)
    writeFileSync(admit.policy, OTHER)
  })

  after(async () => {
    for (const session of open) await session.close()
    for (const client of [near, far, stranger]) if (client !== undefined) await unplug(client)
    await host?.close()
  })

  const to = (client: Client, family: Family): string => (family === 'IPv4' ? client.host : client.host6)
  const way = (family: Family, rest: Partial<SshWay> = {}, client = near): SshWay => ({
    from: client.name,
    to: to(client, family),
    ...rest,
  })

  async function opened(at: SshWay): Promise<SshSession> {
    const session = await SshSession.open(host, at)
    open.push(session)
    return session
  }

  /** Applies in the session; the token that it shows. */
  async function applied(session: SshSession, more = ''): Promise<string> {
    const said = await session.run(`admit apply --confirm-within 5m ${more}`)
    assert.equal(said.status, 0, said.out)
    assert.match(said.out, /Not confirmed yet: after 300 s/)
    return /then type (\S+)/.exec(said.out)?.[1] ?? assert.fail(said.out)
  }

  function expectRefused(said: Said, words: RegExp): void {
    assert.equal(said.status, UNSAFE, said.out)
    assert.match(said.out, /admit: not confirmed\./)
    assert.match(said.out, words)
  }

  /** The line that it says to type. */
  function lineToType(said: Said): string {
    return /^ {2}(ssh .*)$/m.exec(said.out)?.[1] ?? assert.fail(said.out)
  }

  function expectConfirmed(said: Said): void {
    assert.equal(said.status, 0, said.out)
    assert.match(said.out, /Confirmed: these rules stay/)
    assert.ok(!isInFlight())
    // What is in force is the policy as it is now.
    assert.match(admit.atConsole('admit plan').out, /nothing to change/)
  }

  /** The newest line of `admit history`. */
  const newest = (): string => admit.atConsole('admit history').out.split('\n')[0] ?? ''

  async function getsIn(client: Client, family: Family): Promise<boolean> {
    const said = await sshOnce(
      host,
      way(family, { options: ['-o', 'ConnectTimeout=5'] }, client),
      'echo inside',
    )
    return said.out.includes('inside')
  }

  /** The end of every drill: admins get in, the stranger does not. */
  async function expectSafe(): Promise<void> {
    const all = [near, far, stranger].flatMap((client) => FAMILIES.map((family) => ({ client, family })))
    const inside = await Promise.all(all.map(({ client, family }) => getsIn(client, family)))
    const names = all
      .filter((_, index) => inside[index])
      .map(({ client, family }) => `${client.name} ${family}`)
    assert.deepEqual(names, ['near IPv4', 'near IPv6', 'far IPv4', 'far IPv6'])
  }

  const isInFlight = (): boolean =>
    readdirSync(admit.state).some((name) => /^(pending|undoing|confirming\..*)$/.test(name))

  /** Waits for the watchdog. */
  async function expectUndone(): Promise<void> {
    const deadline = Date.now() + 60_000
    while (isInFlight()) {
      assert.ok(Date.now() < deadline, 'never undone')
      await sleep(100)
    }
    const { out } = admit.atConsole('admit status')
    assert.match(out, /last +Undone at .*, nobody confirmed in time: the previous rules are in force/)
  }

  for (const family of FAMILIES) {
    test(`over ${family}: the same session and what shares its connection are refused, and what they say to type confirms`, async () => {
      const path = join(host.folder, `control-${family}`)
      const old = await opened(way(family, { control: { kind: 'master', path } }))
      await startTmux(old, family)
      const token = await applied(old)

      const same = await old.run('admit confirm')
      expectRefused(same, /is older than the new rules.*\n.*ControlMaster/)
      expectRefused(await old.run(`admit confirm ${token}`), /is older than the new rules/)
      const shared = await sshOnce(host, way(family, { control: { kind: 'reuse', path } }), 'admit confirm')
      expectRefused(shared, /is older than the new rules/)
      // tmux shows what is typed in it over a new connection to whoever opened it over the old one.
      for (const words of ['', ` ${token}`]) {
        expectRefused(
          await inTmux(host, way(family), family, `admit confirm${words}`),
          /This is a tmux window/,
        )
      }
      expectRefused(await sshOnce(host, way(family), 'admit confirm aaaa-bbbb-cccc'), /not the token/)
      expectRefused(await sshOnce(host, way(family), 'admit confirm --here'), /--here is for the console/)
      for (const address of family === 'IPv4' ? ['127.0.0.1', near.host] : ['::1', near.host6]) {
        const self = await sshOnce(host, { from: undefined, to: address }, 'admit confirm')
        expectRefused(self, /comes from this host itself/)
      }
      const again = sshWords(host, { from: undefined, to: to(near, family) }).join(' ')
      expectRefused(await old.run(`${again} admit confirm`), /comes from this host itself/)

      const line = lineToType(same)
      assert.equal(lineToType(shared), line)
      assert.ok(line.includes(` -p 22 root@${to(near, family)} admit confirm`), line)
      expectConfirmed(typeAt(host, near.name, line))
      const from = family === 'IPv4' ? near.address : near.address6
      assert.match(newest(), new RegExp(`apply +root .*${from} port \\d+ +confirmed over a new connection`))
      await expectSafe()
    })
  }

  test('the line that apply itself prints confirms, typed at another admin', async () => {
    const said = await (await opened(way('IPv4'))).run('admit apply --confirm-within 5m')
    // The other client's cable has other addresses of this host's; the user knows them.
    const line = lineToType(said).replace(near.host, far.host)
    expectConfirmed(typeAt(host, far.name, line))
    const shown = admit.atConsole(`admit history ${newest().split(' ')[0]}`).out
    assert.match(shown, new RegExp(`by +root, from ${near.address} port \\d+`))
    assert.match(
      shown,
      new RegExp(`proof +confirmed over a new connection, by root, from ${far.address} port \\d+`),
    )
  })

  test('under sudo, by alice: the old connection is refused, what it says to type confirms', async () => {
    const old = await opened(way('IPv4', { user: ALICE }))
    const said = await old.run('sudo -n admit apply --confirm-within 5m')
    assert.equal(said.status, 0, said.out)
    const same = await old.run('sudo -n admit confirm')
    expectRefused(same, /is older than the new rules/)
    const line = lineToType(same)
    assert.match(line, / alice@10\.50\.1\.1 sudo admit confirm$/)
    expectConfirmed(typeAt(host, near.name, line))
    assert.match(newest(), /root \(alice\) +10\.50\.1\.2 port \d+ +confirmed over a new connection/)
  })

  test('by its token, where no ssh leads to the command; and by --here', async () => {
    const token = await applied(await opened(way('IPv6')))
    expectRefused(admit.atConsole('admit confirm'), /No SSH connection leads to this command/)
    expectRefused(admit.atConsole('admit confirm aaaa-bbbb-cccc'), /not the token/)
    expectConfirmed(admit.atConsole(`echo ${token} | admit confirm -`))
    assert.match(newest(), /confirmed by its token/)
    writeFileSync(admit.policy, ONE)
    await applied(await opened(way('IPv4')))
    expectConfirmed(admit.atConsole('admit confirm --here'))
    assert.match(newest(), /confirmed from a console/)
  })

  for (const family of FAMILIES) {
    test(`over ${family}: whoever would lock themselves out is refused, and what it says to add lets it pass`, async () => {
      writeFileSync(admit.policy, WITHOUT_NEAR)
      const session = await opened(way(family))
      const refused = await session.run('admit apply')
      assert.equal(refused.status, UNSAFE, refused.out)
      const from = family === 'IPv4' ? near.address : near.address6
      assert.match(
        refused.out,
        new RegExp(`your own connection \\(from ${from} port \\d+\\) would be refused at 22/tcp`),
      )
      assert.match(refused.out, new RegExp(`packet: .*${from}`))
      assert.match(refused.out, /refused by: .*meaning\.refuse/)
      const device = /add to devices: +(.*)$/m.exec(refused.out)?.[1] ?? assert.fail(refused.out)
      const grant = /add to grants: +(.*)$/m.exec(refused.out)?.[1] ?? assert.fail(refused.out)
      assert.ok(!isInFlight())
      writeFileSync(
        admit.policy,
        policyText(`${DEVICES.far}  ${device}\n`, `  - { from: far, to: ssh }\n  ${grant}\n`),
      )
      await applied(session)
      expectConfirmed(typeAt(host, near.name, lineToType(await session.run('admit confirm'))))
      await expectSafe()
    })
  }

  test('forced all the same: the session is cut, nothing new gets in, and the watchdog takes it back', async () => {
    writeFileSync(admit.policy, WITHOUT_NEAR)
    const session = await opened(way('IPv4'))
    const other = await opened(way('IPv6'))
    session.say('admit apply --confirm-within 20s --force me')
    await session.ended()
    await other.ended()
    assert.ok(!(await getsIn(near, 'IPv4')), 'gets in though it is refused')
    assert.ok(await getsIn(far, 'IPv4'), 'the other admin')
    await expectUndone()
    await expectSafe()
  })

  for (const family of FAMILIES) {
    test(`over ${family}: a connection that goes in the window takes nothing with it; it is undone in time`, async () => {
      const session = await opened(way(family))
      const before = admit.atConsole('nft list table inet admit').out
      const said = await session.run('admit apply --confirm-within 15s')
      assert.equal(said.status, 0, said.out)
      assert.notEqual(admit.atConsole('nft list table inet admit').out, before)
      await session.close()
      await expectUndone()
      assert.equal(admit.atConsole('nft list table inet admit').out, before)
      await expectSafe()
    })

    test(`over ${family}: at a terminal the seconds run down, and Ctrl-C undoes now`, async () => {
      const before = admit.atConsole('nft list table inet admit').out
      // exec: the key is for all that run at the terminal, and a shell that waits would tell its own end by it.
      const terminal = new SshTerminal(host, way(family), 'exec admit apply --confirm-within 3m')
      const [, first] = await terminal.says(/(\d+) s left to confirm; Ctrl-C undoes now/)
      assert.ok(Number(first) <= 180 && Number(first) > 100, first)
      await terminal.says(new RegExp(`\\b${Number(first) - 2} s left to confirm`))
      terminal.type('\u0003')
      const { status, out } = await terminal.ended()
      assert.equal(status, UNSAFE, out)
      assert.match(out, /Undoing now\.[\s\S]*Undone at .*, as asked: the previous rules are in force/)
      assert.equal(admit.atConsole('nft list table inet admit').out, before)
      await expectSafe()
    })
  }

  test('at a terminal whose connection is cut, the countdown goes with it, and it is undone in time', async () => {
    const terminal = new SshTerminal(host, way('IPv4'), 'admit apply --confirm-within 15s')
    await terminal.says(/\d+ s left to confirm/)
    terminal.cut()
    await expectUndone()
    await expectSafe()
  })

  test('confirmed from elsewhere, the countdown says so and ends well', async () => {
    const terminal = new SshTerminal(host, way('IPv6'), 'admit apply --confirm-within 3m')
    await terminal.says(/\d+ s left to confirm/)
    const [, line = ''] = await terminal.says(/^ {2}(ssh .*?)\r?$/m)
    expectConfirmed(typeAt(host, near.name, line))
    const { status, out } = await terminal.ended()
    assert.equal(status, 0, out)
    assert.match(out, /Confirmed by root: these rules stay/)
    assert.match(run('nft', ['list', 'table', 'inet', 'admit']), /icmp/)
  })
})

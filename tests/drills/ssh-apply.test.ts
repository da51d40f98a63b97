/**
 * The real thing: admit as it is typed over ssh, by admins whose only way in is what the policy says. Applied plainly,
 * over a shared connection, under sudo, in tmux and over ssh to oneself; refused wherever a confirmation proves nothing;
 * confirmed by what the refusal says to type.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { typeAt } from '../support/ssh-admit.ts'
import type { Family } from '../support/ssh-drill.ts'
import { expectRefused, lineToType, SshDrill, tokenOf, UNSAFE } from '../support/ssh-drill.ts'
import { ALICE, whyNoSshd } from '../support/ssh-host.ts'
import type { SshWay } from '../support/ssh-lab.ts'
import { inTmux, sshOnce, sshWords, startTmux } from '../support/ssh-lab.ts'
import type { Said } from '../support/ssh-process.ts'

const why = whyNoSshd()
const APPLY = 'admit apply --confirm-within 15m'
const OLD = /is older than the new rules: they have not let it in/
const SHARED = /ssh put a new session into an open connection \(ControlMaster\)/
const TMUX = /This is a tmux window\..*: whatever is typed in it proves nothing/
const SELF = /comes from this host itself .*: its packets go over lo, which no rule judges/
const NO_TOKEN = /not the token of the change that is pending/

describe('applied and confirmed over ssh', { skip: why ?? false, timeout: 1_500_000 }, () => {
  let drill: SshDrill

  before(async () => {
    drill = await SshDrill.start()
  })
  beforeEach(() => drill.reset())
  afterEach(async () => drill.expectSafe())
  after(async () => drill?.close())

  const way = (family: Family, rest: Partial<SshWay> = {}): SshWay => drill.way(family, rest)
  const once = async (way: SshWay, command: string): Promise<Said> => sshOnce(drill.host, way, command)
  const itself = (to: string): SshWay => ({ from: undefined, to })
  const addressOf = (family: Family): string => (family === 'IPv4' ? drill.near.address : drill.near.address6)

  test('over IPv4, in one session: wherever a confirmation proves nothing it is refused, and what it says to type confirms', async () => {
    const { host, near } = drill
    const control = join(host.folder, 'control')
    const old = await drill.opened(way('IPv4', { control: { kind: 'master', path: control } }))
    await startTmux(host, old, 'old')
    const first = await old.run(APPLY)
    const token = tokenOf(first)

    const same = await old.run('admit confirm')
    expectRefused(same, OLD)
    expectRefused(await old.run(`admit confirm ${token}`), OLD)
    const shared = await once(way('IPv4', { control: { kind: 'reuse', path: control } }), 'admit confirm')
    expectRefused(shared, OLD)
    assert.match(shared.out, SHARED)
    // tmux shows what is typed in it over a new connection to whoever opened it over the old one.
    for (const words of ['', ` ${token}`]) {
      expectRefused(await inTmux(host, way('IPv4'), 'old', `admit confirm${words}`), TMUX)
    }
    expectRefused(await once(way('IPv4'), 'admit confirm aaaa-bbbb-cccc'), NO_TOKEN)
    const here = await once(way('IPv4'), 'admit confirm --here')
    assert.equal(here.status, UNSAFE, here.out)
    assert.match(here.out, /--here is for the console.*\n.*This connection is new.*type `admit confirm`/)
    for (const address of ['127.0.0.1', near.host]) {
      expectRefused(await once(itself(address), 'admit confirm'), SELF)
    }
    const again = sshWords(host, itself(near.host)).join(' ')
    expectRefused(await old.run(`${again} admit confirm`), SELF)

    const line = lineToType(same)
    assert.equal(lineToType(shared), line)
    assert.equal(lineToType(first), line)
    assert.ok(line.endsWith(` -p 22 root@${near.host} admit confirm`), line)
    drill.expectConfirmedBy(line)
    assert.match(drill.newest(), applied('IPv4'))
  })

  test('over IPv6, multiplexed: the same connection is refused, and what it says to type confirms', async () => {
    const { host, near } = drill
    const path = join(host.folder, 'control6')
    const master = await drill.opened(way('IPv6', { control: { kind: 'master', path } }))
    const reuse = way('IPv6', { control: { kind: 'reuse', path } })
    tokenOf(await once(reuse, APPLY))

    const refused = await once(reuse, 'admit confirm')
    expectRefused(refused, SHARED)
    expectRefused(await master.run('admit confirm'), OLD)
    for (const address of ['::1', near.host6]) {
      expectRefused(await once(itself(address), 'admit confirm'), SELF)
    }

    const line = lineToType(refused)
    assert.ok(line.endsWith(` -p 22 root@${near.host6} admit confirm`), line)
    drill.expectConfirmedBy(line)
    assert.match(drill.newest(), applied('IPv6'))
  })

  test('a new connection that others share confirms too, over itself and over what shares it', async () => {
    const { host } = drill
    tokenOf(await once(way('IPv4'), APPLY))
    const path = join(host.folder, 'control-new')
    await drill.opened(way('IPv4', { control: { kind: 'master', path } }))
    drill.expectConfirmed(await once(way('IPv4', { control: { kind: 'reuse', path } }), 'admit confirm'))
  })

  test('the line that apply itself prints confirms, typed at another admin', async () => {
    const { admit, host, near, far } = drill
    const said = await once(way('IPv4'), APPLY)
    // The other client's cable has other addresses of this host's; the user knows them.
    const line = lineToType(said).replace(near.host, far.host)
    drill.expectConfirmed(typeAt(host, far.name, line))
    const shown = admit.atConsole(`admit history ${drill.newest().split(' ')[0]}`).out
    assert.match(shown, new RegExp(`by +root, from ${near.address} port \\d+`))
    assert.match(
      shown,
      new RegExp(`proof +confirmed over a new connection, by root, from ${far.address} port \\d+`),
    )
  })

  test('under sudo, by alice: the old connection is refused, what it says to type confirms', async () => {
    const old = await drill.opened(way('IPv4', { user: ALICE }))
    tokenOf(await old.run(`sudo -n ${APPLY}`))
    const same = await old.run('sudo -n admit confirm')
    expectRefused(same, OLD)
    const line = lineToType(same)
    assert.match(line, / alice@10\.50\.1\.1 sudo admit confirm$/)
    drill.expectConfirmedBy(line)
    assert.match(drill.newest(), /root \(alice\) +10\.50\.1\.2 port \d+ +confirmed over a new connection/)
  })

  test('in tmux: applied in its window, refused there, and what it says to type confirms', async () => {
    const { host } = drill
    await startTmux(host, await drill.opened(way('IPv6')), 'applies')
    tokenOf(await inTmux(host, way('IPv6'), 'applies', APPLY))
    const refused = await inTmux(host, way('IPv6'), 'applies', 'admit confirm')
    expectRefused(refused, TMUX)
    drill.expectConfirmedBy(lineToType(refused))
    assert.match(drill.newest(), /apply +root +a tmux window +confirmed over a new connection/)
  })

  test('over ssh to oneself: applied there, refused there, and what it says to type confirms', async () => {
    const { near } = drill
    tokenOf(await once(itself(near.host), APPLY))
    const refused = await once(itself(near.host), 'admit confirm')
    expectRefused(refused, SELF)
    drill.expectConfirmedBy(lineToType(refused))
    assert.match(drill.newest(), /confirmed over a new connection/)
  })

  test('by its token, where no ssh leads to the command; and by --here', async () => {
    const { admit } = drill
    const token = tokenOf(await once(way('IPv6'), APPLY))
    expectRefused(admit.atConsole('admit confirm'), /No SSH connection leads to this command/)
    expectRefused(admit.atConsole('admit confirm aaaa-bbbb-cccc'), NO_TOKEN)
    drill.expectConfirmed(admit.atConsole(`echo ${token} | admit confirm -`))
    assert.match(drill.newest(), /confirmed by its token/)
    drill.reset()
    tokenOf(await once(way('IPv4'), APPLY))
    drill.expectConfirmed(admit.atConsole('admit confirm --here'))
    assert.match(drill.newest(), /confirmed from a console/)
  })

  /** The line of `admit history` of an apply that was confirmed as it should be. */
  function applied(family: Family): RegExp {
    return new RegExp(`apply +root .*${addressOf(family)} port \\d+ +confirmed over a new connection`)
  }
})

/**
 * The real thing, where it goes wrong: who would lock themselves out over ssh, who does it all the same, whose connection
 * goes in the window, who presses Ctrl-C; and that the host takes everybody back whom it should.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { DEVICES, FAMILIES, lineToType, policyText, SshDrill, tokenOf, UNSAFE } from '../support/ssh-drill.ts'
import { whyNoSshd } from '../support/ssh-host.ts'
import { SshTerminal } from '../support/ssh-lab.ts'

const why = whyNoSshd()
/** One that forgets the client near. */
const WITHOUT_NEAR = policyText(DEVICES.far, '  - { from: far, to: ssh }\n')

describe('the window, over ssh', { skip: why ?? false, timeout: 1_500_000 }, () => {
  let drill: SshDrill

  before(async () => {
    drill = await SshDrill.start()
  })
  beforeEach(() => drill.reset())
  afterEach(async () => drill.expectSafe())
  after(async () => drill?.close())

  for (const family of FAMILIES) {
    test(`over ${family}: whoever would lock themselves out is refused, and what it says to add lets it pass`, async () => {
      const { admit, near } = drill
      writeFileSync(admit.policy, WITHOUT_NEAR)
      const session = await drill.opened(drill.way(family))
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
      assert.ok(!drill.isInFlight())
      writeFileSync(
        admit.policy,
        policyText(`${DEVICES.far}  ${device}\n`, `  - { from: far, to: ssh }\n  ${grant}\n`),
      )
      const said = await session.run('admit apply --confirm-within 15m')
      tokenOf(said)
      drill.expectConfirmedBy(lineToType(said))
    })
  }

  test('forced all the same: the session is cut, nothing new gets in, and the watchdog takes it back', async () => {
    const { admit, near, far } = drill
    writeFileSync(admit.policy, WITHOUT_NEAR)
    const session = await drill.opened(drill.way('IPv4'))
    const other = await drill.opened(drill.way('IPv6'))
    session.say('admit apply --confirm-within 20s --force me')
    await session.ended()
    await other.ended()
    const [nearIn, farIn] = await Promise.all([drill.isLetIn(near, 'IPv4'), drill.getsIn(far, 'IPv4')])
    assert.ok(!nearIn, 'gets in though it is refused')
    assert.ok(farIn, 'the other admin')
    await drill.expectUndone()
  })

  test('a connection that goes in the window takes nothing with it; it is undone in time', async () => {
    const session = await drill.opened(drill.way('IPv6'))
    const before = drill.table()
    const said = await session.run('admit apply --confirm-within 20s')
    assert.equal(said.status, 0, said.out)
    assert.notEqual(drill.table(), before)
    await session.close()
    await drill.expectUndone()
    assert.equal(drill.table(), before)
  })

  test('at a terminal the seconds run down, and Ctrl-C undoes now', async () => {
    const before = drill.table()
    // exec: the key is for all that run at the terminal, and a shell that waits would tell its own end by it.
    const terminal = new SshTerminal(drill.host, drill.way('IPv4'), 'exec admit apply --confirm-within 3m')
    const [, first] = await terminal.says(/(\d+) s left to confirm; Ctrl-C undoes now/)
    assert.ok(Number(first) <= 180 && Number(first) > 60, first)
    await terminal.says(new RegExp(`\\b${Number(first) - 2} s left to confirm`))
    terminal.type('\u0003')
    const { status, out } = await terminal.ended()
    assert.equal(status, UNSAFE, out)
    assert.match(out, /Undoing now\.[\s\S]*Undone at .*, as asked: the previous rules are in force/)
    assert.equal(drill.table(), before)
  })

  test('at a terminal whose connection is cut, the countdown goes with it, and it is undone in time', async () => {
    const terminal = new SshTerminal(drill.host, drill.way('IPv4'), 'admit apply --confirm-within 15s')
    await terminal.says(/\d+ s left to confirm/)
    await terminal.cut()
    await drill.expectUndone()
  })

  test('confirmed from elsewhere, the countdown says so and ends well', async () => {
    const terminal = new SshTerminal(drill.host, drill.way('IPv6'), 'admit apply --confirm-within 3m')
    await terminal.says(/\d+ s left to confirm/)
    const [, line = ''] = await terminal.says(/^ {2}(ssh .*?)\r?$/m)
    drill.expectConfirmedBy(line)
    const { status, out } = await terminal.ended()
    assert.equal(status, 0, out)
    assert.match(out, /Confirmed by root: these rules stay/)
  })
})

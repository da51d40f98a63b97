/**
 * Live connections, with real sockets: who is revoked or expired loses them by the rules alone, and nobody gets in
 * by a connection that the kernel picks up in the middle.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ADMIT_TABLE } from '../../src/compile/compile.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, policyOf } from '../support/apply-policy.ts'
import type { Client } from '../support/clients.ts'
import { Call, cableClient, Switchboard, unplug } from '../support/clients.ts'
import { run } from '../support/run.ts'

const PORT = 7000
/** Long enough for a packet on an idle cable and for TCP to try again; only silence takes this long. */
const SILENCE = 700
const BOTH = '  laptop: { mac: 02:11:00:00:00:01 }\n  guest: { mac: 02:11:00:00:00:02 }'
const kernel = new NftKernel()

function policy(now: number, devices: string, grants: string): ReturnType<typeof policyOf> {
  return policyOf(
    `admit: 1
devices:
${devices}
services:
  talk: [${PORT}/tcp, ${PORT}/udp]
grants:
${grants}
safety: { admins: 0 }
`,
    now,
  )
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

function instant(at: number): string {
  return new Date(at * 1000).toISOString().replace('.000', '')
}

describe('live connections', () => {
  let words = 0
  let laptop: Client
  let guest: Client
  let board: Switchboard

  before(async () => {
    laptop = cableClient('laptop', 1, '02:11:00:00:00:01')
    guest = cableClient('guest', 2, '02:11:00:00:00:02')
    board = await Switchboard.open(PORT)
  })
  after(async () => {
    board.close()
    await unplug(laptop)
    await unplug(guest)
  })

  // First of all, while no rule has ever asked for connection tracking in this namespace.
  test('a connection older than the first apply gives a stranger no way in, though the server speaks first', async () => {
    const calls: { readonly call: Call; readonly client: Client; readonly from: string }[] = []
    for (const client of [laptop, guest]) {
      for (const six of [false, true]) {
        const call = new Call(client, 'tcp', six ? client.host6 : client.host, PORT)
        assert.ok(await call.hears('connected'))
        calls.push({ call, client, from: six ? client.address6 : client.address })
      }
    }
    for (const { call, from } of calls) {
      call.say('before')
      assert.ok(await board.hears('tcp', from, 'before'))
    }
    assert.equal(run('conntrack', ['-L']).trim(), '', 'connection tracking was on before the rules were')

    const now = seconds()
    await applyPolicy(kernel, policy(now, BOTH, '  - { from: laptop, to: talk }'))
    for (const { call, client, from } of calls) {
      // The host's own segment makes the host the origin of what tracking sees (nf_conntrack_tcp_loose).
      board.say('tcp', from, 'hello')
      assert.ok(await call.hears('got hello'), 'what the host says is not refused')
      call.say('after')
      const allowed = client === laptop
      assert.equal(
        await board.hears('tcp', from, 'after', allowed ? undefined : SILENCE),
        allowed,
        `${client.name} at ${from}`,
      )
    }
  })

  test('a revoked device is not heard any more, over connections that it has', async () => {
    await applyPolicy(kernel, policy(seconds(), BOTH, '  - { from: [laptop, guest], to: talk }'))
    const calls = await callsOf([laptop, guest])
    await applyPolicy(kernel, policy(seconds(), BOTH, '  - { from: laptop, to: talk }'))
    await assertHeard(calls, [laptop])
  })

  test('a device is not heard any more past its `until`, though no process does anything', async () => {
    const grants = '  - { from: [laptop, guest], to: talk }'
    await applyPolicy(kernel, policy(seconds(), BOTH, grants))
    const calls = await callsOf([laptop, guest])
    const end = seconds() + 4
    await applyPolicy(kernel, policy(seconds(), `${BOTH.slice(0, -2)}, until: ${instant(end)} }`, grants))
    await assertHeard(calls, [laptop, guest])
    assert.ok(Date.now() / 1000 < end, 'this machine is too slow to tell')
    await sleep(end * 1000 + 1100 - Date.now())
    await assertHeard(calls, [laptop])
  })

  test('`until` survives a dump and a reload, whatever time zone the shell has', async () => {
    const now = seconds()
    // An hour, so that a mistake of any zone between them shows.
    const devices = `  laptop: { mac: 02:11:00:00:00:01, until: ${instant(now + 3600)} }
  guest: { mac: 02:11:00:00:00:02, until: ${instant(now - 3600)} }`
    await applyPolicy(kernel, policy(now, devices, '  - { from: [laptop, guest], to: talk }'))
    const before = await kernel.observe(ADMIT_TABLE)
    const dumped = inZone('Asia/Tokyo', 'dump', '')
    run('nft', ['delete', 'table', 'inet', ADMIT_TABLE.name])
    assert.equal(inZone('Asia/Tokyo', 'load', dumped), '')
    assert.deepEqual(await kernel.observe(ADMIT_TABLE), before)
    // And as a person would do it with nft itself, told the same zone both times.
    const text = run('nft', ['list', 'table', 'inet', ADMIT_TABLE.name])
    run('nft', ['delete', 'table', 'inet', ADMIT_TABLE.name])
    run('nft', ['-f', '-'], text)
    assert.deepEqual(await kernel.observe(ADMIT_TABLE), before)
    const call = new Call(laptop, 'tcp', laptop.host, PORT)
    assert.ok(await call.hears('connected'))
    const refused = new Call(guest, 'tcp', guest.host, PORT)
    assert.ok(!(await refused.hears('connected', SILENCE)))
  })

  interface Live {
    readonly call: Call
    readonly client: Client
    readonly protocol: 'tcp' | 'udp'
    readonly from: string
  }

  /** TCP and UDP, both families, both sides having spoken. */
  async function callsOf(clients: readonly Client[]): Promise<readonly Live[]> {
    const wanted = clients.flatMap((client) =>
      (['tcp', 'udp'] as const).flatMap((protocol) => [
        { client, protocol, from: client.address, to: client.host },
        { client, protocol, from: client.address6, to: client.host6 },
      ]),
    )
    const calls = wanted.map(({ client, protocol, from, to }): Live => {
      return { call: new Call(client, protocol, to, PORT), client, protocol, from }
    })
    await Promise.all(
      calls.map(async ({ call, protocol, from }) => {
        assert.ok(await call.hears('connected'))
        call.say('one')
        assert.ok(await board.hears(protocol, from, 'one'))
        board.say(protocol, from, 'two')
        assert.ok(await call.hears('got two'))
      }),
    )
    return calls
  }

  /** Only these clients are heard, also after the host has spoken to everyone. */
  async function assertHeard(calls: readonly Live[], heard: readonly Client[]): Promise<void> {
    for (let times = 0; times < 2; times++) {
      // New words each time: TCP tries for long to deliver those that an earlier test saw refused.
      const text = `words ${++words}`
      await Promise.all(
        calls.map(async ({ call, client, protocol, from }) => {
          call.say(text)
          const allowed = heard.includes(client)
          const was = await board.hears(protocol, from, text, allowed ? undefined : SILENCE)
          assert.equal(was, allowed, `${client.name} over ${protocol} from ${from}, ${text}`)
          board.say(protocol, from, 'are you there?')
        }),
      )
    }
  }
})

/** A process of a shell with that time zone, which dumps or loads the table as admit does. */
function inZone(zone: string, action: 'dump' | 'load', input: string): string {
  const script = new URL('../support/stored-child.ts', import.meta.url).pathname
  const result = spawnSync(process.execPath, [script, action], {
    input,
    encoding: 'utf8',
    env: { ...process.env, TZ: zone },
    timeout: 20_000,
  })
  assert.equal(result.status, 0, result.stderr)
  return result.stdout
}

/**
 * Interfaces that are renamed, or appear later, while the rules stay as they are: strangers stay refused and admins
 * stay in, since everything is judged but what the policy names.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, policyOf } from '../support/apply-policy.ts'
import type { Client } from '../support/clients.ts'
import { Call, cableClient, hostEnd, Switchboard, unplug } from '../support/clients.ts'
import { run } from '../support/run.ts'

const PORT = 7000
/** Time for an idle cable's TCP to try twice. */
const SILENCE = 1200
const ADMIN = '02:11:00:00:00:01'
const STRANGER = '02:66:00:00:00:06'

const POLICY = `admit: 1
host: { unguarded: [to-cellar] }
devices:
  laptop: { mac: ${ADMIN}, admin: true, unseen: true }
services:
  talk: ${PORT}/tcp
grants:
  - { from: laptop, to: everything }
  - { from: anyone, to: talk, on: to-street }
safety: { admins: 1 }
`

describe('interfaces that change', () => {
  const kernel = new NftKernel()
  let board: Switchboard
  let cellar: Client
  let street: Client
  let later: Client | undefined

  before(async () => {
    board = await Switchboard.open(PORT)
    cellar = cableClient('cellar', 1, STRANGER)
    street = cableClient('street', 2, STRANGER)
    await applyPolicy(kernel, policyOf(POLICY, Math.floor(Date.now() / 1000)))
  })
  after(async () => {
    board.close()
    for (const client of [cellar, street, later]) if (client !== undefined) await unplug(client)
  })

  test('as they were, strangers come in by the unguarded one and by the one with a grant', async () => {
    assert.ok(await comesIn(cellar, STRANGER))
    assert.ok(await comesIn(street, STRANGER))
  })

  test('an unguarded interface that is renamed is judged', async () => {
    cellar = rename(cellar, 'to-attic')
    assert.ok(!(await comesIn(cellar, STRANGER)))
    assert.ok(await comesIn(cellar, ADMIN))
  })

  test('a grant does not follow the interface to its new name', async () => {
    street = rename(street, 'to-square')
    assert.ok(!(await comesIn(street, STRANGER)))
    assert.ok(await comesIn(street, ADMIN))
  })

  test('an interface that appears later is judged', async () => {
    later = cableClient('garden', 3, STRANGER)
    assert.ok(!(await comesIn(later, STRANGER)))
    assert.ok(await comesIn(later, ADMIN))
  })

  test('one that takes a name which the policy knows is what the policy says of that name', async () => {
    if (later === undefined) assert.fail('the test before this one makes it')
    later = rename(later, 'to-street')
    assert.ok(await comesIn(later, STRANGER))
  })

  /** Can a machine with this MAC dial the host from there? Both families must agree. */
  async function comesIn(client: Client, mac: string): Promise<boolean> {
    run('ip', ['-n', client.name, 'link', 'set', 'eth0', 'address', mac])
    run('ip', ['neigh', 'flush', 'dev', client.interfaceName])
    const calls = [client.host, client.host6].map((host) => new Call(client, 'tcp', host, PORT))
    const wanted = mac === ADMIN ? undefined : SILENCE
    const heard = await Promise.all(calls.map((call) => call.hears('connected', wanted)))
    for (const call of calls) call.hangUp()
    assert.equal(heard[0], heard[1], 'IPv4 and IPv6 differ')
    return heard[0] ?? false
  }

  function rename(client: Client, name: string): Client {
    run('ip', ['link', 'set', client.interfaceName, 'down'])
    run('ip', ['link', 'set', client.interfaceName, 'name', name])
    const renamed = { ...client, interfaceName: name }
    run('ip', ['address', 'flush', 'dev', name])
    run('ip', ['-batch', '-'], hostEnd(renamed).join('\n'))
    return renamed
  }
})

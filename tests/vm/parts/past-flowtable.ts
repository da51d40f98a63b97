/**
 * Somebody else's flowtable carries connections through the guest, past all rules. Two clients talk without pause with a
 * machine behind it; one of them is struck off.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../support/run.ts'
import { Streamer } from '../../support/streams.ts'
import { BEHIND, GUEST, inner, laptop, spare } from '../network.ts'
import type { Vm } from '../vm.ts'
import { ADMIT, expectStatus, patiently, putPolicy, TALK } from './admit.ts'

/** Before admit's chain, so that what admit refuses has been offered to the flowtable. */
const FLOWTABLE = `table inet fw {
  flowtable fast { hook ingress priority 0; devices = { eth0, eth1 }; }
  chain forward {
    type filter hook forward priority -10; policy accept;
    meta l4proto { tcp, udp } flow add @fast
  }
}
`

/** In the guest: what SystemConnections says, before and after it has forgotten the flows from the given port. */
const ASK = `import { SystemConnections } from '/opt/admit/src/system/connections.ts'
const connections = new SystemConnections()
const [tables, flows] = [await connections.flowtables(), await connections.flows()]
const chosen = flows.value.filter(({ original }) => original.sourcePort === Number(process.argv[2]))
const forgotten = await connections.forget(chosen, flows.value)
const left = await connections.flows()
console.log(JSON.stringify({ tables, flows: flows.value, forgotten, left: left.value }))
`

interface Asked {
  readonly tables: unknown
  readonly flows: readonly Flow[]
  readonly forgotten: unknown
  readonly left: readonly Flow[]
}

interface Flow {
  readonly protocol: string
  readonly original: { readonly source: string; readonly sourcePort: number }
  readonly offloaded: boolean
}

export function pastFlowtable(guest: () => Vm): void {
  let server: Streamer
  let near: Streamer
  let far: Streamer
  /** Of the laptop's first connection. */
  let port: number

  before(async () => {
    const vm = guest()
    await vm.sh(
      `modprobe nft_flow_offload && sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_flowtable_udp_timeout=5 && ` +
        `ip link set eth1 up && ip address add ${BEHIND.address}/24 dev eth1`,
    )
    for (const { name } of [laptop, spare]) {
      run('ip', ['-n', name, 'route', 'add', `10.${BEHIND.network}.0.0/24`, 'via', GUEST.address])
    }
    run('ip', ['-n', inner.name, 'route', 'add', 'default', 'via', BEHIND.address])
    await vm.write('/run/fw.nft', FLOWTABLE)
    await vm.sh('nft -f /run/fw.nft')
    await vm.write('/run/ask.ts', ASK)
    server = new Streamer(inner.name)
    near = new Streamer(laptop.name)
    far = new Streamer(spare.name)
    await server.tell(`serve ${TALK}`)
    // The server counts the later one of the laptop's two.
    await near.tell(`dial other tcp ${inner.address} ${TALK}`)
    port = portOf(laptop.name)
    for (const client of [near, far]) await client.tell(`dial tcp tcp ${inner.address} ${TALK}`)
    await far.tell(`dial udp udp ${inner.address} ${TALK}`)
  })

  after(async () => {
    for (const one of [server, near, far]) await one?.end()
    await guest().sh('nft delete table inet fw; ip address flush dev eth1')
  })

  /** What each side of the talks has heard, by `WHO PROTOCOL`: bytes of TCP, datagrams of UDP. */
  async function heard(): Promise<Readonly<Record<string, number>>> {
    const [there, atNear, atFar] = await Promise.all([server.counts(), near.counts(), far.counts()])
    return {
      'server tcp of laptop': there[`tcp ${laptop.address}`]?.count ?? 0,
      'server tcp of spare': there[`tcp ${spare.address}`]?.count ?? 0,
      'server udp of spare': there[`udp ${spare.address}`]?.count ?? 0,
      'laptop tcp': atNear['tcp']?.count ?? 0,
      'laptop other tcp': atNear['other']?.count ?? 0,
      'spare tcp': atFar['tcp']?.count ?? 0,
      'spare udp': atFar['udp']?.count ?? 0,
    }
  }

  /** Those that hear nothing within a second. */
  async function deaf(): Promise<readonly string[]> {
    const before = await heard()
    await sleep(1000)
    const after = await heard()
    return Object.keys(after).filter((who) => after[who] === before[who])
  }

  test('SystemConnections names the flowtable and its flows, and forgets one of them', async () => {
    const vm = guest()
    const carries = async (count: number): Promise<void> =>
      vm.until(`[ "$(conntrack -L -f ipv4 2>/dev/null | grep -c OFFLOAD)" = ${count} ]`)
    await carries(4)
    assert.deepEqual(await deaf(), [])
    const { tables, flows, forgotten, left } = await forget(vm, port)
    assert.deepEqual(tables, { ok: true, value: ['inet fw fast'] })
    assert.deepEqual(
      carried(flows)
        .map(({ protocol, original }) => `${protocol} ${original.source}`)
        .toSorted(),
      [`tcp ${laptop.address}`, `tcp ${laptop.address}`, `tcp ${spare.address}`, `udp ${spare.address}`],
    )
    assert.deepEqual(forgotten, { ok: true })
    assert.deepEqual(
      carried(left).filter(({ original }) => original.sourcePort === port),
      [],
    )
    await carries(3)
    // What is no first SYN begins nothing, and the rules refuse it from either side.
    assert.deepEqual(await deaf(), ['laptop other tcp'])
  })

  test('who is struck off: the apply says that it is not complete yet, TCP ends within a second, UDP when it is silent', async () => {
    const vm = guest()
    await putPolicy(vm, { through: 'laptop', mark: false })
    const said = expectStatus(await patiently(async () => vm.ssh(laptop, `${ADMIT} apply --no-confirm`)), 0)
    assert.match(
      said,
      /^1 flowtable carries connections past all rules: a revoke is not complete before those end: inet fw fast$/m,
    )
    const flow = `${spare.address} port \\d+ to ${inner.address} port ${TALK}`
    assert.match(
      said,
      new RegExp(`^1 connection taken out of a flowtable, and refused now: ${flow}/tcp$`, 'm'),
    )
    assert.match(
      said,
      new RegExp(`^1 refused flow still carried by a flowtable, until silent: ${flow}/udp$`, 'm'),
    )
    await sleep(1000)
    assert.deepEqual(await deaf(), ['server tcp of spare', 'laptop other tcp', 'spare tcp'])

    for (const one of [server, far]) await one.end()
    await vm.until(`! conntrack -L -f ipv4 2>/dev/null | grep OFFLOAD | grep -q 'src=${spare.address} '`)
    server = new Streamer(inner.name)
    far = new Streamer(spare.name)
    await server.tell(`serve ${TALK}`)
    await far.tell(`dial udp udp ${inner.address} ${TALK}`)
    await sleep(2000)
    const { 'server udp of spare': udp } = await heard()
    assert.equal(udp, 0)
  })
}

function carried(flows: readonly Flow[]): readonly Flow[] {
  return flows.filter(({ offloaded }) => offloaded)
}

/** The port of the only connection that a client has. */
function portOf(client: string): number {
  const said = run('ip', ['netns', 'exec', client, 'ss', '-Htn', 'state', 'established'])
  return Number(/^\d+ +\d+ +\S+:(\d+) +\S+\s*$/.exec(said)?.[1] ?? assert.fail(said))
}

async function forget(vm: Vm, port: number): Promise<Asked> {
  return JSON.parse(await vm.sh(`/opt/admit/.cache/node/bin/node /run/ask.ts ${port}`)) as Asked
}

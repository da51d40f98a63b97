import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { IpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import type { Client } from './clients.ts'
import { cableClient, unplug } from './clients.ts'
import { ethernetFrame } from './frames.ts'
import type { Counted } from './numbers-child.ts'
import { nft } from './nft.ts'
import { requirePrivateNamespace } from './private-namespace.ts'
import { run } from './run.ts'
import { Streamer } from './streams.ts'

/** Where the numbered traffic goes. */
export const NUMBERS = 7000

const KINDS = ['stranger', 'udp', 'tcp', 'answers'] as const
const FRIENDS = ['card', 'twin'] as const
const MACS = { card: '02:ad:00:00:01:01', twin: '02:ad:00:00:01:02', stranger: '02:ad:00:00:01:03' } as const

/** A host, two machines that both policies admit, and a stranger. */
export interface GapLab {
  readonly card: Client
  readonly twin: Client
  readonly stranger: Client
  /**
   * Runs the work while the stranger floods and both friends send numbered datagrams and keep TCP connections busy, over
   * IPv4 and IPv6. What is counted begins before and ends after the work.
   */
  during(work: () => Promise<void>): Promise<Measured>
  close(): Promise<void>
}

/** Packets before and after everybody's rules; `lost` is what rules dropped. */
export interface Passage {
  readonly before: number
  readonly after: number
}

export interface Measured {
  /** SYNs and datagrams of the stranger's, for this host and through it. */
  readonly stranger: Passage
  readonly udp: Passage
  readonly tcp: Passage
  /** This host's answers to the friends. */
  readonly answers: Passage
  /** The programs' own view: at the server by `tcp` and `udp`, of the friends by `card tcp ip` and so on. */
  readonly server: Readonly<Record<string, Counted>>
  readonly friends: Readonly<Record<string, Counted>>
}

export function openGapLab(): GapLab {
  requirePrivateNamespace()
  // What the rules refuse to forward must have somewhere to go.
  for (const path of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) {
    writeFileSync(`/proc/sys/net/${path}`, '1')
  }
  const card = cableClient('card', 1, MACS.card)
  const twin = cableClient('twin', 2, MACS.twin)
  const stranger = cableClient('stranger', 3, MACS.stranger)
  return {
    card,
    twin,
    stranger,
    during: (work) => during({ card, twin, stranger }, work),
    close: async () => {
      for (const client of [card, twin, stranger]) await unplug(client)
    },
  }
}

type Machines = Readonly<Record<'card' | 'twin' | 'stranger', Client>>

async function during(machines: Machines, work: () => Promise<void>): Promise<Measured> {
  nft(COUNTERS)
  const server = new Streamer(undefined, 'numbers-child.ts')
  await server.tell(`serve ${NUMBERS}`)
  const friends = FRIENDS.map((name) => new Streamer(name, 'numbers-child.ts'))
  const flood = startFlood(machines)
  try {
    for (const [index, friend] of friends.entries()) await dialAll(friend, machines[FRIENDS[index] ?? 'card'])
    while (passages().stranger.before === 0) await sleep(5)
    await work()
    for (const friend of friends) await friend.tell('stop', 60_000)
    await flood.end()
    const counters = await quiet()
    await server.tell('stop')
    const [counts, ...own] = await Promise.all([server, ...friends].map((each) => each.counts()))
    return {
      ...counters,
      server: counts as unknown as Readonly<Record<string, Counted>>,
      friends: Object.assign({}, ...own) as Readonly<Record<string, Counted>>,
    }
  } finally {
    await flood.end()
    for (const each of [server, ...friends]) await each.end()
    nft('delete table inet gap')
  }
}

async function dialAll(friend: Streamer, { name, host, host6 }: Client): Promise<void> {
  for (const [family, address] of [
    ['ip', host],
    ['ip6', host6],
  ] as const) {
    for (const protocol of ['tcp', 'udp']) {
      await friend.tell(`dial ${name}-${protocol}-${family} ${protocol} ${address} ${NUMBERS}`)
    }
  }
}

/** Counts each kind before connection tracking and after the last rule of anybody's. */
const COUNTERS = `table inet gap {
  ${KINDS.map((name) => `counter ${name}_before { }\n  counter ${name}_after { }`).join('\n  ')}
  chain arriving {
    type filter hook prerouting priority -290;
    ${countersOf('before')}
  }
  chain arrived {
    type filter hook input priority 290;
    ${countersOf('after')}
  }
  chain forwarded {
    type filter hook forward priority 290;
    iifname to-stranger counter name stranger_after
  }
  chain leaving {
    type filter hook output priority -290;
    meta l4proto { tcp, udp } th sport ${NUMBERS} oifname { to-card, to-twin } counter name answers_before
  }
  chain left {
    type filter hook postrouting priority 290;
    meta l4proto { tcp, udp } th sport ${NUMBERS} oifname { to-card, to-twin } counter name answers_after
  }
}
`

function countersOf(when: string): string {
  return [
    `iifname to-stranger meta l4proto { tcp, udp } counter name stranger_${when}`,
    ...['udp', 'tcp'].map(
      (protocol) =>
        `iifname { to-card, to-twin } ${protocol} dport ${NUMBERS} counter name ${protocol}_${when}`,
    ),
  ].join('\n    ')
}

type Passages = Readonly<Record<(typeof KINDS)[number], Passage>>

/** All of them by one call of nft: on a busy machine each takes its time. */
function passages(): Passages {
  const listed = nft('list counters table inet gap')
  const counts = new Map(
    [...listed.matchAll(/counter (\w+) \{\s*packets (\d+)/g)].map(([, name, count]) => [name, Number(count)]),
  )
  const count = (name: string): number => {
    const found = counts.get(name)
    if (found === undefined) throw new Error(`no counter ${name}`)
    return found
  }
  const of = (name: string): Passage => ({ before: count(`${name}_before`), after: count(`${name}_after`) })
  return { stranger: of('stranger'), udp: of('udp'), tcp: of('tcp'), answers: of('answers') }
}

/** Waits until nothing is under way any more; what was counted by then. */
async function quiet(): Promise<Passages> {
  let before = passages()
  for (;;) {
    await sleep(100)
    const now = passages()
    if (isDeepStrictEqual(before, now)) return now
    before = now
  }
}

const SYN = 0x02
/** Ports that one policy or the other opens to somebody, and ports that none does. */
const FLOODED = [22, 443, NUMBERS, 40_000] as const

interface Flood {
  end(): Promise<void>
}

/** SYNs and datagrams to this host and through it to the friend, from the stranger's own addresses and from the friend's. */
function startFlood({ card, stranger }: Machines): Flood {
  const script = new URL('./flood-child.ts', import.meta.url).pathname
  // It takes what processor time there is, and leaves the others theirs: on two cores admit would hardly get to apply.
  const words = ['-n', '15', 'ip', 'netns', 'exec', stranger.name, process.execPath, script]
  const child = spawn('nice', words, {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdout.resume()
  const gone = once(child, 'exit')
  const to = linkAddress(stranger.interfaceName)
  for (const frame of framesOf(card, stranger)) {
    const bytes = ethernetFrame(to, stranger.mac as MacAddress, frame)
    child.stdin.write(`eth0 ${bytes.toString('hex')}\n`)
  }
  child.stdin.write('go\n')
  return {
    end: async () => {
      child.stdin.end()
      await gone
    },
  }
}

function linkAddress(interfaceName: string): MacAddress {
  const mac = /link\/ether (\S+)/.exec(run('ip', ['link', 'show', interfaceName]))?.[1]
  if (mac === undefined) throw new Error(`${interfaceName} has no address`)
  return mac as MacAddress
}

function framesOf(card: Client, stranger: Client): readonly Parameters<typeof ethernetFrame>[2][] {
  const ends = [
    { family: 'ip', source: stranger.address, destination: stranger.host },
    { family: 'ip6', source: stranger.address6, destination: stranger.host6 },
    { family: 'ip', source: stranger.address, destination: card.address },
    { family: 'ip6', source: stranger.address6, destination: card.address6 },
  ] as const
  return ends.flatMap(({ family, source, destination }) =>
    FLOODED.flatMap((destinationPort, index) => {
      const packet = {
        family,
        source: source as IpAddress,
        destination: destination as IpAddress,
        hopLimit: 64,
        id: 1 + index,
        dscp: 0,
      }
      const ports = { sourcePort: 50_000 + index, destinationPort }
      return [
        { ...packet, transport: { kind: 'tcp', ...ports, flags: SYN } },
        { ...packet, transport: { kind: 'udp', ...ports } },
      ] as const
    }),
  )
}

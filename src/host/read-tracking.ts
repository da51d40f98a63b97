import type { IpAddress } from '../net/ip-address.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import type { Reading } from './reading.ts'

/** One direction of a connection, as connection tracking knows it. */
export interface FlowTuple {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort: number
  readonly destinationPort: number
}

/** An entry of connection tracking. */
export interface TrackedFlow {
  readonly protocol: 'tcp' | 'udp'
  /** The first packet's, before any translation. */
  readonly original: FlowTuple
  /** The answers', before theirs is undone: its source is who really answers. */
  readonly reply: FlowTuple
  readonly mark: number
  /** A flowtable carries it past the filter, in software or in hardware. */
  readonly offloaded: boolean
}

/** The arguments for `conntrack` that list the entries of one family; older ones list IPv4 unless told. */
export function trackingQuestion(family: 'ipv4' | 'ipv6'): readonly string[] {
  return ['-L', '-f', family]
}

/**
 * Reads `conntrack -L`, also `-o extended`, and /proc/net/nf_conntrack: the entries of TCP and UDP. An offloaded entry has neither
 * timeout nor state; `[OFFLOAD]` or `[HW_OFFLOAD]` stands among its flags (nf_flowtable.rst in the kernel's documentation).
 */
export function readTracking(text: string): Reading<readonly TrackedFlow[]> {
  const flows: TrackedFlow[] = []
  let odd = 0
  const addresses: Addresses = new Map()
  for (const line of text.split('\n')) {
    const protocol = /^(?:ipv[46]\s+\d+\s+)?(tcp|udp)\s/.exec(line)?.[1]
    if (protocol !== 'tcp' && protocol !== 'udp') continue
    const [original, reply] = [...line.matchAll(TUPLE)].map((shape) => tupleOf(shape, addresses))
    if (original === undefined || reply === undefined) odd++
    else {
      const mark = Number(/\smark=(\d+)/.exec(line)?.[1] ?? 0)
      const offloaded = /\[(?:HW_)?OFFLOAD\]/.test(line)
      flows.push({ protocol, original, reply, mark, offloaded })
    }
  }
  return { value: flows, notes: odd === 0 ? [] : [`\`conntrack -L\`: ${odd} line(s) could not be read`] }
}

const TUPLE = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g

/** Those that were read already: a busy server's own address stands in each of ten thousand lines. */
type Addresses = Map<string, IpAddress | undefined>

function tupleOf(
  [, from = '', to = '', sport, dport]: RegExpExecArray,
  known: Addresses,
): FlowTuple | undefined {
  const [source, destination] = [addressOf(from, known), addressOf(to, known)]
  if (source === undefined || destination === undefined) return undefined
  return { source, destination, sourcePort: Number(sport), destinationPort: Number(dport) }
}

function addressOf(text: string, known: Addresses): IpAddress | undefined {
  if (known.has(text)) return known.get(text)
  const address = parseIpAddress(text)
  const value = address.ok ? address.value : undefined
  known.set(text, value)
  return value
}

/**
 * The arguments for `conntrack` that remove these TCP entries. The program reads the whole table each time (20 ms for
 * 3,000 entries), so all entries of one client with one service go at once, unless some of them are to stay; `all` is the
 * listing that the entries come from.
 */
export function forgetQuestions(
  flows: readonly TrackedFlow[],
  all: readonly TrackedFlow[],
): readonly (readonly string[])[] {
  const going = new Set(flows)
  const kept = new Set(all.filter((flow) => !going.has(flow)).map((flow) => groupArgs(flow).join(' ')))
  const questions = flows.map((flow) => {
    const group = groupArgs(flow)
    return kept.has(group.join(' ')) ? [...group, ...clientArgs(flow)] : group
  })
  return [...new Map(questions.map((question) => [question.join(' '), question])).values()]
}

/** The arguments for `conntrack` that set bits in an entry's mark: the mask's bits are zeroed, then the value is put in by exclusive or. */
export function markQuestion(flow: TrackedFlow, bits: number): readonly string[] {
  const [, ...which] = [...groupArgs(flow), ...clientArgs(flow)]
  return ['-U', ...which, '-m', `${bits}/${bits}`]
}

/** The side that opened the connection has a port of its own for each; the other side's is the service. */
function groupArgs({ protocol, original, reply }: TrackedFlow): readonly string[] {
  const family = original.source.includes(':') ? 'ipv6' : 'ipv4'
  const ends = [
    '-s',
    original.source,
    '-d',
    original.destination,
    '-r',
    reply.source,
    '-q',
    reply.destination,
  ]
  const ports = ['--dport', `${original.destinationPort}`, '--reply-port-src', `${reply.sourcePort}`]
  return ['-D', '-f', family, '-p', protocol, ...ends, ...ports]
}

function clientArgs({ original, reply }: TrackedFlow): readonly string[] {
  return ['--sport', `${original.sourcePort}`, '--reply-port-dst', `${reply.destinationPort}`]
}

/** Reads `nft list flowtables`: each as `FAMILY TABLE FLOWTABLE`. Flowtables carry flows past every filter. */
export function readFlowtables(text: string): readonly string[] {
  const found: string[] = []
  let table = ''
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/)
    if (words[0] === 'table' && words.length >= 3) table = `${words[1]} ${words[2]}`
    else if (words[0] === 'flowtable' && words[1] !== undefined) found.push(`${table} ${words[1]}`)
  }
  return found
}

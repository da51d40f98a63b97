import { InternalError } from '../../src/base/internal-error.ts'
import type { Result } from '../../src/base/result.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import { parseInterfaceName } from '../../src/net/interface-name.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { familyOf, parseIpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../../src/net/protocol.ts'
import type { Packet, Tracking } from '../../src/packet/packet.ts'
import { TCP_FLAGS } from '../../src/packet/packet.ts'
import { ECHO_REQUEST, PICKED_UP } from '../../src/policy/meaning.ts'

/** One line of a packets.txt. The columns are parted by two blanks or more. */
export type PacketLine =
  /** A comment or an empty line, kept as it is. */
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'packet'
      readonly line: number
      /** The first column: `eth0 00:11:22:33:44:55 192.0.2.9 → 22/tcp`. */
      readonly words: string
      readonly packet: Packet
      /** The second and third column; empty where they are still to be written. */
      readonly verdict: string
      readonly reason: string
    }

export interface PacketOptions {
  /** The packets arrive on this host: their destination is its own address, and MACs show on Ethernet only. */
  readonly facts: HostFacts
  /** Seconds since 1970, for packets that do not say when. */
  readonly now: number
}

/** Reads a case's packets.txt (its format: tests/cases/README.md). */
export function parsePackets(text: string, options: PacketOptions): readonly PacketLine[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line, index): PacketLine => {
      if (line.trim() === '' || line.startsWith('#')) return { kind: 'text', text: line }
      const [words = '', verdict = '', reason = ''] = line.trim().split(/\s{2,}/)
      try {
        const packet = packetOf(words, options)
        return { kind: 'packet', line: index + 1, words, packet, verdict, reason }
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw new Error(`packets.txt:${index + 1}: ${why}: ${line}`, { cause: error })
      }
    })
}

/** The same lines with their columns aligned. */
export function formatPackets(lines: readonly PacketLine[]): string {
  const wide = (pick: (line: PacketLine & { kind: 'packet' }) => string): number =>
    Math.max(0, ...lines.map((line) => (line.kind === 'packet' ? [...pick(line)].length : 0)))
  const widths = [wide((line) => line.words), wide((line) => line.verdict)] as const
  return `${lines
    .map((line) =>
      line.kind === 'text'
        ? line.text
        : `${padded(line.words, widths[0])}  ${padded(line.verdict, widths[1])}  ${line.reason}`.trimEnd(),
    )
    .join('\n')}\n`
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length))
}

interface Asked {
  readonly protocol: number
  readonly destinationPort?: number
  readonly messageType?: number
}

/** What the words after the service say. */
interface Circumstances {
  readonly state: Tracking['state']
  readonly direction: Tracking['direction']
  readonly mark: number
  readonly dnatFrom?: number
  readonly forwardTo?: InterfaceName
  readonly leaves: boolean
  /** Its frame was sent to this host, also where it leaves by the bridge that it came by. */
  readonly routed: boolean
  readonly flags?: number
  readonly sourcePort?: number
  readonly hopLimit: number
  readonly time: number
}

function packetOf(text: string, options: PacketOptions): Packet {
  const words = text.split(' ')
  const arrow = words.indexOf('→')
  if (arrow < 0) throw new InternalError('no → between sender and service')
  const sender = senderOf(words.slice(0, arrow), options.facts)
  const { destination, asked, rest } = askedOf(words.slice(arrow + 1), sender, options.facts)
  const around = circumstances(rest, options.now)
  return {
    ...places(sender, around, options.facts),
    family: familyOf(sender.source),
    source: sender.source,
    destination,
    ...asked,
    ...transportOf(asked, around),
    hopLimit: around.hopLimit,
    tracking: trackingOf(asked, around),
    time: around.time,
  }
}

/** A machine on the same link, which a bridged frame is sent to. */
const NEXT_DOOR = must(parseMacAddress('00:00:5e:00:53:ff'))

interface CaseSender {
  readonly name: InterfaceName
  readonly mac?: MacAddress
  readonly source: IpAddress
}

/** `eth0 00:11:22:33:44:55 192.0.2.9`, without a MAC where the interface shows none. */
function senderOf(words: readonly string[], facts: HostFacts): CaseSender {
  const [first = '', second = '', third] = words
  if (words.length > 3) throw new InternalError('more than INTERFACE MAC ADDRESS before →')
  const name = must(parseInterfaceName(first))
  if (third === undefined) return { name, source: must(parseIpAddress(second)) }
  const known = facts.interfaces.find((candidate) => candidate.name === name)
  if (known?.ethernet === false) throw new InternalError(`no MAC is seen on ${name}`)
  return { name, mac: must(parseMacAddress(second)), source: must(parseIpAddress(third)) }
}

function askedOf(
  words: readonly string[],
  sender: CaseSender,
  facts: HostFacts,
): { readonly destination: IpAddress; readonly asked: Asked; readonly rest: readonly string[] } {
  const [first = ''] = words
  const named = parseIpAddress(first)
  const after = named.ok ? words.slice(1) : words
  const destination = named.ok ? named.value : ownAddress(sender, facts)
  return { destination, ...serviceOf(after, sender) }
}

function ownAddress(sender: CaseSender, facts: HostFacts): IpAddress {
  const family = familyOf(sender.source)
  const own = facts.interfaces
    .find((candidate) => candidate.name === sender.name)
    ?.addresses.find((entry) => familyOf(entry.address) === family)
  return own?.address ?? must(parseIpAddress(family === 'ip' ? '192.0.2.1' : '2001:db8::1'))
}

/** `22/tcp`, `ping`, `esp`, `icmp 3`, `icmpv6 135`, `igmp 17` */
function serviceOf(
  words: readonly string[],
  sender: CaseSender,
): { readonly asked: Asked; readonly rest: readonly string[] } {
  const [word = '', next = ''] = words
  const port = /^(\d+)\/(tcp|udp|sctp)$/.exec(word)
  if (port !== null) {
    const protocol = PROTOCOL_NUMBER[port[2] as 'tcp' | 'udp' | 'sctp']
    return { asked: { protocol, destinationPort: Number(port[1]) }, rest: words.slice(1) }
  }
  switch (word) {
    case 'ping': {
      const family = familyOf(sender.source)
      const protocol = family === 'ip' ? PROTOCOL_NUMBER.icmp : PROTOCOL_NUMBER.icmpv6
      return { asked: { protocol, messageType: ECHO_REQUEST[family] }, rest: words.slice(1) }
    }
    case 'esp':
    case 'gre':
    case 'ah':
      return { asked: { protocol: PROTOCOL_NUMBER[word] }, rest: words.slice(1) }
    case 'icmp':
    case 'icmpv6':
    case 'igmp':
      return { asked: { protocol: PROTOCOL_NUMBER[word], messageType: whole(next) }, rest: words.slice(2) }
    default:
      throw new InternalError(`unknown service ${word}`)
  }
}

function circumstances(words: readonly string[], now: number): Circumstances {
  let around: Circumstances = {
    state: 'new',
    direction: 'original',
    mark: 0,
    leaves: false,
    routed: false,
    hopLimit: 64,
    time: now,
  }
  const left = [...words]
  const take = (): string => left.shift() ?? ''
  for (let word = take(); word !== ''; word = take()) {
    switch (word) {
      case 'established':
      case 'related':
      case 'invalid':
      case 'untracked':
        around = { ...around, state: word }
        break
      case 'reply':
        around = { ...around, state: 'established', direction: 'reply' }
        break
      case 'marked':
        around = { ...around, mark: PICKED_UP }
        break
      case 'mark':
        around = { ...around, mark: whole(take()) }
        break
      case 'forward':
        around = { ...around, forwardTo: must(parseInterfaceName(expectWord('to', take, take))) }
        break
      case 'dnat':
        around = { ...around, dnatFrom: whole(expectWord('from', take, take)) }
        break
      case 'from':
        around = { ...around, sourcePort: whole(expectWord('port', take, take)) }
        break
      case 'hop':
        around = { ...around, hopLimit: whole(take()) }
        break
      case 'routed':
        around = { ...around, routed: true }
        break
      case 'leaves':
        around = { ...around, leaves: true }
        break
      case 'at':
        around = { ...around, time: moment(take()) }
        break
      case 'flags':
        around = { ...around, flags: flagsOf(left) }
        break
      default:
        throw new InternalError(`unknown word ${word}`)
    }
  }
  return around
}

function expectWord(expected: string, first: () => string, then: () => string): string {
  const got = first()
  if (got !== expected) throw new InternalError(`${expected} is missing before ${got}`)
  return then()
}

/** Takes the names of TCP flags from the front of `left`; `none` for no flag. */
function flagsOf(left: string[]): number {
  let flags = 0
  for (let word = left[0]; word !== undefined; word = left[0]) {
    if (word !== 'none' && !isFlag(word)) break
    if (isFlag(word)) flags |= TCP_FLAGS[word]
    left.shift()
  }
  return flags
}

function isFlag(word: string): word is keyof typeof TCP_FLAGS {
  return Object.hasOwn(TCP_FLAGS, word)
}

function places(
  sender: CaseSender,
  around: Circumstances,
  facts: HostFacts,
): Pick<Packet, 'hook' | 'iif' | 'oif' | 'mac' | 'macDestination'> {
  const { name, mac } = sender
  if (around.leaves) return { hook: 'output', oif: name }
  const own = facts.interfaces.find((candidate) => candidate.name === name)?.mac ?? NEXT_DOOR
  const macDestination = around.forwardTo === name && !around.routed ? NEXT_DOOR : own
  const arrives = { iif: name, ...(mac === undefined ? {} : { mac, macDestination }) }
  if (around.forwardTo === undefined) return { hook: 'input', ...arrives }
  return { hook: 'forward', oif: around.forwardTo, ...arrives }
}

function transportOf(asked: Asked, around: Circumstances): Pick<Packet, 'sourcePort' | 'tcpFlags'> {
  if (asked.destinationPort === undefined) return {}
  const sourcePort = around.sourcePort ?? 40000
  if (asked.protocol !== PROTOCOL_NUMBER.tcp) return { sourcePort }
  const usual = around.state === 'established' ? TCP_FLAGS.ack : TCP_FLAGS.syn
  return { sourcePort, tcpFlags: around.flags ?? usual }
}

function trackingOf(asked: Asked, around: Circumstances): Tracking {
  const { state, direction, mark, dnatFrom } = around
  const dialled = direction === 'reply' ? (around.sourcePort ?? 40000) : asked.destinationPort
  const original = dnatFrom ?? (asked.destinationPort === undefined ? undefined : dialled)
  return {
    state,
    direction,
    mark,
    dnat: dnatFrom !== undefined,
    ...(original === undefined ? {} : { originalDestinationPort: original }),
  }
}

function whole(text: string): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < 0) throw new InternalError(`not a number: ${text}`)
  return value
}

function moment(text: string): number {
  const value = Date.parse(text)
  if (Number.isNaN(value)) throw new InternalError(`not a moment: ${text}`)
  return value / 1000
}

function must<T>(result: Result<T, string>): T {
  if (!result.ok) throw new InternalError(result.error)
  return result.value
}

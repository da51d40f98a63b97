import type { Family } from '../../src/net/ip-address.ts'
import type { Port } from '../../src/net/port.ts'
import { PROTOCOL_NUMBER } from '../../src/net/protocol.ts'
import type { Grant, ServicePart } from '../../src/policy/policy.ts'
import type { Conversation } from './connection.ts'
import type { Transport } from './frames.ts'
import type { MarkCode } from './probe.ts'
import { EXPECTATIONS } from './probe.ts'
import type { Random } from './random.ts'
import type { History } from './test-packet.ts'
import type { Route } from './wire-route.ts'
import type { Sketch } from './packet-sketch.ts'
import { strangeAddress } from './packet-places.ts'
import { isUnicast } from './packet-sendable.ts'

export const TCP_ANY: ServicePart = { kind: 'ports', protocol: 'tcp', from: 1 as Port, to: 65_535 as Port }

/** How connection tracking is to know the packet: mostly not yet, else by one of the ways there are. */
export function historyFor(random: Random, route: Route, transport: Transport): History {
  const first: History = { kind: 'first', transport, notrack: random.chance(0.04) }
  if (random.chance(0.62) || !isUnicast(route.destination)) return first
  const mark = random.weighted<MarkCode>([
    [5, 'prepare'],
    [2, 'pickedUp'],
    [1, 'otherMark'],
    [1, 'bothMarks'],
  ])
  const flags = random.pick([16, 24, 17, 48, 20])
  const direction = random.pick(['original', 'reply'] as const)
  const talk = conversationFor(random, route.family, transport, direction)
  if (talk === undefined) return first
  const dialling = route.hook === 'input' && random.chance(0.25) && talk.kind !== 'plain'
  if (route.hook === 'input' && random.chance(0.06)) {
    const expectation = random.pick(EXPECTATIONS)
    const master: Conversation = {
      kind: 'udp',
      openerPort: ephemeral(random),
      answererPort: ephemeral(random),
    }
    return { kind: 'expected', talk: master, expectation, sourcePort: ephemeral(random) }
  }
  if (dialling) {
    const asAnswer = conversationFor(random, route.family, transport, 'reply')
    const hostFlags = random.pick([2, 2, 16, 24, 0xc2])
    if (asAnswer !== undefined) {
      return {
        kind: 'dialled',
        talk: asAnswer,
        hostFlags,
        flags: hostFlags === 16 || hostFlags === 24 ? 16 : 18,
      }
    }
  }
  if (random.chance(0.2)) {
    const types = route.family === 'ip' ? [3, 3, 11, 12, 5, 4] : [1, 2, 3, 4, 1, 5, 100]
    const far = strangeAddress(random, route.family)
    const openedBy = random.pick(['near', 'far'] as const)
    return { kind: 'error', talk, far, openedBy, type: random.pick(types), mark }
  }
  return { kind: 'conversation', talk, direction, fresh: random.chance(0.5), flags, mark }
}

/** The connection in which the sender's packet to that port is the opener's, or the answerer's. */
function conversationFor(
  random: Random,
  family: Family,
  transport: Transport,
  direction: 'original' | 'reply',
): Conversation | undefined {
  const opens = direction === 'original'
  switch (transport.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp': {
      const { kind, sourcePort, destinationPort } = transport
      return {
        kind,
        openerPort: opens ? sourcePort : destinationPort,
        answererPort: opens ? destinationPort : sourcePort,
      }
    }
    case 'icmp':
      // A request inside the other family's packet is invalid.
      if (transport.type !== (family === 'ip' ? 8 : 128) || transport.protocol !== (family === 'ip' ? 1 : 58))
        return undefined
      return { kind: 'echo', protocol: transport.protocol, identifier: random.between(1, 65_535) }
    case 'plain':
      return { kind: 'plain', protocol: transport.protocol }
    case 'igmp':
      return undefined
    default:
      return transport satisfies never
  }
}

/** A transport header to the service, its source port drawn, its flags mostly those of a first packet. */
export function transportFor(random: Random, sketch: Sketch): Transport {
  const { part, family } = sketch
  const icmp = family === 'ip' ? 1 : 58
  const identifier = random.between(1, 65_535)
  if (part === 'anything') {
    return random.weighted<() => Transport>([
      [3, () => segment(random, random.between(1, 65_535), sketch.midStream)],
      [2, () => datagram(random, random.between(1, 65_535))],
      [2, () => ({ kind: 'icmp', protocol: icmp, type: random.between(0, 150), code: 0, identifier })],
      [
        1,
        () => ({
          kind: 'icmp',
          protocol: random.pick([1, 58]),
          type: random.pick([8, 128, 135]),
          code: 0,
          identifier,
        }),
      ],
      [
        1,
        () => ({
          kind: 'plain',
          protocol: random.pick(
            family === 'ip' ? [4, 41, 47, 50, 51, 89, 103, 253] : [4, 47, 50, 89, 103, 253],
          ),
        }),
      ],
    ])()
  }
  switch (part.kind) {
    case 'ports': {
      const port = random.pick([part.from, part.to, random.between(part.from, part.to)])
      if (part.protocol === 'tcp') return segment(random, port, sketch.midStream)
      if (part.protocol === 'udp') return datagram(random, port)
      const sourcePort = ephemeral(random)
      const tags = { verificationTag: 0, initiateTag: 1000 }
      return { kind: 'sctp', sourcePort, destinationPort: port, chunk: 'init', ...tags }
    }
    case 'protocol':
      return { kind: 'plain', protocol: PROTOCOL_NUMBER[part.protocol] }
    case 'ping':
      return { kind: 'icmp', protocol: icmp, type: icmp === 1 ? 8 : 128, code: 0, identifier }
    default:
      return part satisfies never
  }
}

function segment(random: Random, destinationPort: number, midStream = false): Transport {
  const flags = midStream
    ? 16
    : random.weighted([
        [12, 2],
        [1, 0xc2],
        [2, 16],
        [1, 24],
        [1, 18],
        [1, 3],
        [1, 0],
        [1, 4],
        [1, 17],
        [1, 0x29],
      ])
  return { kind: 'tcp', sourcePort: ephemeral(random), destinationPort, flags }
}

function datagram(random: Random, destinationPort: number): Transport {
  return { kind: 'udp', sourcePort: ephemeral(random), destinationPort }
}

function ephemeral(random: Random): number {
  return random.between(1024, 65_535)
}

/** The next port, the same port of another protocol, or another kind of service. */
export function besidePart(random: Random, part: ServicePart | 'anything'): ServicePart | 'anything' {
  if (part === 'anything' || part.kind !== 'ports') {
    return random.pick<ServicePart | 'anything'>([
      'anything',
      { kind: 'ping' },
      { kind: 'protocol', protocol: 'gre' },
    ])
  }
  const port = random.pick([part.from - 1, part.to + 1, part.from])
  const protocol = random.pick(['tcp', 'udp', 'sctp'] as const)
  const moved = Math.min(65_535, Math.max(1, port)) as typeof part.from
  return { kind: 'ports', protocol: random.chance(0.5) ? part.protocol : protocol, from: moved, to: moved }
}

/** One of the things that the grant is to. */
export function partFor(random: Random, grant: Grant): ServicePart | 'anything' {
  const target = random.pick(grant.to)
  if (target.kind === 'everything' || target.service.parts.length === 0) return 'anything'
  return random.pick(target.service.parts)
}

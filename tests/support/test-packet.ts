import type { InterfaceName } from '../../src/net/interface-name.ts'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import type { Packet, Tracking } from '../../src/packet/packet.ts'
import { TCP_FLAGS } from '../../src/packet/packet.ts'
import type { Conversation } from './connection.ts'
import { answer, handshake, later, opening } from './connection.ts'
import type { Transport, WirePacket } from './frames.ts'
import { protocolOf } from './frames.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import { BRIDGED_MAC, NEXT_HOP_MAC, routeOf } from './host-plan.ts'
import type { Origin } from './host-under-test.ts'
import type { Expectation, MarkCode, Translation } from './probe.ts'
import { DSCP, MARK_OF } from './probe.ts'
import { stateOfFirst } from './tracking.ts'

/** A packet to try, everything that must go before it, and what the model says of it. */
export interface TestPacket {
  readonly id: number
  /** As netfilter sees it at the hook, with the tracking that the kernel will give it. */
  readonly packet: Packet
  readonly origin: Origin
  readonly wire: WirePacket
  /** Sent before the rules are loaded: the connection it belongs to. */
  readonly prepare: readonly Sent[]
  /** Sent by the host after the rules are loaded: a connection that admit's output chain sees begin. */
  readonly dialled?: { readonly sent: Sent; readonly packet: Packet }
  readonly translation?: Translation
}

export interface Sent {
  readonly origin: Origin
  readonly wire: WirePacket
}

/** Where a packet arrives, from whom, and where it goes. */
export interface Route {
  readonly hook: 'input' | 'forward'
  readonly arrives: PlannedInterface | 'lo'
  /** Of a frame; ignored where the interface is not Ethernet. */
  readonly mac: MacAddress
  /** Crosses the bridge from port to port instead of being routed. */
  readonly bridged: boolean
  readonly family: Family
  readonly source: IpAddress
  readonly destination: IpAddress
  /** As seen at the hook. */
  readonly hopLimit: number
}

/** How connection tracking comes to know the packet. */
export type History =
  | { readonly kind: 'first'; readonly transport: Transport; readonly notrack: boolean }
  /** Both sides have spoken, or the sender answers for the first time. */
  | {
      readonly kind: 'conversation'
      readonly talk: Conversation
      readonly direction: 'original' | 'reply'
      readonly fresh: boolean
      readonly flags: number
      readonly mark: MarkCode
    }
  /** The host dials after the rules are loaded; the packet answers. */
  | {
      readonly kind: 'dialled'
      readonly talk: Conversation
      readonly hostFlags: number
      readonly flags: number
    }
  /** The host dials the sender first, and tracking expects the sender to dial back to this port. */
  | {
      readonly kind: 'expected'
      readonly talk: Conversation
      readonly expectation: Expectation
      readonly sourcePort: number
    }
  /** An ICMP message about a packet of the host (or of the machine it is sent to). */
  | {
      readonly kind: 'error'
      readonly talk: Conversation
      readonly far: IpAddress
      readonly openedBy: 'near' | 'far'
      readonly type: number
      readonly mark: MarkCode
    }

/** The destination that the client dials instead of `Route.destination`. */
export interface Dialled {
  readonly address: IpAddress
  readonly port?: number
}

export interface Recipe {
  readonly id: number
  readonly route: Route
  readonly history: History
  readonly dialled?: Dialled
  readonly time: number
}

const PREPARING_IDS = 20_000

/** Makes the packet, what goes before it and the belief about it from a recipe. */
export function testPacket(plan: HostPlan, recipe: Recipe): TestPacket {
  const { history } = recipe
  switch (history.kind) {
    case 'first':
      return firstPacket(plan, recipe, history)
    case 'conversation':
      return conversationPacket(plan, recipe, history)
    case 'dialled':
      return dialledPacket(plan, recipe, history)
    case 'expected':
      return expectedPacket(plan, recipe, history)
    case 'error':
      return errorPacket(plan, recipe, history)
    default:
      return history satisfies never
  }
}

function firstPacket(plan: HostPlan, recipe: Recipe, history: History & { kind: 'first' }): TestPacket {
  const { id, route, dialled } = recipe
  const { transport, notrack } = history
  const first = notrack ? 'untracked' : stateOfFirst(route.family, transport)
  const tracked = first === 'new'
  const translated = tracked && dialled !== undefined
  const tracking: Tracking = {
    state: first,
    direction: 'original',
    mark: 0,
    dnat: translated,
    ...originalPort(translated ? dialled.port : portOf(transport)),
  }
  const sent = translated ? towards(transport, dialled.port) : transport
  return {
    id,
    packet: packetOf(plan, recipe, transport, tracking),
    origin: originOf(route),
    wire: wireOf(
      route,
      id,
      notrack ? DSCP.untracked : DSCP.test,
      sent,
      dialled && translated ? dialled.address : route.destination,
    ),
    prepare: [],
    ...(translated ? { translation: translationTo(id, route, transport) } : {}),
  }
}

function conversationPacket(
  plan: HostPlan,
  recipe: Recipe,
  history: History & { kind: 'conversation' },
): TestPacket {
  const { id, route, dialled } = recipe
  const { talk, direction, fresh, flags, mark } = history
  const own = direction === 'original' ? 'opener' : 'answerer'
  const before = direction === 'reply' && fresh ? [opening(talk)] : handshake(talk)
  const last = direction === 'reply' && fresh ? answer(talk) : later(talk, own, flags)
  const prepare = before.map((turn, index): Sent => {
    const forth = turn.from === own
    const opener = turn.from === 'opener'
    const seen = forth ? route : reversed(route)
    // The opener dials the untranslated destination; the answerer answers from the true one.
    const towardsDialled = dialled !== undefined && opener
    return {
      origin: forth ? originOf(route) : reverseOrigin(plan, route),
      wire: wireOf(
        seen,
        PREPARING_IDS + id * 4 + index,
        DSCP[mark],
        towardsDialled ? towards(turn.transport, dialled.port) : turn.transport,
        towardsDialled ? dialled.address : seen.destination,
      ),
    }
  })
  const openerPort = dialled !== undefined ? dialled.port : portOf(opening(talk).transport)
  const tracking: Tracking = {
    state: 'established',
    direction,
    mark: MARK_OF[mark],
    dnat: dialled !== undefined,
    ...originalPort(openerPort),
  }
  const toDialled = dialled !== undefined && direction === 'original'
  const opened = opening(talk).transport
  const server = direction === 'original' ? route : reversed(route)
  return {
    id,
    packet: packetOf(plan, recipe, last.transport, tracking),
    origin: originOf(route),
    wire: wireOf(
      route,
      id,
      DSCP.test,
      toDialled ? towards(last.transport, dialled.port) : last.transport,
      toDialled ? dialled.address : route.destination,
    ),
    prepare,
    ...(dialled === undefined ? {} : { translation: translationTo(PREPARING_IDS + id * 4, server, opened) }),
  }
}

function dialledPacket(plan: HostPlan, recipe: Recipe, history: History & { kind: 'dialled' }): TestPacket {
  const { id, route, time } = recipe
  const { talk, hostFlags, flags } = history
  const first = { ...opening(talk).transport }
  const opened: Transport = first.kind === 'tcp' ? { ...first, flags: hostFlags } : first
  const last = talk.kind === 'tcp' ? later(talk, 'answerer', flags) : answer(talk)
  const pickedUp = opened.kind === 'tcp' && (hostFlags & TCP_KEPT) !== TCP_FLAGS.syn
  const back = reversed(route)
  const tracking: Tracking = {
    state: 'established',
    direction: 'reply',
    mark: pickedUp ? MARK_OF.pickedUp : 0,
    dnat: false,
    ...originalPort(portOf(opened)),
  }
  const packet: Packet = {
    hook: 'output',
    oif: routeOf(plan, route.source),
    family: route.family,
    source: back.source,
    destination: back.destination,
    ...fieldsOf(opened),
    hopLimit: back.hopLimit,
    tracking: { state: 'new', direction: 'original', mark: 0, dnat: false, ...originalPort(portOf(opened)) },
    time,
  }
  return {
    id,
    packet: packetOf(plan, recipe, last.transport, tracking),
    origin: originOf(route),
    wire: wireOf(route, id, DSCP.test, last.transport, route.destination),
    prepare: [],
    dialled: {
      sent: {
        origin: reverseOrigin(plan, route),
        wire: wireOf(back, PREPARING_IDS + id * 4, DSCP.prepare, opened, back.destination),
      },
      packet,
    },
  }
}

function expectedPacket(plan: HostPlan, recipe: Recipe, history: History & { kind: 'expected' }): TestPacket {
  const { id, route } = recipe
  const { talk, expectation, sourcePort } = history
  const { protocol, port: destinationPort, dscp } = expectation
  const transport: Transport =
    protocol === 'tcp'
      ? { kind: 'tcp', sourcePort, destinationPort, flags: TCP_FLAGS.syn }
      : { kind: 'udp', sourcePort, destinationPort }
  const tracking: Tracking = {
    state: 'related',
    direction: 'original',
    mark: 0,
    dnat: false,
    originalDestinationPort: destinationPort,
  }
  const back = reversed(route)
  return {
    id,
    packet: packetOf(plan, recipe, transport, tracking),
    origin: originOf(route),
    wire: wireOf(route, id, DSCP.test, transport, route.destination),
    prepare: [
      {
        origin: reverseOrigin(plan, route),
        wire: wireOf(back, PREPARING_IDS + id * 4, dscp, opening(talk).transport, back.destination),
      },
    ],
  }
}

const TCP_KEPT = TCP_FLAGS.fin | TCP_FLAGS.syn | TCP_FLAGS.rst | TCP_FLAGS.ack

function errorPacket(plan: HostPlan, recipe: Recipe, history: History & { kind: 'error' }): TestPacket {
  const { id, route } = recipe
  const { talk, far, openedBy, type, mark } = history
  // The connection is between the packet's destination (near) and some far machine; the sender reports on it.
  const nearToFar: Route = { ...route, source: route.destination, destination: far }
  const farToNear: Route = { ...route, source: far }
  const open = opening(talk)
  const near = openedBy === 'near'
  const complaint = near ? open : answer(talk)
  const prepare: Sent[] = [
    {
      origin: near ? reverseOrigin(plan, farToNear) : originOf(route),
      wire: wireOf(
        near ? nearToFar : farToNear,
        PREPARING_IDS + id * 4,
        DSCP[mark],
        open.transport,
        near ? far : route.destination,
      ),
    },
  ]
  const quoted = wireOf(nearToFar, 0, 0, complaint.transport, far)
  const transport: Transport = {
    kind: 'icmp',
    protocol: route.family === 'ip' ? 1 : 58,
    type,
    code: 0,
    identifier: 0,
    quoted,
  }
  const tracking: Tracking = {
    state: 'related',
    direction: near ? 'reply' : 'original',
    mark: MARK_OF[mark],
    dnat: false,
    ...originalPort(portOf(open.transport)),
  }
  return {
    id,
    packet: packetOf(plan, recipe, transport, tracking),
    origin: originOf(route),
    wire: wireOf(route, id, DSCP.test, transport, route.destination),
    prepare,
  }
}

function packetOf(plan: HostPlan, recipe: Recipe, transport: Transport, tracking: Tracking): Packet {
  const { route, time } = recipe
  const iif = interfaceNameOf(route)
  const frame = route.arrives !== 'lo' && route.arrives.mac !== undefined
  return {
    hook: route.hook,
    iif,
    ...(route.hook === 'forward' ? { oif: route.bridged ? iif : routeOf(plan, route.destination) } : {}),
    ...(frame ? { mac: route.mac } : {}),
    family: route.family,
    source: route.source,
    destination: route.destination,
    ...fieldsOf(transport),
    hopLimit: route.hopLimit,
    tracking,
    time,
  }
}

function fieldsOf(
  transport: Transport,
): Pick<Packet, 'protocol' | 'sourcePort' | 'destinationPort' | 'tcpFlags' | 'messageType'> {
  const protocol = protocolOf(transport)
  switch (transport.kind) {
    case 'tcp': {
      const { sourcePort, destinationPort, flags } = transport
      return { protocol, sourcePort, destinationPort, tcpFlags: flags }
    }
    case 'udp':
    case 'sctp': {
      const { sourcePort, destinationPort } = transport
      return { protocol, sourcePort, destinationPort }
    }
    case 'icmp':
    case 'igmp':
      return { protocol, messageType: transport.type }
    case 'plain':
      return { protocol }
    default:
      return transport satisfies never
  }
}

function interfaceNameOf(route: Route): InterfaceName {
  return route.arrives === 'lo' ? ('lo' as InterfaceName) : route.arrives.name
}

function reversed(route: Route): Route {
  return { ...route, source: route.destination, destination: route.source }
}

function wireOf(
  route: Route,
  id: number,
  dscp: number,
  transport: Transport,
  destination: IpAddress,
): WirePacket {
  // ip_forward and ip6_forward count down before the forward hook; a bridge does not.
  const routed = route.hook === 'forward' && !route.bridged
  return {
    family: route.family,
    source: route.source,
    destination,
    hopLimit: routed ? route.hopLimit + 1 : route.hopLimit,
    id,
    dscp,
    transport,
  }
}

function originOf(route: Route): Origin {
  return arrivalAt(route.arrives, route.mac, route, 0)
}

/** Where the other side's packets come from: this host itself, the bridge's other port, or the way that the route leads. */
function reverseOrigin(plan: HostPlan, route: Route): Origin {
  if (route.hook === 'input') {
    return route.source.startsWith('fe80:')
      ? { kind: 'host', scope: interfaceNameOf(route) }
      : { kind: 'host' }
  }
  const name = routeOf(plan, route.destination)
  const leaves = route.bridged
    ? route.arrives
    : (plan.interfaces.find((planned) => planned.name === name) ?? 'lo')
  return arrivalAt(leaves, NEXT_HOP_MAC, reversed(route), 1)
}

function arrivalAt(arrives: PlannedInterface | 'lo', from: MacAddress, route: Route, port: 0 | 1): Origin {
  if (arrives === 'lo') return { kind: 'lo' }
  if (arrives.mac === undefined) return { kind: 'tun', name: arrives.name }
  const cable = arrives.kind === 'bridge' ? (arrives.ports[port] ?? arrives.name) : arrives.name
  const to = route.bridged ? BRIDGED_MAC : frameDestination(route.destination, arrives.mac)
  return { kind: 'frame', cable, from, to }
}

/** RFC 1112 section 6.4, RFC 2464 section 7. */
function frameDestination(destination: IpAddress, own: MacAddress): MacAddress {
  if (/^(10\.\d\.0|255\.255\.255)\.255$/.test(destination)) return macOrFail('ff:ff:ff:ff:ff:ff')
  if (destination.startsWith('224.')) {
    const octets = destination.split('.').map(Number)
    const [, second = 0, third = 0, fourth = 0] = octets
    return macOrFail(`01:00:5e:${[second & 0x7f, third, fourth].map(hex).join(':')}`)
  }
  if (destination === 'ff02::1') return macOrFail('33:33:00:00:00:01')
  return own
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function macOrFail(text: string): MacAddress {
  const mac = parseMacAddress(text)
  if (!mac.ok) throw new Error(mac.error)
  return mac.value
}

/** The same packet to another port: what it looked like before its destination was translated. */
function towards(transport: Transport, port: number | undefined): Transport {
  if (port === undefined) return transport
  if (transport.kind === 'tcp' || transport.kind === 'udp') return { ...transport, destinationPort: port }
  return transport
}

function translationTo(id: number, server: Route, opened: Transport): Translation {
  const port = portOf(opened)
  return {
    id,
    family: server.family,
    protocol: protocolOf(opened),
    address: server.destination,
    ...(port === undefined ? {} : { port }),
  }
}

function portOf(transport: Transport): number | undefined {
  return 'destinationPort' in transport ? transport.destinationPort : undefined
}

function originalPort(port: number | undefined): { originalDestinationPort?: number } {
  return port === undefined ? {} : { originalDestinationPort: port }
}

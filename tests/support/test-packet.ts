import type { IpAddress } from '../../src/net/ip-address.ts'
import type { Packet, Tracking } from '../../src/packet/packet.ts'
import { TCP_FLAGS } from '../../src/packet/packet.ts'
import type { Conversation } from './connection.ts'
import { answer, handshake, later, opening } from './connection.ts'
import type { Transport, WirePacket } from './frames.ts'
import type { HostPlan } from './host-plan.ts'
import { routeOf } from './host-plan.ts'
import type { Origin } from './host-under-test.ts'
import type { Expectation, MarkCode, Translation } from './probe.ts'
import { DSCP, MARK_OF } from './probe.ts'
import { stateOfFirst } from './tracking.ts'
import type { Route } from './wire-route.ts'
import {
  packetOf,
  fieldsOf,
  reversed,
  wireOf,
  originOf,
  reverseOrigin,
  towards,
  translationTo,
  portOf,
  originalPort,
} from './wire-route.ts'

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
    packet: packetOf(plan, route, recipe.time, transport, tracking),
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
    packet: packetOf(plan, route, recipe.time, last.transport, tracking),
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
    packet: packetOf(plan, route, recipe.time, last.transport, tracking),
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
    packet: packetOf(plan, route, recipe.time, transport, tracking),
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
    packet: packetOf(plan, route, recipe.time, transport, tracking),
    origin: originOf(route),
    wire: wireOf(route, id, DSCP.test, transport, route.destination),
    prepare,
  }
}

import type { Place } from '../base/place.ts'
import type { HostFacts } from '../host/host-facts.ts'
import { cidrContains } from '../net/cidr.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import type { NetworkNeed } from './network-needs.ts'
import { networkNeed } from './network-needs.ts'
import type { Device, Grant, Identity, Policy, ServicePart, Target } from './policy.ts'

/** The verdict of the policy on one packet, and why. */
export type Judgement =
  | { readonly verdict: 'admitted'; readonly reason: AdmittedReason; readonly place?: Place }
  | { readonly verdict: 'refused'; readonly reason: RefusedReason; readonly place?: Place }

export type AdmittedReason =
  /** It leaves this host: nobody judges that. */
  | { readonly kind: 'output' }
  | { readonly kind: 'loopback' }
  | { readonly kind: 'unguarded'; readonly interface: InterfaceName }
  | { readonly kind: 'reply' }
  | { readonly kind: 'related-error' }
  | { readonly kind: 'network-need'; readonly need: NetworkNeed }
  /** `device` is absent where anyone may. */
  | { readonly kind: 'grant'; readonly grant: Grant; readonly device?: Device }
  /** Forwarding is left to others. */
  | { readonly kind: 'forward-keep' }
  | { readonly kind: 'bridged' }

export type RefusedReason =
  | { readonly kind: 'invalid' }
  | { readonly kind: 'no-grant'; readonly recognised: readonly Device[]; readonly expired: readonly Device[] }
  | { readonly kind: 'forward-drop' }
  /** A forwarded TCP connection picked up in the middle would make the wrong side its origin. */
  | { readonly kind: 'picked-up' }

/** Bit of the connection mark that the output chain sets on a TCP connection which it sees first in the middle. */
export const PICKED_UP = 0x10000000

/** ICMP errors that a related packet may be: unreachable, time exceeded, parameter problem; no redirect, no source quench (RFC 6633). */
export const ICMP_ERRORS: readonly number[] = [3, 11, 12]
/** ICMPv6 errors (RFC 4443): unreachable, packet too big, time exceeded, parameter problem. */
export const ICMPV6_ERRORS: readonly number[] = [1, 2, 3, 4]
export const ECHO_REQUEST = { ip: 8, ip6: 128 } as const

/**
 * The meaning of a policy: what becomes of a packet on this host. Written straight from the language's definition
 * (design section 3), without regard to sets and rules, so that everything compiled can be held against it.
 */
export function judge(policy: Policy, facts: HostFacts, packet: Packet): Judgement {
  switch (packet.hook) {
    case 'output':
      return { verdict: 'admitted', reason: { kind: 'output' } }
    case 'input':
      return judgeInput(policy, packet)
    case 'forward':
      return judgeForward(policy, facts, packet)
    default:
      return packet.hook satisfies never
  }
}

function judgeInput(policy: Policy, packet: Packet): Judgement {
  const unjudged = notJudged(policy, packet.iif)
  if (unjudged !== undefined) return unjudged
  const known = judgeKnownConnection(packet)
  if (known !== undefined) return known
  const need = networkNeed(packet)
  if (need !== undefined) return { verdict: 'admitted', reason: { kind: 'network-need', need } }
  return judgeGrants(policy, packet, (grant) => grant.through === undefined && reaches(grant.to, packet))
}

function judgeForward(policy: Policy, facts: HostFacts, packet: Packet): Judgement {
  if (policy.host.forward === 'keep') return { verdict: 'admitted', reason: { kind: 'forward-keep' } }
  if (isBridged(facts, packet)) return { verdict: 'admitted', reason: { kind: 'bridged' } }
  if (policy.host.forward === 'drop') {
    return { verdict: 'refused', reason: { kind: 'forward-drop' }, place: policy.host.place }
  }
  const leavesJudged = notJudged(policy, packet.oif) === undefined
  if (leavesJudged && isPickedUp(packet)) return { verdict: 'refused', reason: { kind: 'picked-up' } }
  const unjudged = notJudged(policy, packet.iif)
  if (unjudged !== undefined) return unjudged
  const known = judgeKnownConnection(packet)
  if (known !== undefined) return known
  return judgeGrants(policy, packet, (grant) => grantReachesBeyond(grant, packet))
}

function notJudged(policy: Policy, name: InterfaceName | undefined): Judgement | undefined {
  if (name === 'lo') return { verdict: 'admitted', reason: { kind: 'loopback' } }
  const unguarded = policy.host.unguarded.find((entry) => entry.value === name)
  if (unguarded === undefined) return undefined
  return {
    verdict: 'admitted',
    reason: { kind: 'unguarded', interface: unguarded.value },
    place: unguarded.place,
  }
}

function judgeKnownConnection(packet: Packet): Judgement | undefined {
  const { state, direction, mark } = packet.tracking
  if (state === 'invalid') return { verdict: 'refused', reason: { kind: 'invalid' } }
  if (state === 'established' && direction === 'reply' && (mark & PICKED_UP) === 0) {
    return { verdict: 'admitted', reason: { kind: 'reply' } }
  }
  if (state === 'related' && isIcmpError(packet))
    return { verdict: 'admitted', reason: { kind: 'related-error' } }
  return undefined
}

function judgeGrants(policy: Policy, packet: Packet, fits: (grant: Grant) => boolean): Judgement {
  const recognised = policy.devices.filter((device) => recognises(device, packet))
  const expired = recognised.filter((device) => isExpired(device, packet.time))
  const current = new Map(
    recognised.filter((device) => !expired.includes(device)).map((device) => [device.name, device]),
  )
  for (const grant of policy.grants) {
    if (!arrivesOn(grant, packet) || !fits(grant)) continue
    const { from, place } = grant
    if (from.kind === 'anyone') return { verdict: 'admitted', reason: { kind: 'grant', grant }, place }
    const device = from.devices.map((name) => current.get(name)).find((found) => found !== undefined)
    if (device !== undefined) return { verdict: 'admitted', reason: { kind: 'grant', grant, device }, place }
  }
  return { verdict: 'refused', reason: { kind: 'no-grant', recognised, expired } }
}

/** Does this packet carry one of the device's identities? Its `until` does not matter here. */
export function recognises(device: Device, packet: Packet): boolean {
  return device.identities.some((identity) => fitsIdentity(identity, packet))
}

function fitsIdentity(identity: Identity, packet: Packet): boolean {
  switch (identity.kind) {
    case 'mac':
      return packet.mac === identity.mac
    case 'address':
      return cidrContains(identity.cidr, packet.source)
    case 'bound':
      return packet.mac === identity.mac && cidrContains(identity.cidr, packet.source)
    default:
      return identity satisfies never
  }
}

/** Past its `until`. A device without one never expires. */
export function isExpired(device: Device, time: number): boolean {
  return device.until !== undefined && time > device.until
}

function arrivesOn(grant: Grant, packet: Packet): boolean {
  return grant.on === undefined || grant.on.some((entry) => entry.value === packet.iif)
}

function reaches(to: readonly Target[], packet: Packet): boolean {
  return to.some(
    (target) => target.kind === 'everything' || target.service.parts.some((part) => fitsPart(part, packet)),
  )
}

function fitsPart(part: ServicePart, packet: Packet): boolean {
  switch (part.kind) {
    case 'ports': {
      const port = packet.destinationPort
      const protocol = PROTOCOL_NUMBER[part.protocol]
      return packet.protocol === protocol && port !== undefined && part.from <= port && port <= part.to
    }
    case 'protocol':
      return packet.protocol === PROTOCOL_NUMBER[part.protocol]
    case 'ping': {
      const icmp = packet.family === 'ip' ? PROTOCOL_NUMBER.icmp : PROTOCOL_NUMBER.icmpv6
      return packet.protocol === icmp && packet.messageType === ECHO_REQUEST[packet.family]
    }
    default:
      return part satisfies never
  }
}

/**
 * With `through`: the destination lies in those networks and the service fits. Without: the connection was dialled
 * to this host (its destination was translated), and the service fits what the client dialled.
 */
function grantReachesBeyond(grant: Grant, packet: Packet): boolean {
  if (grant.through !== undefined) {
    const inside = grant.through.some((entry) => cidrContains(entry.value, packet.destination))
    return inside && reaches(grant.to, packet)
  }
  const { state, dnat, originalDestinationPort } = packet.tracking
  if (state === 'untracked' || !dnat) return false
  const { destinationPort: _, ...rest } = packet
  const dialled =
    originalDestinationPort === undefined ? rest : { ...rest, destinationPort: originalDestinationPort }
  return reaches(grant.to, dialled)
}

/**
 * A frame that a bridge carries from port to port shows the bridge as both interfaces (br_netfilter). So does a packet
 * that this host routes from a bridge back out of it; but that one's frame was sent to this host.
 */
function isBridged(facts: HostFacts, packet: Packet): boolean {
  const { iif, oif, macDestination } = packet
  const bridge = facts.interfaces.find((candidate) => candidate.name === iif && candidate.kind === 'bridge')
  if (bridge === undefined || iif !== oif) return false
  const own = facts.interfaces.flatMap(({ mac }) => mac ?? [])
  return own.length === 0 || (macDestination !== undefined && !own.includes(macDestination))
}

function isPickedUp(packet: Packet): boolean {
  if (packet.protocol !== PROTOCOL_NUMBER.tcp || packet.tracking.state !== 'new') return false
  const kept = TCP_FLAGS.fin | TCP_FLAGS.syn | TCP_FLAGS.rst | TCP_FLAGS.ack
  return ((packet.tcpFlags ?? 0) & kept) !== TCP_FLAGS.syn
}

function isIcmpError(packet: Packet): boolean {
  const type = packet.messageType ?? -1
  if (packet.family === 'ip') return packet.protocol === PROTOCOL_NUMBER.icmp && ICMP_ERRORS.includes(type)
  return packet.protocol === PROTOCOL_NUMBER.icmpv6 && ICMPV6_ERRORS.includes(type)
}

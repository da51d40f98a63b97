import type { InterfaceName } from '../../src/net/interface-name.ts'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import type { Packet, Tracking } from '../../src/packet/packet.ts'
import type { Transport, WirePacket } from './frames.ts'
import { protocolOf } from './frames.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import { BRIDGED_MAC, NEXT_HOP_MAC, routeOf } from './host-plan.ts'
import type { Origin } from './host-under-test.ts'
import type { Translation } from './probe.ts'

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

/** The packet as the model sees it at its hook. */
export function packetOf(
  plan: HostPlan,
  route: Route,
  time: number,
  transport: Transport,
  tracking: Tracking,
): Packet {
  const iif = interfaceNameOf(route)
  const frame = route.arrives !== 'lo' && route.arrives.mac !== undefined
  return {
    hook: route.hook,
    iif,
    ...(route.hook === 'forward' ? { oif: route.bridged ? iif : routeOf(plan, route.destination) } : {}),
    ...(frame ? { mac: route.mac, macDestination: frameTo(route) } : {}),
    family: route.family,
    source: route.source,
    destination: route.destination,
    ...fieldsOf(transport),
    hopLimit: route.hopLimit,
    tracking,
    time,
  }
}

/** The fields of the model that its protocol gives it. */
export function fieldsOf(
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

/** The way back; its origin is `reverseOrigin`. */
export function reversed(route: Route): Route {
  return { ...route, source: route.destination, destination: route.source }
}

/** The packet as it is put on the wire, where its destination may not be translated yet. */
export function wireOf(
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

/** Where the packet itself is put in. */
export function originOf(route: Route): Origin {
  return arrivalAt(route.arrives, route.mac, route, 0)
}

/** Where the other side's packets come from: this host itself, the bridge's other port, or the way that the route leads. */
export function reverseOrigin(plan: HostPlan, route: Route): Origin {
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

/** The MAC address that the route's frame is sent to; its interface is Ethernet. */
function frameTo(route: Route): MacAddress {
  if (route.bridged) return BRIDGED_MAC
  const own = route.arrives === 'lo' ? undefined : route.arrives.mac
  return own === undefined ? BRIDGED_MAC : frameDestination(route.destination, own)
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
export function towards(transport: Transport, port: number | undefined): Transport {
  if (port === undefined) return transport
  if (transport.kind === 'tcp' || transport.kind === 'udp') return { ...transport, destinationPort: port }
  return transport
}

/** What the prerouting and output chains of the harness do to the connection that this packet opens. */
export function translationTo(id: number, server: Route, opened: Transport): Translation {
  const port = portOf(opened)
  return {
    id,
    family: server.family,
    protocol: protocolOf(opened),
    address: server.destination,
    ...(port === undefined ? {} : { port }),
  }
}

/** Its destination port, where its protocol has ports. */
export function portOf(transport: Transport): number | undefined {
  return 'destinationPort' in transport ? transport.destinationPort : undefined
}

/** A field that is left out where there is no value. */
export function originalPort(port: number | undefined): { originalDestinationPort?: number } {
  return port === undefined ? {} : { originalDestinationPort: port }
}

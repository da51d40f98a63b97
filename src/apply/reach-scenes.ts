import type { FreeField } from '../analysis/representatives.ts'
import type { HostFacts, NetworkInterface, SshConnection } from '../host/host-facts.ts'
import { cidrContains, cidrRange } from '../net/cidr.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { familyOf, ipFromNumber, parseIpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import type { Device, Grant, Identity, Policy } from '../policy/policy.ts'
import { judgedInterfaces, strangeMac } from '../policy/specimen.ts'
import { parseLiteralCidr } from '../ruleset/build.ts'
import type { Interval } from '../ruleset/ruleset.ts'
import type { Range } from './address-domain.ts'
import { network, points, single, sources, wholeSpace } from './address-domain.ts'

/** First packets of connections to a port of this host that somebody may send, alike but for the free fields. */
export interface Scene {
  readonly packet: Packet
  readonly free: readonly FreeField[]
  /** It arrives on a bridge. */
  readonly bridged: boolean
  /** The sender is a router: somebody behind it is meant, at an address that nobody wrote down. */
  readonly routed: boolean
}

export interface SceneContext {
  readonly policy: Policy
  readonly facts: HostFacts
  /** Seconds since 1970. */
  readonly now: number
}

type Link = Pick<NetworkInterface, 'name' | 'ethernet' | 'addresses'> &
  Partial<Pick<NetworkInterface, 'kind' | 'mac'>>

/**
 * How an admin's device can dial these ports: each of its identities, on the interface where that was last seen, else
 * where the device was, else on those that its grants to a port name, else on every judged one.
 */
export function adminScenes(
  context: SceneContext,
  device: Device,
  ports: readonly number[],
): readonly Scene[] {
  const seen = device.identities.map((identity) => seenOn(context.facts, identity))
  const anywhere = [...new Set(seen.flat())]
  return device.identities.flatMap((identity, index) => {
    const own = seen[index] ?? []
    const names = own.length > 0 ? own : anywhere
    const on = names.length > 0 ? linksNamed(context, names) : grantedLinks(context, device, ports)
    const scenes = on.flatMap((link) => identityScenes(context, device, identity, link, ports, onLink))
    if (scenes.length > 0) return scenes
    // No link has a network: nothing is known of its sources then.
    return on.flatMap((link) => identityScenes(context, device, identity, link, ports, anywhereOn))
  })
}

/** How whoever applies would dial again: the same connection from any port of theirs. */
export function callerScenes(context: SceneContext, caller: SshConnection): readonly Scene[] {
  const { policy, facts } = context
  const family = familyOf(caller.remote.address)
  const links =
    caller.interface === undefined ? judgedInterfaces(policy, facts) : linksNamed(context, [caller.interface])
  return links.map((link) => {
    const gateway = facts.gateways.find(
      (one) => one.interface === link.name && one.address === caller.gateway && one.mac !== undefined,
    )
    const mac = caller.mac ?? gateway?.mac ?? strangeMac(policy)
    return scene(context, link, {
      family,
      mac: link.ethernet ? mac : undefined,
      from: points(family, [caller.remote.address]),
      to: points(family, [caller.local.address]),
      port: caller.local.port,
      routed: false,
    })
  })
}

function identityScenes(
  context: SceneContext,
  device: Device,
  identity: Identity,
  link: Link,
  ports: readonly number[],
  sourcesOfMac: SourcesOfMac,
): readonly Scene[] {
  if (identity.kind !== 'address' && !link.ethernet) return []
  const families: readonly Family[] = identity.kind === 'mac' ? ['ip', 'ip6'] : [identity.cidr.family]
  return families.flatMap((family) => {
    const to = points(family, destinations(context.facts, link, family))
    if (to.length === 0) return []
    return arrivals(context, device, identity, link, family, sourcesOfMac).flatMap(({ mac, from }) => {
      const domain = sources(family, from, context.facts)
      if (domain.length === 0) return []
      const routed = identity.kind === 'mac' && routes(context.facts, device, identity.mac, link)
      return ports.map((port) => scene(context, link, { family, mac, from: domain, to, port, routed }))
    })
  })
}

interface Arriving {
  readonly mac: MacAddress | undefined
  readonly from: readonly Range[]
}

/** The MAC addresses that packets of this identity can show on a link, each with the sources that go with it. */
function arrivals(
  { policy, facts }: SceneContext,
  device: Device,
  identity: Identity,
  link: Link,
  family: Family,
  sourcesOfMac: SourcesOfMac,
): readonly Arriving[] {
  switch (identity.kind) {
    case 'mac': {
      const { mac } = identity
      const anywhere = routes(facts, device, mac, link)
      return [{ mac, from: anywhere ? [wholeSpace(family)] : sourcesOfMac(facts, link, mac, family) }]
    }
    case 'bound':
      return [{ mac: identity.mac, from: [cidrRange(identity.cidr)] }]
    case 'address': {
      const from = [cidrRange(identity.cidr)]
      if (!link.ethernet) return [{ mac: undefined, from }]
      const neighbours = facts.neighbours.filter(
        (entry) => entry.interface === link.name && cidrContains(identity.cidr, entry.address),
      )
      const routers = facts.gateways.flatMap(({ interface: name, mac }) =>
        name === link.name && mac !== undefined ? [mac] : [],
      )
      const others = routers.length === 0 ? [strangeMac(policy)] : routers
      return [
        ...neighbours.map(({ mac, address }) => ({ mac, from: [single(address)] })),
        ...[...new Set(others)].map((mac) => ({ mac, from })),
      ]
    }
    default:
      return identity satisfies never
  }
}

type SourcesOfMac = (facts: HostFacts, link: Link, mac: MacAddress, family: Family) => readonly Range[]

const anywhereOn: SourcesOfMac = (_facts, _link, _mac, family) => [wholeSpace(family)]

/**
 * The addresses that a machine one hop away may use: those of the link's networks, link-local ones, and those at which
 * this host knows it. None where the link has no network of the family: this host would not answer it there.
 */
function onLink(facts: HostFacts, link: Link, mac: MacAddress, family: Family): readonly Range[] {
  const networks = link.addresses
    .filter(({ address }) => familyOf(address) === family)
    .map(({ address, prefix }) => network(address, prefix))
  const known = facts.neighbours
    .filter((entry) => entry.interface === link.name && entry.mac === mac)
    .map(({ address }) => address)
    .concat(facts.sshConnections.filter((one) => one.mac === mac).map(({ remote }) => remote.address))
    .filter((address) => familyOf(address) === family)
    .map(single)
  const local = family === 'ip6' && networks.length > 0 ? [cidrRange(LINK_LOCAL)] : []
  return [...networks, ...known, ...local]
}

const LINK_LOCAL = parseLiteralCidr('fe80::/64')

/** This host's addresses that can be dialled over a link: all but loopback's, link-local ones only on their own. */
function destinations(facts: HostFacts, link: Link, family: Family): readonly IpAddress[] {
  const all = facts.interfaces
    .filter((entry) => entry.kind !== 'loopback')
    .flatMap((entry) => entry.addresses.map((own) => ({ ...own, on: entry.name })))
  if (all.length === 0) return UNKNOWN_DESTINATIONS
  return all
    .filter(({ address, scope, on }) => {
      return familyOf(address) === family && scope !== 'host' && (scope !== 'link' || on === link.name)
    })
    .map(({ address }) => address)
}

/** Addresses for documentation (RFC 5737, RFC 3849): of a host whose own are not known. */
const UNKNOWN_DESTINATIONS: readonly IpAddress[] = ['192.0.2.1', '2001:db8::1'].flatMap((text) => {
  const address = parseIpAddress(text)
  return address.ok ? [address.value] : []
})

/** Does this MAC carry the packets of others? */
function routes(facts: HostFacts, device: Device, mac: MacAddress, on: Link): boolean {
  if (device.everyoneBehind !== undefined) return true
  return facts.gateways.some((entry) => entry.interface === on.name && entry.mac === mac)
}

function seenOn(facts: HostFacts, identity: Identity): readonly InterfaceName[] {
  const connections = facts.sshConnections.flatMap(({ interface: name, mac, remote }) =>
    name !== undefined && fits(identity, mac, remote.address) ? [name] : [],
  )
  const neighbours = facts.neighbours.flatMap(({ interface: name, mac, address }) =>
    fits(identity, mac, address) ? [name] : [],
  )
  return [...new Set([...connections, ...neighbours])]
}

function fits(identity: Identity, mac: MacAddress | undefined, address: IpAddress): boolean {
  if (identity.kind !== 'address' && identity.mac !== mac) return false
  return identity.kind === 'mac' || cidrContains(identity.cidr, address)
}

function linksNamed({ policy, facts }: SceneContext, names: readonly InterfaceName[]): readonly Link[] {
  const links: readonly Link[] =
    facts.interfaces.length > 0 ? facts.interfaces : judgedInterfaces(policy, facts)
  return names.map(
    (name) => links.find((link) => link.name === name) ?? { name, ethernet: name !== 'lo', addresses: [] },
  )
}

function grantedLinks(context: SceneContext, device: Device, ports: readonly number[]): readonly Link[] {
  const { policy, facts } = context
  const own = policy.grants.filter(
    ({ from, through }) =>
      through === undefined && (from.kind === 'anyone' || from.devices.includes(device.name)),
  )
  const reaching = own.filter((grant) => reachesAny(grant, ports))
  const grants = reaching.length > 0 ? reaching : own
  const named = grants.flatMap(({ on }) => (on ?? []).map((entry) => entry.value))
  const all = judgedInterfaces(policy, facts)
  if (named.length === 0 || grants.some(({ on }) => on === undefined)) return all
  return linksNamed(context, [...new Set(named)])
}

function reachesAny(grant: Grant, ports: readonly number[]): boolean {
  return grant.to.some(
    (target) =>
      target.kind === 'everything' ||
      target.service.parts.some(
        (part) =>
          part.kind === 'ports' &&
          part.protocol === 'tcp' &&
          ports.some((port) => part.from <= port && port <= part.to),
      ),
  )
}

interface Dialling {
  readonly family: Family
  readonly mac: MacAddress | undefined
  readonly from: readonly Interval[]
  readonly to: readonly Interval[]
  readonly port: number
  readonly routed: boolean
}

function scene({ now }: SceneContext, link: Link, dialling: Dialling): Scene {
  const { family, mac, from, to, port, routed } = dialling
  const hops: readonly FreeField[] =
    family === 'ip6' ? [{ field: 'ip6 hoplimit', domain: [{ low: 1, high: 255 }] }] : []
  const macs = {
    ...(mac === undefined ? {} : { mac }),
    ...(mac === undefined || link.mac === undefined ? {} : { macDestination: link.mac }),
  }
  return {
    packet: {
      hook: 'input',
      iif: link.name,
      ...macs,
      family,
      source: usual(family, from),
      destination: usual(family, to),
      protocol: PROTOCOL_NUMBER.tcp,
      sourcePort: 40000,
      destinationPort: port,
      tcpFlags: TCP_FLAGS.syn,
      hopLimit: 64,
      tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
      time: now,
    },
    free: [
      { field: family === 'ip' ? 'ip saddr' : 'ip6 saddr', domain: from },
      { field: family === 'ip' ? 'ip daddr' : 'ip6 daddr', domain: to },
      { field: 'tcp sport', domain: [{ low: 1, high: 65535 }] },
      ...hops,
    ],
    bridged: link.kind === 'bridge',
    routed,
  }
}

/** An address of the domain that people would write: the second, since the first of a network is no machine's. */
function usual(family: Family, domain: readonly Interval[]): IpAddress {
  const [first] = domain
  const low = BigInt(first?.low ?? 0)
  return ipFromNumber(family, BigInt(first?.high ?? 0) > low ? low + 1n : low)
}

import type { HostFacts, NetworkInterface } from '../host/host-facts.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrRange, parseCidr } from '../net/cidr.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { ipFromNumber } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import { macFromNumber } from '../net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import { ECHO_REQUEST } from './meaning.ts'
import type { Device, Identity, Policy, ServicePart, Target } from './policy.ts'
import { recogniser } from './recogniser.ts'

/** Someone who sends: what a packet of theirs shows of them, on one interface and in one family. */
export interface Sender {
  readonly iif: InterfaceName
  readonly mac?: MacAddress
  readonly family: Family
  readonly source: IpAddress
}

/** What a packet asks for: the part of it that a service is told by. */
export type Request = Pick<Packet, 'protocol' | 'destinationPort' | 'messageType' | 'tcpFlags'> & {
  readonly sourcePort?: number
  /** Such as `22/tcp`, `ping`, `esp`. */
  readonly words: string
}

/** An interface as far as senders are concerned. */
export type Arrival = Pick<NetworkInterface, 'name' | 'ethernet' | 'addresses'>

/** The interfaces whose arriving packets are judged; of an unknown host those that its grants name, as Ethernet; else eth0. */
export function judgedInterfaces(policy: Policy, facts: HostFacts): readonly Arrival[] {
  if (facts.interfaces.length === 0) return unknownInterfaces(policy)
  const unguarded = new Set(policy.host.unguarded.map((entry) => entry.value))
  return facts.interfaces.filter(
    (candidate) =>
      candidate.kind !== 'loopback' && candidate.master === undefined && !unguarded.has(candidate.name),
  )
}

function unknownInterfaces(policy: Policy): readonly Arrival[] {
  const named = policy.grants.flatMap((grant) => (grant.on ?? []).map((entry) => entry.value))
  const usual = parseInterfaceName('eth0')
  const names = named.length === 0 && usual.ok ? [usual.value] : [...new Set(named)]
  return names.map((name) => ({ name, ethernet: true, addresses: [] }))
}

/** How a device's packets can look on these interfaces. A MAC shows only where there is an Ethernet header. */
export function deviceSenders(policy: Policy, device: Device, on: readonly Arrival[]): readonly Sender[] {
  return device.identities.flatMap((identity) => identitySenders(policy, identity, on))
}

export function identitySenders(
  policy: Policy,
  identity: Identity,
  on: readonly Arrival[],
): readonly Sender[] {
  return on.flatMap((arrival): readonly Sender[] => {
    const iif = arrival.name
    switch (identity.kind) {
      case 'mac':
        if (!arrival.ethernet) return []
        return strangeAddresses(policy).map(({ family, source }) => ({
          iif,
          mac: identity.mac,
          family,
          source,
        }))
      case 'address':
        return [{ iif, ...macOf(policy, arrival), ...firstAddress(identity.cidr) }]
      case 'bound':
        return arrival.ethernet ? [{ iif, mac: identity.mac, ...firstAddress(identity.cidr) }] : []
      default:
        return identity satisfies never
    }
  })
}

/**
 * How strangers can look on these interfaces: an unknown MAC and address, and one half of each bound pair with a
 * wrong other half. Empty for a family in which every address is some device's.
 */
export function strangerSenders(policy: Policy, on: readonly Arrival[]): readonly Sender[] {
  const strange = strangeAddresses(policy)
  const known = recogniser(policy)
  const bound = policy.devices.flatMap((device) =>
    device.identities.flatMap((identity) => (identity.kind === 'bound' ? [identity] : [])),
  )
  return on.flatMap((arrival) => {
    const iif = arrival.name
    const mac = macOf(policy, arrival)
    const halves = bound.flatMap((identity): readonly Sender[] => [
      { iif, ...mac, ...firstAddress(identity.cidr) },
      ...(arrival.ethernet ? strange.map((address) => ({ iif, mac: identity.mac, ...address })) : []),
    ])
    const all = [...strange.map((address) => ({ iif, ...mac, ...address })), ...halves]
    return all.filter((sender) => !known(sender.mac, sender.source))
  })
}

function macOf(policy: Policy, arrival: Arrival): { readonly mac?: MacAddress } {
  return arrival.ethernet ? { mac: strangeMac(policy) } : {}
}

/** A MAC address that the policy does not name, from the documentation range 00-00-5E-00-53 (RFC 9542). */
export function strangeMac(policy: Policy): MacAddress {
  return strangers(policy).mac
}

interface Strangers {
  readonly mac: MacAddress
  readonly addresses: readonly StrangeAddress[]
}

interface StrangeAddress {
  readonly family: Family
  readonly source: IpAddress
}

/** Asked once for each device, found once for each policy. */
const found = new WeakMap<Policy, Strangers>()

function strangers(policy: Policy): Strangers {
  const known = found.get(policy)
  if (known !== undefined) return known
  const fresh = { mac: findStrangeMac(policy), addresses: findStrangeAddresses(policy) }
  found.set(policy, fresh)
  return fresh
}

function findStrangeMac(policy: Policy): MacAddress {
  const named = new Set(
    policy.devices.flatMap((device) =>
      device.identities.flatMap((identity) => (identity.kind === 'address' ? [] : [identity.mac])),
    ),
  )
  let value = 0x00005e005301
  while (named.has(macFromNumber(value))) value++
  return macFromNumber(value)
}

/** Networks to take a stranger's address from: for documentation first (RFC 5737, RFC 3849), then public ones. */
const STRANGE_NETWORKS = ['198.51.100.0/24', '203.0.113.0/24', '192.0.2.0/24', '2001:db8::/32', '3fff::/20']
const LAST_RESORTS = ['0.0.0.0/0', '::/0']

/** For each family one address that is no device's; none where a device has them all. */
function strangeAddresses(policy: Policy): readonly StrangeAddress[] {
  return strangers(policy).addresses
}

function findStrangeAddresses(policy: Policy): readonly StrangeAddress[] {
  const cidrs = policy.devices.flatMap((device) =>
    device.identities.flatMap((identity) => (identity.kind === 'mac' ? [] : [identity.cidr])),
  )
  const networks = [...STRANGE_NETWORKS, ...LAST_RESORTS].flatMap((text) => {
    const cidr = parseCidr(text)
    return cidr.ok ? [cidr.value] : []
  })
  const families: readonly Family[] = ['ip', 'ip6']
  return families.flatMap((family) => {
    const taken = cidrs.filter((cidr) => cidr.family === family)
    for (const network of networks.filter((candidate) => candidate.family === family)) {
      const source = firstFree(network, taken)
      if (source !== undefined) return [{ family, source }]
    }
    return []
  })
}

/** The first address of the network, from its 66th, that lies in none of the others: jumps over each in turn. */
function firstFree(network: Cidr, taken: readonly Cidr[]): IpAddress | undefined {
  const ranges = taken.map(cidrRange).sort((a, b) => (a.low < b.low ? -1 : 1))
  const { low, high } = cidrRange(network)
  let candidate = low + 66n
  for (const range of ranges) {
    if (range.low <= candidate && candidate <= range.high) candidate = range.high + 1n
  }
  return candidate <= high ? ipFromNumber(network.family, candidate) : undefined
}

function firstAddress(cidr: Cidr): { readonly family: Family; readonly source: IpAddress } {
  const { low, high } = cidrRange(cidr)
  return { family: cidr.family, source: ipFromNumber(cidr.family, low === high ? low : low + 1n) }
}

/** Requests that between them show whether a target is reached: the ends of each range of ports, ping, protocols. */
export function requestsFor(target: Target, policy: Policy): readonly Request[] {
  if (target.kind === 'service') return target.service.parts.flatMap(partRequests)
  const known = policy.grants.flatMap((grant) =>
    grant.to.flatMap((other) => (other.kind === 'service' ? other.service.parts.flatMap(partRequests) : [])),
  )
  const plain = [portRequest('tcp', 1), portRequest('udp', 65535), portRequest('sctp', 4000)]
  const all = [...known, { kind: 'ping' } as const, { kind: 'protocol', protocol: 'esp' } as const]
    .flatMap((item) => ('kind' in item ? partRequests(item) : [item]))
    .concat(plain)
  return [...new Map(all.map((request) => [request.words, request])).values()]
}

function partRequests(part: ServicePart): readonly Request[] {
  switch (part.kind) {
    case 'ports':
      return [...new Set([part.from, part.to])].map((port) => portRequest(part.protocol, port))
    case 'protocol':
      return [{ protocol: PROTOCOL_NUMBER[part.protocol], words: part.protocol }]
    case 'ping':
      return [{ protocol: PROTOCOL_NUMBER.icmp, words: 'ping' }]
    default:
      return part satisfies never
  }
}

export function portRequest(protocol: 'tcp' | 'udp' | 'sctp', port: number): Request {
  const flags = protocol === 'tcp' ? { tcpFlags: TCP_FLAGS.syn } : {}
  return {
    protocol: PROTOCOL_NUMBER[protocol],
    sourcePort: 40000,
    destinationPort: port,
    ...flags,
    words: `${port}/${protocol}`,
  }
}

/** The first packet of a connection that this sender dials to this host. */
export function specimen(sender: Sender, request: Request, on: Arrival | undefined, time: number): Packet {
  const { words, ...fields } = request
  const own = on?.addresses.find((entry) => entry.address.includes(':') === (sender.family === 'ip6'))
  const destination =
    own?.address ?? ipFromNumber(sender.family, sender.family === 'ip' ? 0xc0000201n : ANY_6)
  const ping =
    words === 'ping'
      ? {
          protocol: sender.family === 'ip' ? PROTOCOL_NUMBER.icmp : PROTOCOL_NUMBER.icmpv6,
          messageType: ECHO_REQUEST[sender.family],
        }
      : {}
  return {
    hook: 'input',
    ...sender,
    ...fields,
    ...ping,
    destination,
    hopLimit: 64,
    tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
    time,
  }
}

/** 2001:db8::1, an address for documentation (RFC 3849). */
const ANY_6 = 0x20010db8000000000000000000000001n

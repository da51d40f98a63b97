import type { HostFacts } from '../host/host-facts.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrContains, cidrRange } from '../net/cidr.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { familyOf, ipFromNumber, ipToNumber, widthOf } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import { macFromNumber } from '../net/mac-address.ts'
import type { Policy } from '../policy/policy.ts'

/** Hands out addresses to the lab's machines, each once, and knows which belong to whom. */
export interface AddressBook {
  /** An address of the network that is nobody's: no device's, not the host's, no gateway's, no neighbour's. */
  free(network: Cidr): IpAddress | undefined
  /** An address of the network that no machine of the lab has: for the device that the network belongs to. */
  own(network: Cidr): IpAddress | undefined
  /** Any address of the network, or else of anywhere, that is free in the lab: for want of one that is nobody's. */
  any(network: Cidr): IpAddress | undefined
  /** An address that is nobody's and on no link of the host: somewhere on the Internet. */
  faraway(family: Family): IpAddress | undefined
  /** A MAC address that no device, neighbour or interface has. */
  spareMac(): MacAddress
}

/** Documentation networks (RFC 5737, RFC 3849): nobody real is ever spoken for. */
const FARAWAY: Record<Family, readonly Cidr[]> = {
  ip: ['198.51.100.0', '203.0.113.0', '192.0.2.0'].map((address) => ({
    family: 'ip',
    address: address as IpAddress,
    prefix: 24,
  })),
  ip6: [{ family: 'ip6', address: '2001:db8:ad31::' as IpAddress, prefix: 64 }],
}

/** Benchmarking networks (RFC 2544, RFC 5180), where even the documentation's are somebody's. */
const BENCHMARKS: Record<Family, Cidr> = {
  ip: { family: 'ip', address: '198.18.0.0' as IpAddress, prefix: 15 },
  ip6: { family: 'ip6', address: '2001:2::' as IpAddress, prefix: 48 },
}

/** How many addresses of a network are looked at before it counts as full. */
const TRIES = 4096

export function addressBook(policy: Policy, facts: HostFacts): AddressBook {
  const identities = policy.devices.flatMap((device) => device.identities)
  const claimed = identities.flatMap((identity) => (identity.kind === 'mac' ? [] : [identity.cidr]))
  const taken = new Set<string>([
    ...facts.interfaces.flatMap((link) => link.addresses.map((one) => one.address)),
    ...facts.gateways.map((gateway) => gateway.address),
  ])
  const neighbours = new Set<string>(facts.neighbours.map((neighbour) => neighbour.address))
  const links = facts.interfaces
    .flatMap((link) => link.addresses)
    .filter((one) => one.scope === 'global' && one.prefix < widthOf(familyOf(one.address)))
    .map((one) => networkOf(one.address, one.prefix))
  const macs = new Set<string>([
    ...identities.flatMap((identity) => (identity.kind === 'address' ? [] : [identity.mac])),
    ...facts.interfaces.flatMap((link) => link.mac ?? []),
    ...facts.gateways.flatMap((gateway) => gateway.mac ?? []),
    ...facts.neighbours.map((neighbour) => neighbour.mac),
  ])
  const isNobodys = (address: IpAddress): boolean =>
    !neighbours.has(address) && !claimed.some((cidr) => cidrContains(cidr, address))
  const take = (network: Cidr, fits: (address: IpAddress) => boolean): IpAddress | undefined => {
    for (const address of hostAddresses(network)) {
      if (taken.has(address) || !fits(address)) continue
      taken.add(address)
      return address
    }
    return undefined
  }
  const offLink = (address: IpAddress): boolean =>
    isNobodys(address) && !links.some((link) => cidrContains(link, address))
  let nextMac = 0x02ad_1700_0001
  return {
    free: (network) => take(network, isNobodys),
    any: (network) =>
      take(network, (address) => !neighbours.has(address)) ?? take(BENCHMARKS[network.family], () => true),
    own: (network) => {
      // A wide identity keeps clear of addresses that another one names more closely.
      const holders = (address: IpAddress) => claimed.filter((cidr) => cidrContains(cidr, address)).length
      return take(network, (address) => holders(address) <= 1) ?? take(network, () => true)
    },
    faraway: (family) => {
      for (const network of [...FARAWAY[family], BENCHMARKS[family]]) {
        const address = take(network, offLink)
        if (address !== undefined) return address
      }
      return undefined
    },
    spareMac: () => {
      while (macs.has(macFromNumber(nextMac))) nextMac++
      return macFromNumber(nextMac++)
    },
  }
}

/** The network that an interface's address lies in. */
export function networkOf(address: IpAddress, prefix: number): Cidr {
  const family = familyOf(address)
  const hostBits = BigInt(widthOf(family) - prefix)
  return { family, address: ipFromNumber(family, (ipToNumber(address) >> hostBits) << hostBits), prefix }
}

/** The first addresses of a network that a machine may have: without the network's own and the broadcast address. */
function* hostAddresses(network: Cidr): Generator<IpAddress> {
  const { low, high } = cidrRange(network)
  const hostBits = widthOf(network.family) - network.prefix
  const first = hostBits < 2 ? low : low + 1n
  const last = hostBits < 2 || network.family === 'ip6' ? high : high - 1n
  for (let value = first; value <= last && value < first + BigInt(TRIES); value++) {
    yield ipFromNumber(network.family, value)
  }
}

import type { HostFacts } from '../host/host-facts.ts'
import { cidrRange } from '../net/cidr.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { familyOf, ipToNumber, widthOf } from '../net/ip-address.ts'
import { parseLiteralCidr } from '../ruleset/build.ts'
import type { Interval } from '../ruleset/ruleset.ts'

/** Addresses from `low` to `high`, both inclusive. */
export interface Range {
  readonly low: bigint
  readonly high: bigint
}

/** Every address of the family. */
export function wholeSpace(family: Family): Range {
  return { low: 0n, high: (1n << BigInt(widthOf(family))) - 1n }
}

/** Sources that this kernel drops itself (ip_route_input_slow, ipv6_rcv): "this network", loopback, multicast, broadcast, v4-mapped. */
const NEVER: Readonly<Record<Family, readonly Range[]>> = {
  ip: rangesOf('0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/4', '255.255.255.255'),
  ip6: [
    ...rangesOf('::/128', '::1/128', 'ff00::/8'),
    // ::ffff:0:0/96, which has no text of its own here: admit writes such an address as the IPv4 one.
    { low: 0xffff_0000_0000n, high: 0xffff_ffff_ffffn },
  ],
}

function rangesOf(...texts: readonly string[]): readonly Range[] {
  return texts.map((text) => cidrRange(parseLiteralCidr(text)))
}

/**
 * Of these ranges the addresses that a packet from elsewhere can have as its source: not this host's own, and of the
 * networks of its interfaces neither the first nor the broadcast address. Sorted, apart, in the family's scalars.
 */
export function sources(family: Family, ranges: readonly Range[], facts: HostFacts): readonly Interval[] {
  const own = facts.interfaces.flatMap((link) => link.addresses)
  const taken: Range[] = [...NEVER[family]]
  for (const { address, prefix } of own) {
    if (familyOf(address) !== family) continue
    taken.push(single(address))
    if (family !== 'ip' || prefix > 30) continue
    const { low, high } = network(address, prefix)
    taken.push({ low, high: low }, { low: high, high })
  }
  return without(ranges, taken).map((range) => scalars(family, range))
}

/** The addresses as a domain: each alone. */
export function points(family: Family, addresses: readonly IpAddress[]): readonly Interval[] {
  return joined(addresses.filter((address) => familyOf(address) === family).map(single)).flatMap(
    ({ low, high }) => {
      const each: Interval[] = []
      for (let value = low; value <= high; value++) each.push(scalars(family, { low: value, high: value }))
      return each
    },
  )
}

export function single(address: IpAddress): Range {
  const value = ipToNumber(address)
  return { low: value, high: value }
}

/** The network that an interface's address with its prefix lies in. */
export function network(address: IpAddress, prefix: number): Range {
  const shift = BigInt(widthOf(familyOf(address)) - prefix)
  const low = (ipToNumber(address) >> shift) << shift
  return { low, high: low + (1n << shift) - 1n }
}

function scalars(family: Family, { low, high }: Range): Interval {
  return family === 'ip' ? { low: Number(low), high: Number(high) } : { low, high }
}

function without(ranges: readonly Range[], taken: readonly Range[]): readonly Range[] {
  const holes = joined(taken)
  return joined(ranges).flatMap((range) => {
    const left: Range[] = []
    let { low } = range
    for (const hole of holes) {
      if (hole.high < low || hole.low > range.high) continue
      if (hole.low > low) left.push({ low, high: hole.low - 1n })
      low = hole.high + 1n
    }
    if (low <= range.high) left.push({ low, high: range.high })
    return left
  })
}

function joined(ranges: readonly Range[]): readonly Range[] {
  const sorted = ranges.toSorted((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  const result: Range[] = []
  for (const range of sorted) {
    const last = result.at(-1)
    if (last === undefined || range.low > last.high + 1n) result.push(range)
    else if (range.high > last.high) result[result.length - 1] = { low: last.low, high: range.high }
  }
  return result
}

import { cidrContains, cidrRange } from '../net/cidr.ts'
import type { Cidr } from '../net/cidr.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { familyOf, ipToNumber } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Policy } from './policy.ts'

/** Is a sender with this MAC (if any) and address some device of the policy, expired or not? */
export type Recogniser = (mac: MacAddress | undefined, source: IpAddress) => boolean

/** An index over all identities, for policies of many devices; `recognises` in meaning.ts is the plain definition. */
export function recogniser(policy: Policy): Recogniser {
  const macs = new Set<MacAddress>()
  const bound = new Map<MacAddress, Cidr[]>()
  const cidrs: Cidr[] = []
  for (const identity of policy.devices.flatMap((device) => device.identities)) {
    if (identity.kind === 'mac') macs.add(identity.mac)
    else if (identity.kind === 'address') cidrs.push(identity.cidr)
    else bound.set(identity.mac, [...(bound.get(identity.mac) ?? []), identity.cidr])
  }
  const covered: Readonly<Record<Family, (value: bigint) => boolean>> = {
    ip: coverage(cidrs.filter((cidr) => cidr.family === 'ip')),
    ip6: coverage(cidrs.filter((cidr) => cidr.family === 'ip6')),
  }
  return (mac, source) => {
    if (covered[familyOf(source)](ipToNumber(source))) return true
    if (mac === undefined) return false
    return macs.has(mac) || (bound.get(mac)?.some((cidr) => cidrContains(cidr, source)) ?? false)
  }
}

/** Networks are nested or apart, so the furthest end among those that begin before a value decides. */
function coverage(cidrs: readonly Cidr[]): (value: bigint) => boolean {
  const ranges = cidrs.map(cidrRange).sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  let furthest = -1n
  const ends = ranges.map((range) => {
    furthest = range.high > furthest ? range.high : furthest
    return furthest
  })
  return (value) => {
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ranges[middle]?.low ?? 0n) <= value) low = middle + 1
      else high = middle
    }
    return (ends[low - 1] ?? -1n) >= value
  }
}

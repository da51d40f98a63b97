import type { Cidr } from '../../src/net/cidr.ts'
import { cidrRange } from '../../src/net/cidr.ts'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { ipFromNumber, widthOf } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { macFromNumber } from '../../src/net/mac-address.ts'
import type { Device, Grant, Identity, Policy } from '../../src/policy/policy.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import { cidrOf } from './host-plan.ts'
import { addressInside } from './law-policies.ts'
import type { Random } from './random.ts'
import type { Sketch } from './packet-sketch.ts'

/** A device that the grant is from; for anyone, any or none. */
export function granted(random: Random, policy: Policy, grant: Grant): Device | undefined {
  if (grant.from.kind === 'anyone')
    return random.chance(0.5) ? undefined : random.pick([...policy.devices, undefined])
  const { devices } = grant.from
  const name = random.pick(devices)
  return policy.devices.find((device) => device.name === name)
}

/** The family that can show the identity, and reach what the grant is about. */
export function familyFor(random: Random, identity: Identity | undefined, grant: Grant): Family {
  if (identity !== undefined && identity.kind !== 'mac') return identity.cidr.family
  const through = grant.through?.map((entry) => entry.value.family)
  return random.pick(through ?? ['ip', 'ip6'])
}

/** An interface that the grant is about, and on which the identity can be seen, if there is one. */
export function arrivalFor(
  random: Random,
  plan: HostPlan,
  grant: Grant,
  identity: Identity | undefined,
): PlannedInterface {
  const named = plan.interfaces.filter(
    (planned) => grant.on?.some((entry) => entry.value === planned.name) ?? true,
  )
  const shows = named.filter(
    (planned) => identity === undefined || identity.kind === 'address' || planned.mac !== undefined,
  )
  const choices = shows.length > 0 ? shows : named
  return random.pick(choices.length > 0 ? choices : plan.interfaces)
}

/** A destination in the networks behind the host that the grant names. */
export function throughDestination(random: Random, grant: Grant, family: Family): IpAddress | undefined {
  const cidrs = grant.through?.map((entry) => entry.value).filter((cidr) => cidr.family === family)
  if (cidrs === undefined || cidrs.length === 0) return undefined
  return ipFromNumber(family, addressInside(random, random.pick(cidrs)))
}

/** An address of the host, or one that it forwards to. */
export function destinationFor(random: Random, plan: HostPlan, { hook, arrives, family }: Sketch): IpAddress {
  if (hook === 'forward') {
    const behind = plan.interfaces.flatMap((planned) => planned.behind)
    return ipFromNumber(
      family,
      addressInside(random, random.pick(behind.filter((cidr) => cidr.family === family))),
    )
  }
  const here = arrives === 'lo' ? random.pick(plan.interfaces) : arrives
  const other = random.pick(plan.interfaces)
  if (family === 'ip') return random.pick([here.address, here.address, other.address])
  return random.pick([
    here.address6,
    here.address6,
    other.address6,
    arrives === 'lo' ? here.address6 : here.linkLocal,
  ])
}

/** A MAC address that no device has. */
export function strangeMac(random: Random): MacAddress {
  return macFromNumber(0x02_5e_00_00_00_00 + random.below(0x7fffffff))
}

export const OUTSIDE: Readonly<Record<Family, Cidr>> = {
  ip: cidrOf('198.18.0.0/15'),
  ip6: cidrOf('2001:db8:200::/48'),
}

const STRANGE: Readonly<Record<Family, readonly Cidr[]>> = {
  ip: ['10.200.0.0/16', '192.0.2.0/24', '100.64.0.0/10', '8.0.0.0/8'].map(cidrOf),
  ip6: ['2001:db8:5000::/36', '2a00::/16', 'fd00::/8', '2001:db8:77::/48'].map(cidrOf),
}

/** An address outside the networks of the host. */
export function strangeAddress(random: Random, family: Family): IpAddress {
  return ipFromNumber(family, addressInside(random, random.pick(STRANGE[family])))
}

/** The neighbours of a network's ends, or one with a bit flipped. */
export function beside(random: Random, cidr: Cidr): IpAddress {
  const { low, high } = cidrRange(cidr)
  const top = (1n << BigInt(widthOf(cidr.family))) - 1n
  const bit = 1n << BigInt(widthOf(cidr.family) - Math.max(1, cidr.prefix))
  const value = random.pick([low > 0n ? low - 1n : low, high < top ? high + 1n : high, low ^ bit])
  return ipFromNumber(cidr.family, value)
}

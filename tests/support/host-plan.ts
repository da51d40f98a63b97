import type { HostFacts, InterfaceAddress, NetworkInterface } from '../../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../../src/host/host-facts.ts'
import type { Cidr } from '../../src/net/cidr.ts'
import { cidrContains, parseCidr } from '../../src/net/cidr.ts'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import { parseInterfaceName } from '../../src/net/interface-name.ts'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { familyOf, parseIpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'

/** An interface of the host under test. A `bridge` has two ports, each a veth pair's end. */
export interface PlannedInterface {
  readonly name: InterfaceName
  readonly kind: 'veth' | 'bridge' | 'tun'
  readonly mac?: MacAddress
  readonly ports: readonly InterfaceName[]
  readonly address: IpAddress
  readonly address6: IpAddress
  readonly linkLocal: IpAddress
  /** Networks that are routed out of it, besides its own. */
  readonly behind: readonly Cidr[]
}

export interface HostPlan {
  readonly interfaces: readonly PlannedInterface[]
  readonly facts: HostFacts
}

/** A port of the bridge whose far side has a machine of this MAC, so that frames cross the bridge. */
export const BRIDGED_MAC = macOf('02:aa:00:00:00:99')
/** The next hop on each interface; it never answers. */
export const NEXT_HOP_MAC = macOf('02:aa:00:00:00:fe')

export const DEFAULT_NAMES = ['eth0', 'eth1', 'br0', 'tun0'] as const

/**
 * A host with two Ethernet interfaces, a bridge and (unless left out) a tun, by these names. The first carries the default route; every
 * interface has a /24 and a /64 of its own and a network behind it, so forwarding leads everywhere.
 */
export function planHost(names: readonly string[] = DEFAULT_NAMES, tun = true): HostPlan {
  const kinds = [...(['veth', 'veth', 'bridge'] as const), ...(tun ? (['tun'] as const) : [])]
  const interfaces = kinds.map((kind, index): PlannedInterface => {
    const name = interfaceOf(names[index] ?? `net${index}`)
    const octets = `10.${index}.0`
    return {
      name,
      kind,
      ...(kind === 'tun' ? {} : { mac: macOf(`02:00:00:00:0${index}:01`) }),
      ports: kind === 'bridge' ? [interfaceOf('port0'), interfaceOf('port1')] : [],
      address: ipOf(`${octets}.1`),
      address6: ipOf(`2001:db8:${index}::1`),
      linkLocal: ipOf(`fe80::${index + 1}:1`),
      behind: [cidrOf(`10.10${index}.0.0/16`), cidrOf(`2001:db8:10${index}::/48`)],
    }
  })
  return { interfaces, facts: factsOf(interfaces) }
}

/** The interface that the host's routes choose for a destination that is not its own. */
export function routeOf(plan: HostPlan, destination: IpAddress): InterfaceName {
  const inside = (planned: PlannedInterface): boolean =>
    [...planned.behind, ...ownNetworks(planned)].some((cidr) => cidrContains(cidr, destination))
  const chosen = plan.interfaces.find(inside) ?? plan.interfaces[0]
  if (chosen === undefined) throw new Error('a host without interfaces')
  return chosen.name
}

export function ownNetworks(planned: PlannedInterface): readonly Cidr[] {
  return [cidrOf(planned.address.replace(/\d+$/, '0/24')), cidrOf(`${planned.address6.replace(/1$/, '')}/64`)]
}

export function ownAddresses(plan: HostPlan, family: Family): readonly IpAddress[] {
  return plan.interfaces.map((planned) => (family === 'ip' ? planned.address : planned.address6))
}

function factsOf(interfaces: readonly PlannedInterface[]): HostFacts {
  const listed = interfaces.map((planned): NetworkInterface => {
    const addresses: readonly InterfaceAddress[] = [
      { address: planned.address, prefix: 24, scope: 'global' },
      { address: planned.address6, prefix: 64, scope: 'global' },
      { address: planned.linkLocal, prefix: 64, scope: 'link' },
    ]
    const { name, kind, mac } = planned
    return { name, kind, ethernet: mac !== undefined, ...(mac ? { mac } : {}), addresses, up: true }
  })
  const ports = interfaces.flatMap((planned) =>
    planned.ports.map(
      (name): NetworkInterface => ({
        name,
        kind: 'veth',
        ethernet: true,
        addresses: [],
        up: true,
        master: { name: planned.name, kind: 'bridge' },
      }),
    ),
  )
  const lo: NetworkInterface = {
    name: interfaceOf('lo'),
    kind: 'loopback',
    ethernet: false,
    addresses: [
      { address: ipOf('127.0.0.1'), prefix: 8, scope: 'host' },
      { address: ipOf('::1'), prefix: 128, scope: 'host' },
    ],
    up: true,
  }
  return {
    ...UNKNOWN_HOST,
    interfaces: [lo, ...listed, ...ports],
    forwarding: { ip: true, ip6: true },
    bridgeNetfilter: { ip: true, ip6: true },
  }
}

export function ipOf(text: string): IpAddress {
  return value(parseIpAddress(text), text)
}

export function cidrOf(text: string): Cidr {
  return value(parseCidr(text), text)
}

export function macOf(text: string): MacAddress {
  return value(parseMacAddress(text), text)
}

export function interfaceOf(text: string): InterfaceName {
  return value(parseInterfaceName(text), text)
}

function value<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string },
  text: string,
): T {
  if (!result.ok) throw new Error(`${text}: ${result.error}`)
  return result.value
}

export function isOwnAddress(plan: HostPlan, address: IpAddress): boolean {
  return (
    plan.interfaces.some((planned) =>
      [planned.address, planned.address6, planned.linkLocal].includes(address),
    ) || ownAddresses(plan, familyOf(address)).includes(address)
  )
}

import type { InterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { familyOf, widthOf } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { LabAddress, LabCaller, LabInterface, LabLink, LabMachine, LabRoute } from './lab-plan.ts'

export const FAMILIES: readonly Family[] = ['ip', 'ip6']

/** Someone in a place: a caller with the means to call. One machine has one for each of its interfaces. */
export interface Stand {
  readonly caller: LabCaller
  readonly machine: string
  /** The MAC that the host sees; absent where the link has none. */
  readonly mac?: MacAddress
  /** Its packets pass a router. */
  readonly behind: boolean
  /** It calls a machine on another link of the host. */
  readonly through?: { readonly link: InterfaceName; readonly machine: string }
  readonly ways: readonly Way[]
}

/** How a caller reaches the host, or whom it calls through it, in one family. */
export interface Way {
  readonly family: Family
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly zone?: string
}

/** What planning machines adds up to. */
export interface Crowd {
  readonly machines: readonly LabMachine[]
  readonly stands: readonly Stand[]
  readonly hostRoutes: readonly LabRoute[]
  readonly notes: readonly string[]
}

export const NOBODY: Crowd = { machines: [], stands: [], hostRoutes: [], notes: [] }

export function together(crowds: readonly Crowd[]): Crowd {
  return {
    machines: crowds.flatMap((crowd) => crowd.machines),
    stands: crowds.flatMap((crowd) => crowd.stands),
    hostRoutes: crowds.flatMap((crowd) => crowd.hostRoutes),
    notes: crowds.flatMap((crowd) => crowd.notes),
  }
}

/** The address that callers on this link dial: the first that is not link-local, else a link-local one of IPv6. */
export function dialled(link: Pick<LabLink, 'addresses'>, family: Family): LabAddress | undefined {
  const ours = link.addresses.filter((one) => familyOf(one.address) === family)
  return ours.find((one) => !isLinkLocal(one.address)) ?? ours[0]
}

/** The host's address that a caller with this address can talk to: from a link-local one only to another. */
export function dialledFrom(link: Pick<LabLink, 'addresses'>, source: IpAddress): LabAddress | undefined {
  return link.addresses.find(
    (one) => familyOf(one.address) === familyOf(source) && isLinkLocal(one.address) === isLinkLocal(source),
  )
}

/** fe80::/10, which is only ever one wire far and needs a zone to be dialled. */
export function isLinkLocal(address: IpAddress): boolean {
  return /^fe[89ab]/.test(address)
}

/** A single address as a route's destination or an interface's address. */
export function alone(address: IpAddress): LabAddress {
  return { address, prefix: widthOf(familyOf(address)) }
}

/** One interface of a machine on a link, what the machine and the host must know to talk, and the ways that opens. */
export interface Plug {
  readonly interface: LabInterface
  readonly routes: readonly LabRoute[]
  readonly hostRoutes: readonly LabRoute[]
  readonly ways: readonly Way[]
}

/**
 * Plugs a machine into a link with the given addresses. The machine knows the way to the host alone; the host is
 * told the way to each, since an address may be on none of its networks, or on those of two links.
 */
export function plugInto(link: LabLink, mac: MacAddress | undefined, addresses: readonly IpAddress[]): Plug {
  const name: string = link.name
  const ways = addresses.flatMap((source): readonly Way[] => {
    const host = dialledFrom(link, source)
    if (host === undefined) return []
    const zone = isLinkLocal(host.address) ? { zone: name } : {}
    return [{ family: familyOf(source), source, destination: host.address, ...zone }]
  })
  return {
    interface: {
      name,
      plug: { kind: 'link', link: link.name },
      ...(mac !== undefined && link.kind !== 'tun' && { mac }),
      addresses: addresses.map((address) =>
        isLinkLocal(address) ? { address, prefix: 64 } : alone(address),
      ),
    },
    routes: ways.filter(zoneless).map((way) => onWire(way.destination, name)),
    hostRoutes: ways.filter(zoneless).map((way) => onWire(way.source, name)),
    ways,
  }
}

export function onWire(address: IpAddress, name: string): LabRoute {
  return { destination: alone(address), family: familyOf(address), interface: name }
}

function zoneless(way: Way): boolean {
  return way.zone === undefined
}

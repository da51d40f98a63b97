import type { Gateway, HostFacts } from '../host/host-facts.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf, widthOf } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Policy } from '../policy/policy.ts'
import type { AddressBook } from './address-book.ts'
import { networkOf } from './address-book.ts'
import type { LabInterface, LabLink, LabMachine, LabRoute } from './lab-plan.ts'
import type { Crowd, Stand } from './stands.ts'
import { alone, dialled, FAMILIES, isLinkLocal, NOBODY, onWire, plugInto, together } from './stands.ts'

/** A router of a link: the gateways that share a MAC, as one machine. */
export interface Router {
  readonly id: string
  readonly link: LabLink
  readonly mac?: MacAddress
  readonly gateways: readonly IpAddress[]
  readonly crowd: Crowd
}

/** The next hop of whoever is behind a router (RFC 7600's dummy address: nobody has it). */
const INNER = { ip: '192.0.0.8' as IpAddress, ip6: 'fe80::8' as IpAddress }

export function planRouters(
  policy: Policy,
  facts: HostFacts,
  links: readonly LabLink[],
  book: AddressBook,
): readonly Router[] {
  const groups: { link: LabLink; mac?: MacAddress; gateways: Gateway[] }[] = []
  for (const gateway of facts.gateways) {
    const link = links.find((one) => one.name === gateway.interface)
    if (link === undefined) continue
    const mac = link.kind === 'tun' ? undefined : gateway.mac
    const known = groups.find(
      (one) => one.link === link && (one.mac === mac || one.mac === undefined || mac === undefined),
    )
    if (known === undefined) groups.push({ link, ...(mac !== undefined && { mac }), gateways: [gateway] })
    else {
      known.gateways.push(gateway)
      if (known.mac === undefined && mac !== undefined) known.mac = mac
    }
  }
  return groups.map((group, index) => planRouter(policy, `router${index}`, group, book))
}

function planRouter(
  policy: Policy,
  id: string,
  group: { readonly link: LabLink; readonly mac?: MacAddress; readonly gateways: readonly Gateway[] },
  book: AddressBook,
): Router {
  const { link } = group
  const seen = group.mac !== undefined || link.kind === 'tun'
  const mac = link.kind === 'tun' ? undefined : (group.mac ?? book.spareMac())
  const gateways = [...new Set(group.gateways.map((gateway) => gateway.address))]
  const plug = plugInto(link, mac, [...gateways, ...globalBesideLinkLocal(link, gateways, book)])
  const owner = policy.devices.find((device) =>
    device.identities.some((one) => one.kind === 'mac' && one.mac === mac),
  )
  const shown = gateways.join(', ')
  const self: Stand = {
    caller: {
      id,
      role: 'router',
      title: owner === undefined ? 'the router' : `${owner.name}, the router`,
      looks: mac ?? shown,
      on: link.name,
    },
    machine: id,
    ...(mac !== undefined && { mac }),
    behind: false,
    ways: plug.ways,
  }
  const machine: LabMachine = { id, interfaces: [plug.interface], routes: plug.routes, forwards: true }
  const notes = seen
    ? []
    : [`the MAC of the gateway ${shown} on ${link.name} is not known; the lab made one up`]
  const defaults = gateways.map(
    (via): LabRoute => ({ destination: 'default', family: familyOf(via), via, interface: link.name }),
  )
  const crowd: Crowd = {
    machines: [machine],
    stands: [self],
    // A gateway may be on none of the host's networks (a /32 address): then the way to it is said first.
    hostRoutes: [...plug.hostRoutes, ...defaults],
    notes,
  }
  const router = { id, link, ...(mac !== undefined && { mac }), gateways }
  return { ...router, crowd: together([crowd, someoneBehind({ ...router, crowd }, book)]) }
}

/** A router that is only known as fe80::1 still needs an address to pass packets on to the host's global one. */
function globalBesideLinkLocal(
  link: LabLink,
  gateways: readonly IpAddress[],
  book: AddressBook,
): readonly IpAddress[] {
  const host = dialled(link, 'ip6')
  if (host === undefined || isLinkLocal(host.address)) return []
  if (!gateways.some(isLinkLocal) || gateways.some((one) => familyOf(one) === 'ip6' && !isLinkLocal(one)))
    return []
  const network = networkOf(host.address, host.prefix)
  return [book.free(network) ?? book.faraway('ip6') ?? book.any(network) ?? []].flat()
}

function someoneBehind(router: Router, book: AddressBook): Crowd {
  const addresses = FAMILIES.flatMap((family) => {
    const host = dialled(router.link, family)
    if (host === undefined || !isBehindReachable(router, family)) return []
    return book.faraway(family) ?? book.any(networkOf(host.address, widthOf(family))) ?? []
  })
  return standBehind(router, `${router.id}-behind`, 'behind the router', addresses, 'behind')
}

/** Packets of this family can come through the router: it has a gateway address, and the host one that is not link-local. */
export function isBehindReachable(router: Router, family: 'ip' | 'ip6'): boolean {
  const host = dialled(router.link, family)
  if (host === undefined || isLinkLocal(host.address)) return false
  return router.gateways.some((gateway) => familyOf(gateway) === family)
}

/** A machine behind the router with these addresses, and what the router and the host must know of it. */
export function standBehind(
  router: Router,
  id: string,
  title: string,
  addresses: readonly IpAddress[],
  role: 'device' | 'behind',
): Crowd {
  if (addresses.length === 0) return NOBODY
  const inside: LabInterface = {
    name: 'lan',
    plug: { kind: 'router', router: router.id },
    addresses: addresses.map(alone),
  }
  const families = FAMILIES.filter((family) => addresses.some((one) => familyOf(one) === family))
  const stand: Stand = {
    caller: {
      id,
      role,
      title,
      looks: addresses[0] ?? '',
      routed: true,
      on: router.link.name,
    },
    machine: id,
    ...(router.mac !== undefined && { mac: router.mac }),
    behind: true,
    ways: addresses.flatMap((source) => {
      const host = dialled(router.link, familyOf(source))
      return host === undefined ? [] : [{ family: familyOf(source), source, destination: host.address }]
    }),
  }
  return {
    machines: [
      {
        id,
        interfaces: [inside],
        routes: families.map((family) => ({
          destination: 'default',
          family,
          via: INNER[family],
          interface: 'lan',
        })),
        forwards: false,
      },
    ],
    stands: [stand],
    hostRoutes: addresses.flatMap((address) => {
      const via = router.gateways.find((gateway) => familyOf(gateway) === familyOf(address))
      return via === undefined ? [] : [{ ...onWire(address, router.link.name), via }]
    }),
    notes: [],
  }
}

/** The addresses of a router's inner interface, the next hops of those behind it. */
export const INNER_ADDRESSES = [alone(INNER.ip), { address: INNER.ip6, prefix: 64 }] as const

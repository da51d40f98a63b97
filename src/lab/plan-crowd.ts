import type { HostFacts, NetworkInterface } from '../host/host-facts.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrContains, formatCidr } from '../net/cidr.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf, widthOf } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Device, Identity } from '../policy/policy.ts'
import type { AddressBook } from './address-book.ts'
import { networkOf } from './address-book.ts'
import type { LabLink } from './lab-plan.ts'
import type { Router } from './plan-routers.ts'
import { isBehindReachable, standBehind } from './plan-routers.ts'
import type { Crowd, Plug, Stand } from './stands.ts'
import { dialled, FAMILIES, isLinkLocal, NOBODY, plugInto, together } from './stands.ts'

/** Where machines can be put. */
export interface Ground {
  readonly links: readonly LabLink[]
  readonly routers: readonly Router[]
  readonly book: AddressBook
  /** The host's interfaces that the lab does not have. */
  readonly leftOut: readonly NetworkInterface[]
  /** A machine has one way to everyone: whoever is on several links is a machine on each. */
  readonly apart: boolean
}

/** Each identity of a device, wherever a packet that it recognises can come from. */
export function planDevice(device: Device, number: number, ground: Ground): readonly Crowd[] {
  return device.identities.map((identity, index) => {
    const id = `device${number}${device.identities.length > 1 ? `-${index}` : ''}`
    return planIdentity(device, identity, id, ground)
  })
}

function planIdentity(device: Device, identity: Identity, id: string, ground: Ground): Crowd {
  switch (identity.kind) {
    case 'mac':
      return planMac(device, identity.mac, id, ground)
    case 'address':
      return planAddress(device, identity.cidr, id, ground)
    case 'bound':
      return planBound(device, identity, id, ground)
    default:
      return identity satisfies never
  }
}

function planMac(device: Device, mac: MacAddress, id: string, ground: Ground): Crowd {
  // The router already stands in the lab, named after the device that claims it.
  if (ground.routers.some((router) => router.mac === mac)) return NOBODY
  const plugs = ground.links
    .filter((link) => link.kind !== 'tun')
    .map((link) => plugInto(link, mac, someAddresses(link, ground.book)))
  const appear = (plug: Plug): Appearance => ({
    role: 'device',
    title: device.name,
    looks: mac,
    mac,
    ways: plug.ways,
  })
  const crowd = ground.apart
    ? together(plugs.map((plug, index) => standOn(`${id}/${index}`, [plug], appear)))
    : standOn(id, plugs, appear)
  return crowd.stands.length > 0
    ? crowd
    : missing(device, mac, 'the host has no Ethernet link with an address')
}

function planAddress(device: Device, cidr: Cidr, id: string, ground: Ground): Crowd {
  const { links, book } = ground
  const home = homeOf(links, cidr)
  if (home !== undefined) {
    const { link, network } = home
    const router = ground.routers.find((one) => one.gateways.some((address) => isOnly(cidr, address)))
    if (router !== undefined) {
      return note(`${device.name} (${formatCidr(cidr)}) is the router itself: see its rows`)
    }
    const address = book.own(network)
    if (address === undefined) return missing(device, formatCidr(cidr), 'its address is taken in the lab')
    const mac = link.kind === 'tun' ? undefined : book.spareMac()
    return standOn(id, [plugInto(link, mac, [address])], (plug) => ({
      role: 'device',
      title: device.name,
      looks: address,
      ...(mac !== undefined && { mac }),
      ways: plug.ways,
    }))
  }
  const absent = homeOf(ground.leftOut, cidr)?.link
  if (absent !== undefined) return missing(device, formatCidr(cidr), `it is on ${absent.name}`)
  const router = isLinkLocal(cidr.address)
    ? undefined
    : ground.routers.find((one) => isBehindReachable(one, cidr.family))
  if (router === undefined) return missing(device, formatCidr(cidr), 'no link and no gateway leads there')
  const address = book.own(cidr)
  if (address === undefined) return missing(device, formatCidr(cidr), 'its address is taken in the lab')
  return standBehind(router, id, device.name, [address], 'device')
}

function planBound(
  device: Device,
  identity: Extract<Identity, { kind: 'bound' }>,
  id: string,
  ground: Ground,
): Crowd {
  const { mac, cidr } = identity
  const written = `${mac} ${formatCidr(cidr)}`
  const router = ground.routers.find((one) => one.mac === mac)
  const ethernet = ground.links.filter((one) => one.kind !== 'tun' && dialled(one, cidr.family) !== undefined)
  const home = homeOf(ethernet, cidr)
  if (router !== undefined) {
    if (router.gateways.some((gateway) => cidrContains(cidr, gateway))) {
      return note(`${device.name} (${written}) is the router itself: see its rows`)
    }
    const far =
      home === undefined && isBehindReachable(router, cidr.family) ? ground.book.own(cidr) : undefined
    if (far !== undefined) return standBehind(router, id, device.name, [far], 'device')
    return missing(device, written, 'its MAC is a router of this host')
  }
  const link = home?.link ?? ethernet[0]
  if (link === undefined) return missing(device, written, 'no Ethernet link can show it')
  const address = ground.book.own(home?.network ?? cidr)
  if (address === undefined) return missing(device, written, 'its address is taken in the lab')
  return standOn(id, [plugInto(link, mac, [address])], (plug) => ({
    role: 'device',
    title: device.name,
    looks: `${mac} ${address}`,
    mac,
    ways: plug.ways,
  }))
}

/** On every link somebody whom the policy does not know. */
export function planStrangers(ground: Ground): readonly Crowd[] {
  return ground.links.map((link, index) => {
    const mac = link.kind === 'tun' ? undefined : ground.book.spareMac()
    const plug = plugInto(link, mac, someAddresses(link, ground.book))
    const crowd = standOn(`stranger${index}`, [plug], () => ({
      role: 'stranger',
      title: 'stranger',
      looks: mac ?? plug.ways[0]?.source ?? '',
      ...(mac !== undefined && { mac }),
      ways: plug.ways,
    }))
    if (crowd.stands.length > 0) return crowd
    return note(`${link.name} has no address: nobody there can dial this host`)
  })
}

/** The host itself, over lo: none where lo has no address. */
export function planSelf(facts: HostFacts): readonly Stand[] {
  const lo = facts.interfaces.find((one) => one.kind === 'loopback')
  if (lo === undefined) return []
  const own = FAMILIES.flatMap(
    (family) => lo.addresses.find((one) => familyOf(one.address) === family)?.address ?? [],
  )
  return [
    {
      caller: { id: 'host', role: 'self', title: 'this host itself', looks: own[0] ?? '', on: lo.name },
      machine: 'host',
      behind: false,
      ways: own.map((address) => ({ family: familyOf(address), source: address, destination: address })),
    },
  ]
}

/** An address for each family in which the link can be dialled, nobody's where there is one. */
function someAddresses(link: LabLink, book: AddressBook): readonly IpAddress[] {
  return FAMILIES.flatMap((family) => {
    const host = dialled(link, family)
    if (host === undefined) return []
    const network = networkOf(host.address, isLinkLocal(host.address) ? 64 : host.prefix)
    if (isLinkLocal(host.address)) return book.free(network) ?? []
    return book.free(network) ?? book.faraway(family) ?? book.any(network) ?? []
  })
}

/** The link on which an identity's network is, by the host's longest prefix as routing has it, and the part that is there. */
export function homeOf<T extends Pick<LabLink, 'addresses'>>(
  links: readonly T[],
  cidr: Cidr,
): { readonly link: T; readonly network: Cidr } | undefined {
  const homes = links.flatMap((link) => networksOn(link, cidr).map((one) => ({ link, ...one })))
  return homes.toSorted((a, b) => b.prefix - a.prefix)[0]
}

function networksOn(
  link: Pick<LabLink, 'addresses'>,
  cidr: Cidr,
): readonly { readonly network: Cidr; readonly prefix: number }[] {
  return link.addresses.flatMap((one) => {
    // A network of one address has the host itself in it and nobody else.
    if (familyOf(one.address) !== cidr.family || one.prefix === widthOf(cidr.family)) return []
    const network = networkOf(one.address, one.prefix)
    const { prefix } = network
    if (cidr.prefix >= prefix) return cidrContains(network, cidr.address) ? [{ network: cidr, prefix }] : []
    return cidrContains(cidr, network.address) ? [{ network, prefix }] : []
  })
}

function isOnly(cidr: Cidr, address: IpAddress): boolean {
  return cidr.prefix === widthOf(cidr.family) && cidr.address === address
}

type Appearance = Pick<Stand, 'mac' | 'ways'> & Pick<Stand['caller'], 'role' | 'title' | 'looks'>

/** One machine with an interface on each of the plugs' links, and a stand for each that leads to the host. */
function standOn(id: string, plugs: readonly Plug[], appear: (plug: Plug) => Appearance): Crowd {
  const useful = plugs.filter((plug) => plug.ways.length > 0)
  if (useful.length === 0) return NOBODY
  return {
    machines: [
      {
        id,
        interfaces: useful.map((plug) => plug.interface),
        routes: useful.flatMap((plug) => plug.routes),
        forwards: false,
      },
    ],
    stands: useful.flatMap((plug) => {
      if (plug.interface.plug.kind !== 'link') return []
      const { link } = plug.interface.plug
      const { mac, ways, role, title, looks } = appear(plug)
      const caller = { id: `${id}@${link}`, role, title, looks, on: link }
      return [{ caller, machine: id, ...(mac !== undefined && { mac }), behind: false, ways }]
    }),
    hostRoutes: useful.flatMap((plug) => plug.hostRoutes),
    notes: [],
  }
}

function missing(device: Device, identity: string, why: string): Crowd {
  return note(`${device.name} (${identity}) was not tried: ${why}`)
}

function note(text: string): Crowd {
  return { ...NOBODY, notes: [text] }
}

/** The facts' gateways on links that the lab has. */
export function gatewaysLeftOut(facts: HostFacts, routers: readonly Router[]): readonly string[] {
  const planned = new Set(routers.flatMap((router) => router.gateways))
  return facts.gateways
    .filter((gateway) => !planned.has(gateway.address))
    .map(
      (gateway) => `the gateway ${gateway.address} is on ${gateway.interface}, which the lab does not have`,
    )
}

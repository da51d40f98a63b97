import { cidrContains, parseCidr } from '../net/cidr.ts'
import { familyOf, ipToNumber, widthOf } from '../net/ip-address.ts'
import type { Gateway, Neighbour, NetworkInterface } from './host-facts.ts'
import type { NextHop, RoutesReading } from './read-routes.ts'

/**
 * The gateways of this host: the next hops of its routes with their MAC, and whoever answers ARP for the whole
 * world. The second kind exists where a default route names an interface and no next hop (some VPS providers):
 * a neighbour there that no attached network explains is a router, though no route names it.
 */
export function findGateways(
  nextHops: readonly NextHop[],
  routes: Pick<RoutesReading, 'openDefaults' | 'attached'>,
  neighbours: readonly Neighbour[],
  interfaces: readonly NetworkInterface[],
): readonly Gateway[] {
  const macs = new Map(neighbours.map((entry) => [`${entry.interface} ${entry.address}`, entry.mac]))
  const named = nextHops.map((hop): Gateway => {
    const mac = macs.get(`${hop.interface} ${hop.address}`)
    return mac === undefined ? hop : { ...hop, mac }
  })
  const known = new Set(nextHops.map((hop) => `${hop.interface} ${hop.address}`))
  const answering = neighbours.filter(
    (entry) =>
      !known.has(`${entry.interface} ${entry.address}`) && answersForTheWorld(entry, routes, interfaces),
  )
  return [...named, ...answering]
}

function answersForTheWorld(
  entry: Neighbour,
  routes: Pick<RoutesReading, 'openDefaults' | 'attached'>,
  interfaces: readonly NetworkInterface[],
): boolean {
  const family = familyOf(entry.address)
  const open = routes.openDefaults.some(
    (route) => route.interface === entry.interface && route.family === family,
  )
  if (!open) return false
  const linkLocal = family === 'ip6' && /^fe[89ab]/.test(entry.address)
  const ownNetwork = interfaces
    .filter((link) => link.name === entry.interface)
    .some((link) => link.addresses.some((own) => sameNetwork(own.address, own.prefix, entry)))
  const attached = routes.attached.some((route) => {
    const network = parseCidr(route.destination)
    return route.interface === entry.interface && network.ok && cidrContains(network.value, entry.address)
  })
  return !linkLocal && !ownNetwork && !attached
}

function sameNetwork(address: NextHop['address'], prefix: number, entry: Neighbour): boolean {
  const family = familyOf(address)
  if (family !== familyOf(entry.address)) return false
  const shift = BigInt(widthOf(family) - prefix)
  return ipToNumber(address) >> shift === ipToNumber(entry.address) >> shift
}

import type { HostFacts } from '../host/host-facts.ts'
import { formatCidr } from '../net/cidr.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf } from '../net/ip-address.ts'
import type { Policy } from '../policy/policy.ts'
import type { LabLink, LabMachine, LabRoute } from './lab-plan.ts'
import type { Ground } from './plan-crowd.ts'
import { homeOf } from './plan-crowd.ts'
import type { Crowd, Stand } from './stands.ts'
import { dialled, isLinkLocal, NOBODY, plugInto } from './stands.ts'

/** Someone on a link whom others try to reach through the host. */
interface House {
  readonly title: string
  readonly machine: string
  readonly link: LabLink
  readonly addresses: readonly IpAddress[]
}

/** Packets through the host are sent where the policy judges them: with `forward: guard`, on a host that forwards. */
export function sendsThrough(policy: Policy, facts: HostFacts): boolean {
  return policy.host.forward === 'guard' && (facts.forwarding.ip || facts.forwarding.ip6)
}

/**
 * What goes through the host: everyone calls a machine of each network that some grant names with `through`, and the
 * stranger of another link, which stands for everything that no grant names.
 */
export function planThrough(policy: Policy, facts: HostFacts, ground: Ground, crowd: Crowd): Crowd {
  if (!sendsThrough(policy, facts)) return NOBODY
  const { houses, crowd: built } = buildHouses(policy, ground)
  const elsewhere = strangersAsHouses(ground, crowd.stands)
  const stands = crowd.stands.flatMap((stand) => {
    const away = (house: House): boolean => house.link.name !== stand.caller.on
    const other = elsewhere.find(away)
    const targets = [...houses.filter(away), ...(other === undefined ? [] : [other])]
    return targets.flatMap((house) => callThrough(stand, house, facts))
  })
  return { ...built, stands }
}

function buildHouses(
  policy: Policy,
  { links, book }: Ground,
): { readonly houses: readonly House[]; readonly crowd: Crowd } {
  const networks = new Map(
    policy.grants.flatMap((grant) => grant.through ?? []).map(({ value }) => [formatCidr(value), value]),
  )
  const houses: House[] = []
  const machines: LabMachine[] = []
  const hostRoutes: LabRoute[] = []
  const notes: string[] = []
  for (const [written, cidr] of networks) {
    const home = homeOf(links, cidr)
    const address = home === undefined ? undefined : book.own(home.network)
    if (home === undefined || address === undefined) {
      notes.push(`through ${written} is not tried: it is on no link of the lab, or has no free address there`)
      continue
    }
    const machine = `house${houses.length}`
    const plug = plugInto(home.link, home.link.kind === 'tun' ? undefined : book.spareMac(), [address])
    houses.push({ title: `${written} on ${home.link.name}`, machine, link: home.link, addresses: [address] })
    machines.push({ id: machine, interfaces: [plug.interface], routes: plug.routes, forwards: false })
    hostRoutes.push(...plug.hostRoutes)
  }
  return { houses, crowd: { machines, stands: [], hostRoutes, notes } }
}

function strangersAsHouses({ links }: Ground, stands: readonly Stand[]): readonly House[] {
  return links.flatMap((link) => {
    const stand = stands.find((one) => one.caller.role === 'stranger' && one.caller.on === link.name)
    if (stand === undefined) return []
    const addresses = stand.ways.map((way) => way.source).filter((address) => !isLinkLocal(address))
    return [{ title: `someone on ${link.name}`, machine: stand.machine, link, addresses }]
  })
}

/** The same caller, now calling a machine behind the host. */
function callThrough(stand: Stand, house: House, facts: HostFacts): readonly Stand[] {
  const ways = stand.ways.flatMap(({ family, source }) => {
    if (isLinkLocal(source) || !facts.forwarding[family]) return []
    return house.addresses
      .filter((address) => familyOf(address) === family)
      .map((destination) => ({ family, source, destination }))
  })
  if (ways.length === 0) return []
  const { caller } = stand
  return [
    {
      ...stand,
      caller: {
        ...caller,
        id: `${caller.id} ${house.machine}`,
        through: { on: house.link.name, title: house.title },
      },
      through: { link: house.link.name, machine: house.machine },
      ways,
    },
  ]
}

/** Where packets go through the host, it is everyone's way to everyone: routers' too, as their static route. */
export function routedByHost(
  machines: readonly LabMachine[],
  links: readonly LabLink[],
): readonly LabMachine[] {
  return machines.map((machine) => {
    const defaults = machine.interfaces.flatMap((one) => {
      const { plug } = one
      const link = plug.kind === 'link' ? links.find((each) => each.name === plug.link) : undefined
      if (link === undefined) return []
      const families = new Set(one.addresses.map((each) => familyOf(each.address)))
      return [...families].flatMap((family): readonly LabRoute[] => {
        const host = dialled(link, family)
        if (host === undefined || isLinkLocal(host.address)) return []
        return [{ destination: 'default', family, via: host.address, interface: one.name }]
      })
    })
    return { ...machine, routes: [...machine.routes, ...defaults] }
  })
}

import type { InterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Gateway, NetworkInterface } from './host-facts.ts'
import type { LinkKnowledge, RouteAnswer } from './ssh-connections.ts'

/** Somebody whose packets arrive here. */
export interface Peer {
  readonly address: IpAddress
  /** This host's address that they talk to; absent for a peer whose packets are forwarded. */
  readonly own?: IpAddress
  /** The interface that the socket is bound to. */
  readonly zone?: InterfaceName
}

/** How a peer's packets arrive: read from the way back, since no socket tells it. */
export interface Way {
  /** As rules see it: a bridge, bond or VRF where the interface belongs to one. */
  readonly interface: InterfaceName
  readonly gateway?: IpAddress
  /**
   * MAC addresses of which its packets carry one: the neighbour's, or those of the gateways on that link. Empty where none is
   * known; absent where the interface has no Ethernet header.
   */
  readonly macs?: readonly MacAddress[]
}

/** The way of each peer that has one, by `peerKey`. */
export type Ways = ReadonlyMap<string, Way>

export function peerKey({ address, own, zone }: Peer): string {
  return `${address} ${own ?? ''} ${zone ?? ''}`
}

/** The lines for `ip -j -force -batch -` that ask for the way back to each peer. */
export function wayQuestions(peers: readonly Peer[]): readonly string[] {
  const lines = peers.map(({ address, own, zone }) => {
    const from = own === undefined ? '' : ` from ${own}`
    return `route get ${address}${from}${zone === undefined ? '' : ` oif ${zone}`}`
  })
  return [...new Set(lines)]
}

/** The ways, from the answers (read by `readRouteAnswers`); a peer without a way back has none. 10,000 peers in 30 ms. */
export function waysOf(peers: readonly Peer[], answers: readonly RouteAnswer[], links: LinkKnowledge): Ways {
  const routes = new Map<string, RouteAnswer>()
  for (const answer of answers) {
    for (const key of [
      `${answer.to} ${answer.from ?? ''}`,
      `${answer.to} ${answer.from ?? ''} ${answer.interface}`,
    ])
      routes.set(key, answer)
  }
  const neighbours = new Map(links.neighbours.map((one) => [`${one.interface} ${one.address}`, one.mac]))
  const interfaces = new Map(links.interfaces.map((one) => [one.name, one]))
  const ways = new Map<string, Way>()
  for (const peer of peers) {
    const { address, own = '', zone } = peer
    const end = zone === undefined ? '' : ` ${zone}`
    const answer = routes.get(`${address} ${own}${end}`) ?? routes.get(`${address} ${end}`)
    const name = answer?.interface ?? zone
    if (name === undefined) continue
    const mac = neighbours.get(`${name} ${address}`)
    ways.set(peerKey(peer), wayBy(name, interfaces.get(name), answer?.gateway, mac, links.gateways))
  }
  return ways
}

function wayBy(
  name: InterfaceName,
  link: NetworkInterface | undefined,
  gateway: IpAddress | undefined,
  neighbour: MacAddress | undefined,
  gateways: readonly Gateway[],
): Way {
  const seen = { interface: link?.master?.name ?? name, ...(gateway === undefined ? {} : { gateway }) }
  if (link !== undefined && !link.ethernet) return seen
  if (gateway === undefined) return { ...seen, macs: neighbour === undefined ? [] : [neighbour] }
  // Two routers on one link may share the work: any of them may have passed the packet on.
  const routers = gateways.filter((one) => one.interface === name).flatMap(({ mac }) => mac ?? [])
  return { ...seen, macs: [...new Set(routers)] }
}

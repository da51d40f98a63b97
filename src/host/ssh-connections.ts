import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import type { Gateway, Neighbour, NetworkInterface, SshConnection } from './host-facts.ts'
import { hopsOf } from './read-routes.ts'
import type { EstablishedSocket } from './read-sockets.ts'
import type { Reading } from './reading.ts'
import { readRecords, textField } from './reading.ts'

/** How this host sends to one address: by which interface, and over which gateway if any. */
export interface RouteAnswer {
  readonly to: IpAddress
  readonly from?: IpAddress
  readonly interface: InterfaceName
  readonly gateway?: IpAddress
}

/** What the links around a connection are known to be. */
export interface LinkKnowledge {
  readonly interfaces: readonly NetworkInterface[]
  readonly neighbours: readonly Neighbour[]
  readonly gateways: readonly Gateway[]
}

/** The lines for `ip -j -force -batch -` that ask for the way back to each peer. */
export function routeQuestions(sockets: readonly EstablishedSocket[]): readonly string[] {
  const lines = sockets.map(({ local, remote }) => {
    const zone = remote.zone ?? local.zone
    const out = zone === undefined ? '' : ` oif ${zone}`
    return `route get ${remote.address} from ${local.address}${out}`
  })
  return [...new Set(lines)]
}

/** Reads the answers to `routeQuestions`; a question without an answer (unreachable) is simply missing. */
export function readRouteAnswers(text: string): Reading<readonly RouteAnswer[]> {
  const records = readRecords(text, 'ip -j route get')
  const value = records.value.flatMap((record): RouteAnswer[] => {
    const to = parseIpAddress(textField(record, 'dst') ?? '')
    // An IPv6 answer to a question without `from` says `from ::`.
    const from = parseIpAddress((textField(record, 'from') ?? '').replace(/^::$/, ''))
    const name = parseInterfaceName(textField(record, 'dev') ?? '')
    if (!to.ok || !name.ok) return []
    const gateway = hopsOf(record)[0]?.address
    return [
      {
        to: to.value,
        ...(from.ok ? { from: from.value } : {}),
        interface: name.value,
        ...(gateway === undefined ? {} : { gateway }),
      },
    ]
  })
  return { value, notes: records.notes }
}

/** The SSH connections with what is known about how their peers reach this host. */
export function sshConnectionsOf(
  sockets: readonly EstablishedSocket[],
  answers: readonly RouteAnswer[],
  links: LinkKnowledge,
): readonly SshConnection[] {
  return sockets.map(({ local, remote }) => {
    const ends = {
      local: { address: local.address, port: local.port },
      remote: { address: remote.address, port: remote.port },
    }
    const zone = remote.zone ?? local.zone
    const answer = answers.find(
      (route) => route.to === remote.address && (route.from ?? local.address) === local.address,
    )
    const name = answer?.interface ?? zone
    if (name === undefined) return ends
    const gateway = answer?.gateway
    if (gateway !== undefined) return { ...ends, interface: name, gateway }
    return { ...ends, interface: name, ...neighbourOf(remote.address, name, links) }
  })
}

/**
 * The peer's MAC where it is a neighbour on an Ethernet link. A neighbour entry that carries a gateway's MAC is
 * that gateway answering for the peer (proxy ARP): the MAC says nothing about the peer then.
 */
function neighbourOf(
  peer: IpAddress,
  name: InterfaceName,
  links: LinkKnowledge,
): Pick<SshConnection, 'mac' | 'gateway'> {
  const ethernet = links.interfaces.some((link) => link.name === name && link.ethernet)
  const entry = links.neighbours.find((one) => one.interface === name && one.address === peer)
  if (!ethernet || entry === undefined) return {}
  const gateway = links.gateways.find((one) => one.interface === name && one.mac === entry.mac)
  // A gateway that dials in itself is a peer behind nobody, but its MAC admits all that it forwards.
  return gateway === undefined ? { mac: entry.mac } : { gateway: gateway.address }
}

import type { HostFacts } from '../host/host-facts.ts'
import type { ConnectedSocket, ConnectionsReading } from '../host/read-connections.ts'
import type { EstablishedSocket } from '../host/read-sockets.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import type { Peer, Ways } from '../host/ways.ts'
import { peerKey } from '../host/ways.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { PICKED_UP } from '../policy/meaning.ts'
import type { Approach, PeerJudge } from './refused.ts'

/** A connection by its two ends. */
export type Ends = Pick<EstablishedSocket, 'local' | 'remote'>

/** A UDP flow of this host's. */
export interface UdpFlow extends Ends {
  /**
   * `peer`: the peer opened it, and the rules refuse what it sends from now on. `unclear`: it may have, but this host was seen
   * sending first, or nothing was seen yet; what the peer sends then counts as an answer until the flow has been silent.
   */
  readonly opened: 'peer' | 'unclear'
}

/** The live connections of this host, sorted by who opened them. Nothing that stays on this host is among them. */
export interface LiveConnections {
  /** TCP connections that somebody opened to this host. */
  readonly inbound: readonly ConnectedSocket[]
  /** TCP connections that this host opened and that tracking does not know as opened by this host, so that no answer is one. */
  readonly untracked: readonly ConnectedSocket[]
  readonly udp: readonly UdpFlow[]
  /** TCP and UDP that a flowtable carries through this host. */
  readonly offloaded: readonly TrackedFlow[]
}

/**
 * Sorts what is there. A TCP connection was opened from outside where this host listens at its end, or where tracking saw the
 * peer open it; an entry that says otherwise is no proof, since tracking may have met the connection in the middle with this
 * host speaking. `flows` is undefined where tracking cannot be read.
 */
export function sortConnections(
  sockets: ConnectionsReading,
  flows: readonly TrackedFlow[] | undefined,
  facts: HostFacts,
): LiveConnections {
  const own = new Set(facts.interfaces.flatMap((link) => link.addresses.map(({ address }) => address)))
  const stays = ({ remote }: Ends): boolean => own.has(remote.address) || /^(127\.|::1$)/.test(remote.address)
  const there = sockets.connected.filter((socket) => !stays(socket))
  const tracked = trackedEnds(flows ?? [])
  const isServed = servedBy(sockets)
  const [inbound, untracked]: [ConnectedSocket[], ConnectedSocket[]] = [[], []]
  for (const socket of there) {
    if (socket.protocol !== 'tcp' || socket.state === 'SYN-SENT') continue
    const seen = tracked.get(endsKey(socket))
    if (isServed(socket) || seen?.opened === 'peer') inbound.push(socket)
    else if (flows !== undefined && (seen === undefined || (seen.mark & PICKED_UP) !== 0))
      untracked.push(socket)
  }
  return {
    inbound,
    untracked,
    udp: udpFlows(sockets, flows ?? [], own).filter((flow) => !stays(flow)),
    offloaded: (flows ?? []).filter((flow) => flow.offloaded && isForwarded(flow, own)),
  }
}

/** Whoever has to be asked about before these connections can be judged, each once. */
export function peersOf({ inbound, untracked, udp, offloaded }: LiveConnections): readonly Peer[] {
  const peers = [
    ...[...inbound, ...untracked, ...udp].map(peerOf),
    ...offloaded.flatMap(({ original, reply }) => [{ address: original.source }, { address: reply.source }]),
  ]
  return [...new Map(peers.map((peer) => [peerKey(peer), peer])).values()]
}

/** What the rules do to them. */
export interface Judged {
  readonly refused: readonly ConnectedSocket[]
  /** It hangs on the peer's MAC, or on the interface, and this host knows none. */
  readonly undecided: readonly ConnectedSocket[]
  /** Opened by this host before tracking began: their answers are refused. */
  readonly silenced: readonly ConnectedSocket[]
  readonly udp: readonly UdpFlow[]
  readonly offloaded: readonly TrackedFlow[]
}

/** Judges each by what its peer would send next. */
export function judgeConnections(live: LiveConnections, ways: Ways, judge: PeerJudge): Judged {
  const verdicts = live.inbound.map((socket) => ({ socket, verdict: judge(approachOf(socket, 'tcp', ways)) }))
  const those = (wanted: string): readonly ConnectedSocket[] =>
    verdicts.filter(({ verdict }) => verdict === wanted).map(({ socket }) => socket)
  return {
    refused: those('refused'),
    undecided: those('undecided'),
    silenced: live.untracked.filter((socket) => judge(approachOf(socket, 'tcp', ways)) === 'refused'),
    udp: live.udp.filter((flow) => judge(approachOf(flow, 'udp', ways)) === 'refused'),
    offloaded: live.offloaded.filter((flow) => judge(forwardedApproach(flow, ways)) === 'refused'),
  }
}

function peerOf({ local, remote }: Ends): Peer {
  const zone = remote.zone ?? local.zone
  return { address: remote.address, own: local.address, ...(zone === undefined ? {} : { zone }) }
}

function approachOf(ends: Ends, protocol: 'tcp' | 'udp', ways: Ways): Approach {
  const way = ways.get(peerKey(peerOf(ends)))
  return {
    protocol,
    source: ends.remote.address,
    sourcePort: ends.remote.port,
    destination: ends.local.address,
    destinationPort: ends.local.port,
    ...(way === undefined ? {} : { way }),
  }
}

/** As the forward chain sees it: after the destination was translated, with what was dialled still known. */
function forwardedApproach({ protocol, original, reply }: TrackedFlow, ways: Ways): Approach {
  const way = ways.get(peerKey({ address: original.source }))
  const oif = ways.get(peerKey({ address: reply.source }))?.interface
  const translated =
    original.destination !== reply.source || original.destinationPort !== reply.sourcePort
      ? { dialled: original.destinationPort }
      : {}
  return {
    protocol,
    source: original.source,
    sourcePort: original.sourcePort,
    destination: reply.source,
    destinationPort: reply.sourcePort,
    ...(way === undefined ? {} : { way }),
    onward: { ...(oif === undefined ? {} : { oif }), ...translated },
  }
}

/** The entries of connections that have ended: theirs by both ends, whoever is taken for the one who opened it. */
export function entriesOf(ended: readonly Ends[], flows: readonly TrackedFlow[]): readonly TrackedFlow[] {
  const keys = new Set(ended.map(endsKey))
  return flows.filter((flow) => flow.protocol === 'tcp' && endsOfFlow(flow).some((key) => keys.has(key)))
}

export function endsKey({ local, remote }: Ends): string {
  return `${local.address} ${local.port} ${remote.address} ${remote.port}`
}

/** The keys of the sockets that a flow can belong to: here the answering one, or the dialling one. */
function endsOfFlow({ original, reply }: TrackedFlow): readonly [string, string] {
  return [
    `${reply.source} ${reply.sourcePort} ${reply.destination} ${reply.destinationPort}`,
    `${original.source} ${original.sourcePort} ${original.destination} ${original.destinationPort}`,
  ]
}

interface Tracked {
  readonly opened: 'peer' | 'here'
  readonly mark: number
}

function trackedEnds(flows: readonly TrackedFlow[]): ReadonlyMap<string, Tracked> {
  const ends = new Map<string, Tracked>()
  for (const flow of flows) {
    if (flow.protocol !== 'tcp') continue
    const [answering, dialling] = endsOfFlow(flow)
    ends.set(dialling, { opened: 'here', mark: flow.mark })
    ends.set(answering, { opened: 'peer', mark: flow.mark })
  }
  return ends
}

/** Does somebody wait at this socket's own end? */
function servedBy({
  listening,
}: ConnectionsReading): (ends: Ends & { readonly protocol: 'tcp' | 'udp' }) => boolean {
  const places = new Set(
    listening.map(({ protocol, local }) => `${protocol} ${local.port} ${local.address ?? '*'}`),
  )
  return ({ protocol, local }) =>
    places.has(`${protocol} ${local.port} *`) || places.has(`${protocol} ${local.port} ${local.address}`)
}

/** Linux gives these ports to whoever dials (net.ipv4.ip_local_port_range, its default): a socket there waits for answers. */
const DIALLING_PORTS = { low: 32768, high: 60999 } as const

function udpFlows(
  sockets: ConnectionsReading,
  flows: readonly TrackedFlow[],
  own: ReadonlySet<IpAddress>,
): readonly UdpFlow[] {
  const found = new Map<string, UdpFlow>()
  const isServed = servedBy(sockets)
  const serves = (ends: Ends): boolean =>
    ends.local.port < DIALLING_PORTS.low || ends.local.port > DIALLING_PORTS.high
  for (const { protocol, original, reply } of flows) {
    if (protocol !== 'udp') continue
    if (own.has(reply.source)) {
      const ends = endsFrom(reply.source, reply.sourcePort, original.source, original.sourcePort)
      found.set(endsKey(ends), { ...ends, opened: 'peer' })
    } else if (own.has(original.source)) {
      const ends = endsFrom(
        original.source,
        original.sourcePort,
        original.destination,
        original.destinationPort,
      )
      if (serves(ends) && isServed({ ...ends, protocol }))
        found.set(endsKey(ends), { ...ends, opened: 'unclear' })
    }
  }
  for (const socket of sockets.connected) {
    if (socket.protocol !== 'udp' || found.has(endsKey(socket)) || !serves(socket)) continue
    found.set(endsKey(socket), { local: socket.local, remote: socket.remote, opened: 'unclear' })
  }
  return [...found.values()].filter(({ remote }) => !isGroup(remote.address))
}

function endsFrom(own: IpAddress, ownPort: number, peer: IpAddress, peerPort: number): Ends {
  return { local: { address: own, port: ownPort }, remote: { address: peer, port: peerPort } }
}

/** No packet comes from a group or from everybody. */
function isGroup(address: IpAddress): boolean {
  return /^(22[4-9]|23\d|255)\.|^ff/.test(address)
}

function isForwarded({ original, reply }: TrackedFlow, own: ReadonlySet<IpAddress>): boolean {
  return !own.has(original.source) && !own.has(reply.source)
}

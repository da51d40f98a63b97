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

/** A UDP flow with this host, or a flow through it with a server behind it: that one's end is `local` then. */
export interface Flow extends Ends {
  readonly protocol: 'tcp' | 'udp'
  /**
   * `peer`: the peer opened it, and the rules refuse what it sends from now on. `unclear`: it may have, but the other end was seen
   * sending first, or nothing was seen yet; what the peer sends then counts as an answer until the flow has been silent.
   */
  readonly opened: 'peer' | 'unclear'
  readonly forwarded?: true
  /** The entry to be marked, so that answers are judged: of an unclear flow that by its ports a client opened. */
  readonly entry?: TrackedFlow
}

/** The live connections of this host, sorted by who opened them. Nothing that stays on this host is among them. */
export interface LiveConnections {
  /** TCP connections that somebody opened to this host. */
  readonly inbound: readonly ConnectedSocket[]
  /** TCP connections that this host opened and that tracking does not know as opened by this host, so that no answer is one. */
  readonly untracked: readonly ConnectedSocket[]
  readonly flows: readonly Flow[]
  /** TCP and UDP that a flowtable carries through this host. */
  readonly offloaded: readonly TrackedFlow[]
}

/**
 * Sorts what is there. A TCP connection was opened from outside where this host listens at its end, or where tracking saw the
 * peer open it; an entry that says otherwise is no proof, since tracking may have met the connection in the middle with this
 * host speaking. `flows` is undefined where tracking cannot be read. `fresh`: see `CutOptions`.
 */
export function sortConnections(
  sockets: ConnectionsReading,
  flows: readonly TrackedFlow[] | undefined,
  facts: HostFacts,
  fresh: boolean,
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
    flows: flowsOf(sockets, flows ?? [], own, fresh).filter((flow) => flow.forwarded || !stays(flow)),
    offloaded: (flows ?? []).filter((flow) => flow.offloaded && isForwarded(flow, own)),
  }
}

/** Whoever has to be asked about before these connections can be judged, each once. */
export function peersOf({ inbound, untracked, flows, offloaded }: LiveConnections): readonly Peer[] {
  const peers = [
    ...[...inbound, ...untracked, ...flows].map(peerOf),
    ...flows.flatMap(({ local, remote, forwarded }) =>
      forwarded ? [{ address: local.address }, { address: remote.address }] : [],
    ),
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
  readonly flows: readonly Flow[]
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
    flows: live.flows.filter((flow) => isRefusedFlow(flow, ways, judge)),
    offloaded: live.offloaded.filter((flow) => judge(forwardedApproach(flow, ways)) === 'refused'),
  }
}

/** A flow through this host is of interest only while what the peer sends would pass as an answer. */
function isRefusedFlow(flow: Flow, ways: Ways, judge: PeerJudge): boolean {
  if (!flow.forwarded) return judge(approachOf(flow, flow.protocol, ways)) === 'refused'
  const { local, remote } = flow
  const way = ways.get(peerKey({ address: remote.address }))
  const oif = ways.get(peerKey({ address: local.address }))?.interface
  const approach: Approach = {
    protocol: flow.protocol,
    source: remote.address,
    sourcePort: remote.port,
    destination: local.address,
    destinationPort: local.port,
    ...(way === undefined ? {} : { way }),
    onward: oif === undefined ? {} : { oif },
  }
  return judge(approach) === 'refused' && judge({ ...approach, answers: true }) === 'admitted'
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

/** Linux gives these ports to whoever dials (net.ipv4.ip_local_port_range, its default). */
function isDiallingPort(port: number): boolean {
  return port >= 32768 && port <= 60999
}

/** The flows that a peer may have opened though no socket tells it: UDP, and what is forwarded. */
function flowsOf(
  sockets: ConnectionsReading,
  tracked: readonly TrackedFlow[],
  own: ReadonlySet<IpAddress>,
  fresh: boolean,
): readonly Flow[] {
  const isServed = servedBy(sockets)
  const found = new Map<string, Flow>()
  for (const entry of tracked) {
    const { original } = entry
    const flow =
      own.has(original.source) || own.has(entry.reply.source)
        ? ownFlow(entry, own)
        : throughFlow(entry, fresh)
    if (flow === undefined) continue
    if (flow.opened === 'unclear' && flow.forwarded === undefined && !isServed(flow)) continue
    const { entry: toMark, ...rest } = flow
    found.set(endsKey(flow), fresh && toMark !== undefined ? flow : rest)
  }
  for (const { protocol, local, remote } of sockets.connected) {
    const flow: Flow = { protocol, local, remote, opened: 'unclear' }
    if (protocol === 'udp' && !found.has(endsKey(flow)) && !wasDialled(flow)) found.set(endsKey(flow), flow)
  }
  return [...found.values()].filter(({ remote }) => !isGroup(remote.address))
}

/** A UDP flow of this host's. Where this host was seen sending first, it may be a server that went on, or have dialled. */
function ownFlow(entry: TrackedFlow, own: ReadonlySet<IpAddress>): Flow | undefined {
  const { protocol, original, reply, mark } = entry
  if (protocol !== 'udp') return undefined
  if (own.has(reply.source)) {
    const ends = endsFrom(reply.source, reply.sourcePort, original.source, original.sourcePort)
    return { protocol, ...ends, opened: 'peer' }
  }
  const ends = openerEnds(entry)
  if ((mark & PICKED_UP) !== 0) return { protocol, ...ends, opened: 'peer' }
  if (wasDialled(ends)) return undefined
  return { protocol, ...ends, opened: 'unclear', ...(isFromClient(ends) ? { entry } : {}) }
}

/**
 * A flow through this host whose server was seen sending first. Nobody here knows what it serves, so only clear ports count; and
 * of TCP only what was met in the middle before the rules were there.
 */
function throughFlow(entry: TrackedFlow, fresh: boolean): Flow | undefined {
  const { protocol, mark, offloaded } = entry
  const ends = openerEnds(entry)
  if ((mark & PICKED_UP) !== 0 || offloaded || !isFromClient(ends) || (protocol === 'tcp' && !fresh))
    return undefined
  return { protocol, ...ends, opened: 'unclear', forwarded: true, entry }
}

/** With the side that tracking takes for the opener as `local`. */
function openerEnds({ original }: TrackedFlow): Ends {
  return endsFrom(original.source, original.sourcePort, original.destination, original.destinationPort)
}

/** By its ports the peer dialled: from a port for dialling to one that is none. */
function isFromClient({ local, remote }: Ends): boolean {
  return isDiallingPort(remote.port) && !isDiallingPort(local.port)
}

/** By its ports this host dialled: from a port for dialling to one that is none. */
function wasDialled({ local, remote }: Ends): boolean {
  return isDiallingPort(local.port) && !isDiallingPort(remote.port)
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

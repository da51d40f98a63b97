import type { EstablishedSocket, ListeningSocket } from './read-sockets.ts'
import { parseEndpoint, readSockets } from './read-sockets.ts'
import type { Reading } from './reading.ts'

/** A socket that has a peer: a TCP connection in any state but TIME-WAIT, or a connected UDP socket. */
export interface ConnectedSocket extends EstablishedSocket {
  readonly protocol: 'tcp' | 'udp'
  /** As `ss` writes it: `ESTAB`, `SYN-RECV`, `FIN-WAIT-1` and so on. */
  readonly state: string
}

export interface ConnectionsReading {
  readonly connected: readonly ConnectedSocket[]
  readonly listening: readonly ListeningSocket[]
}

/** Not `time-wait`: such a connection is over, no program reads or writes it, and a busy server has tens of thousands. */
const CONNECTED_STATES = [
  'established',
  'syn-sent',
  'syn-recv',
  'fin-wait-1',
  'fin-wait-2',
  'close-wait',
  'last-ack',
  'closing',
] as const

/** The arguments for `ss`: all sockets that wait for somebody, and all that have a peer, without their programs (1,000 in 10 ms). */
export const CONNECTIONS_QUESTION: readonly string[] = [
  '-Htun',
  ...['listening', 'unconnected', ...CONNECTED_STATES].flatMap((state) => ['state', state]),
]

/** Reads the answer to `CONNECTIONS_QUESTION`. */
export function readConnections(text: string): Reading<ConnectionsReading> {
  const waiting: string[] = []
  const connected: ConnectedSocket[] = []
  for (const line of text.split('\n')) {
    const socket = readConnected(line)
    if (socket === undefined) waiting.push(line)
    else connected.push(socket)
  }
  const { value, notes } = readSockets(waiting.join('\n'))
  return { value: { connected, listening: value.listening }, notes }
}

/** Undefined for a socket that waits, and for what cannot be read. */
function readConnected(line: string): ConnectedSocket | undefined {
  const [protocol, state = '', , , localText = '', remoteText = ''] = line.trim().split(/\s+/)
  if ((protocol !== 'tcp' && protocol !== 'udp') || state === 'LISTEN' || state === 'UNCONN') return undefined
  const [local, remote] = [parseEndpoint(localText), parseEndpoint(remoteText)]
  if (local?.address === undefined || remote?.address === undefined) return undefined
  const ends = { local: { ...local, address: local.address }, remote: { ...remote, address: remote.address } }
  return { protocol, state, ...ends }
}

/** Connections that one `ss -K` ends: the kernel runs the whole filter for each socket, and jumps in it are 16 bits wide. */
export const KILLED_AT_ONCE = 300

/**
 * The arguments for `ss` that end these TCP connections and no other; each is told by both addresses and both ports. Never asked
 * with none: a filter that names nothing would fit everything.
 */
export function killQuestion(
  sockets: readonly [EstablishedSocket, ...EstablishedSocket[]],
): readonly string[] {
  const each = sockets.map((socket) => {
    const zone = socket.local.zone ?? socket.remote.zone
    const ends = `src ${endpointText(socket.local)} and dst ${endpointText(socket.remote)}`
    return `( ${ends}${zone === undefined ? '' : ` and dev = ${zone}`} )`
  })
  const states = CONNECTED_STATES.flatMap((state) => ['state', state])
  return ['-KHtn', ...states, `( ${each.join(' or ')} )`]
}

function endpointText({ address, port }: EstablishedSocket['local']): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

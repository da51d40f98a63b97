import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import type { Listener } from './host-facts.ts'
import type { Reading } from './reading.ts'

/** One end of a socket as `ss -n` writes it; without an address it is every address of the socket's families. */
export interface Endpoint {
  readonly address?: IpAddress
  readonly port: number
  /** The interface that the socket is bound to, or the zone of a link-local address. */
  readonly zone?: InterfaceName
}

export interface SocketProcess {
  /** The kernel's name of the process (comm): at most 15 bytes, chosen by the program itself. */
  readonly name: string
  readonly pid: number
}

export interface ListeningSocket {
  readonly protocol: 'tcp' | 'udp'
  readonly local: Endpoint
  /** Empty where the reader may not see them: only root sees the processes of others. */
  readonly processes: readonly SocketProcess[]
}

export interface EstablishedSocket {
  readonly local: Endpoint & { readonly address: IpAddress }
  readonly remote: Endpoint & { readonly address: IpAddress }
}

export interface SocketsReading {
  readonly listening: readonly ListeningSocket[]
  readonly established: readonly EstablishedSocket[]
}

/**
 * The arguments for `ss`: every socket that waits for connections (TCP) or datagrams (UDP), and the established TCP
 * connections to `ports`, in one run (looking through /proc for the programs is what costs). Waiting sockets have no peer, and
 * so port 0 on its side; naming the ports keeps the answer short on a busy server.
 */
export function socketQuestion(ports: readonly number[]): readonly string[] {
  const states = ['listening', 'unconnected', 'established'].flatMap((state) => ['state', state])
  const filter = ['dport = :0', ...ports.map((port) => `sport = :${port}`)].join(' or ')
  return ['-H', '-tunp', ...states, `( ${filter} )`]
}

/** Reads the answer to `socketQuestion`, and any output of `ss -H -tuan` with or without `-p`. */
export function readSockets(text: string): Reading<SocketsReading> {
  const listening: ListeningSocket[] = []
  const established: EstablishedSocket[] = []
  const odd: string[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    // Netid State Recv-Q Send-Q Local:Port Peer:Port Process
    const [protocol, state, , , localText = '', remoteText = ''] = line.trim().split(/\s+/)
    const local = parseEndpoint(localText)
    const remote = parseEndpoint(remoteText)
    if ((protocol !== 'tcp' && protocol !== 'udp') || local === undefined) odd.push(line)
    else if (state === (protocol === 'tcp' ? 'LISTEN' : 'UNCONN')) {
      listening.push({ protocol, local, processes: readProcesses(line) })
    } else if (protocol === 'tcp' && state === 'ESTAB') {
      if (local.address === undefined || remote?.address === undefined) odd.push(line)
      else {
        const ends = {
          local: { ...local, address: local.address },
          remote: { ...remote, address: remote.address },
        }
        established.push(ends)
      }
    }
  }
  return { value: { listening, established }, notes: oddLines(odd) }
}

function oddLines(lines: readonly string[]): readonly string[] {
  const [first] = lines
  if (first === undefined) return []
  return [`\`ss\`: ${lines.length} line(s) could not be read, such as ${JSON.stringify(first.slice(0, 120))}`]
}

/** The listeners as facts: each protocol, port, address and program once. */
export function listenersOf(sockets: readonly ListeningSocket[]): readonly Listener[] {
  const listeners = new Map<string, Listener>()
  for (const { protocol, local, processes } of sockets) {
    const program = processes[0]?.name
    const listener = {
      protocol,
      port: local.port,
      ...(local.address === undefined ? {} : { address: local.address }),
      ...(program === undefined ? {} : { program }),
    }
    listeners.set(`${protocol} ${local.port} ${local.address ?? '*'} ${program ?? ''}`, listener)
  }
  return [...listeners.values()]
}

/**
 * Reads `127.0.0.1:80`, `*:22`, `[::]:22`, `[fe80::1]%eth0:546`, `127.0.0.53%lo:53`, `[::ffff:10.0.0.1]:22`.
 * The last is how a socket for both families shows an IPv4 peer: the packets carry the IPv4 address.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const shape = /^(.*):(\d{1,5})$/.exec(text)
  const port = Number(shape?.[2])
  if (shape === null || port === 0 || port > 65535) return undefined
  const [host = '', zoneText] = (shape[1] ?? '').replace(/[[\]]/g, '').split('%')
  const zone = zoneText === undefined ? undefined : parseInterfaceName(zoneText)
  const bound = zone?.ok ? { zone: zone.value } : {}
  if (host === '*' || host === '0.0.0.0' || host === '::') return { port, ...bound }
  const address = parseIpAddress(host.replace(/^::ffff:(?=\d+\.)/i, ''))
  return address.ok ? { address: address.value, port, ...bound } : undefined
}

/** `users:(("sshd",pid=17,fd=3),("systemd",pid=1,fd=40))`, each process once. */
function readProcesses(line: string): readonly SocketProcess[] {
  const users = line.indexOf(' users:((')
  if (users < 0) return []
  const found = line.slice(users).matchAll(/\("([^"]*)",pid=(\d+),fd=\d+\)/g)
  const processes = new Map<number, SocketProcess>()
  for (const [, name = '', pid] of found) processes.set(Number(pid), { name, pid: Number(pid) })
  return [...processes.values()]
}

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

/** Reads `ss -H -tulnp`: the sockets that wait for connections (TCP) or datagrams (UDP, not connected). */
export function readListeningSockets(text: string): Reading<readonly ListeningSocket[]> {
  return readLines(text, 'ss -H -tulnp', (line) => {
    // Netid State Recv-Q Send-Q Local:Port Peer:Port Process
    const [protocol, , , , local] = line.split(/\s+/)
    const endpoint = parseEndpoint(local ?? '')
    if ((protocol !== 'tcp' && protocol !== 'udp') || endpoint === undefined) return undefined
    return { protocol, local: endpoint, processes: readProcesses(line) }
  })
}

/** Reads `ss -H -tn state established`, with or without the state's column. */
export function readEstablishedSockets(text: string): Reading<readonly EstablishedSocket[]> {
  return readLines(text, 'ss -H -tn state established', (line) => {
    const words = line.split(/\s+/)
    const [, , local, remote] = words[0] === 'ESTAB' ? words.slice(1) : words
    const ends = { local: parseEndpoint(local ?? ''), remote: parseEndpoint(remote ?? '') }
    if (ends.local?.address === undefined || ends.remote?.address === undefined) return undefined
    return {
      local: { ...ends.local, address: ends.local.address },
      remote: { ...ends.remote, address: ends.remote.address },
    }
  })
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

function readLines<T>(
  text: string,
  source: string,
  read: (line: string) => T | undefined,
): Reading<readonly T[]> {
  const value: T[] = []
  const odd: string[] = []
  for (const line of text.split('\n')) {
    const trimmed = line.trim()
    if (trimmed === '') continue
    const socket = read(trimmed)
    if (socket === undefined) odd.push(trimmed)
    else value.push(socket)
  }
  if (odd[0] === undefined) return { value, notes: [] }
  const note = `\`${source}\`: ${odd.length} line(s) could not be read, such as ${JSON.stringify(odd[0].slice(0, 120))}`
  return { value, notes: [note] }
}

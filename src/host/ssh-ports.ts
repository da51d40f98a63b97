import type { Reading } from './reading.ts'
import { parseEndpoint } from './read-sockets.ts'
import type { ListeningSocket, SocketProcess } from './read-sockets.ts'

/** What /proc says of a process that holds a socket. */
export interface ProcessFacts {
  /** Its command line, the arguments joined by spaces; sshd rewrites its own. */
  readonly commandLine: string
  /** The user it runs as; 0 is root. */
  readonly uid: number
}

/** What names a port as SSH's besides the name of the program that listens there. */
export interface SshHints {
  readonly processes: ReadonlyMap<number, ProcessFacts>
  /** Ports of systemd's ssh.socket and its like, where systemd listens for sshd. */
  readonly socketUnitPorts: readonly number[]
  /** Ports that sshd's configuration names. */
  readonly configuredPorts: readonly number[]
}

const SSH_SERVERS: ReadonlySet<string> = new Set(['sshd', 'dropbear'])

/**
 * The ports on which an SSH server really listens for others. A forwarding of an SSH session (`ssh -R`, X11) is
 * also a listener of a program named sshd, and anybody may name a program so: neither is a server. Where no
 * program names can be read, a port that sshd's configuration names and something listens on is taken, with a note.
 */
export function findSshPorts(
  sockets: readonly ListeningSocket[],
  hints: SshHints,
): Reading<readonly number[]> {
  const notes: string[] = []
  const tcp = sockets.filter((socket) => socket.protocol === 'tcp')
  const servers = tcp.filter((socket) => isServed(socket, hints, notes))
  const local = servers.filter((socket) => isLoopback(socket))
  const remote = servers.filter((socket) => !isLoopback(socket)).map((socket) => socket.local.port)
  for (const socket of local) {
    if (!remote.includes(socket.local.port)) {
      notes.push(
        `the SSH server on port ${socket.local.port} listens on ${socket.local.address} only, for this host itself`,
      )
    }
  }
  if (servers.length > 0) return { value: sorted(remote), notes }
  const nameless = tcp.filter((socket) => socket.processes.length === 0 && !isLoopback(socket))
  const guessed = nameless
    .map((socket) => socket.local.port)
    .filter((port) => hints.configuredPorts.includes(port))
  if (guessed.length > 0) {
    notes.push(
      `which program listens could not be read (are you root?): port ${sorted(guessed).join(', ')} is taken for SSH, ` +
        'since the SSH server is configured for it and something listens there',
    )
  }
  return { value: sorted(guessed), notes }
}

/** Whether finding out needs systemd's sockets: systemd itself listens somewhere over TCP. */
export function systemdListens(sockets: readonly ListeningSocket[]): boolean {
  return sockets.some((socket) => socket.protocol === 'tcp' && socket.processes.some(isInit))
}

/** Process ids whose command line and user decide whether they are an SSH server. */
export function sshProcessIds(sockets: readonly ListeningSocket[]): readonly number[] {
  const processes = sockets
    .filter((socket) => socket.protocol === 'tcp')
    .flatMap((socket) => socket.processes)
  return [...new Set(processes.filter((process) => SSH_SERVERS.has(process.name)).map(({ pid }) => pid))]
}

/** The TCP ports in what `systemctl show --property=Listen UNIT …` prints: `Listen=0.0.0.0:22 (Stream)`. */
export function readSocketUnitPorts(text: string): readonly number[] {
  const endpoints = [...text.matchAll(/(\S+) \(Stream\)/g)].map((found) =>
    parseEndpoint((found[1] ?? '').replace(/^Listen=/, '')),
  )
  return [...new Set(endpoints.flatMap((endpoint) => (endpoint === undefined ? [] : [endpoint.port])))]
}

function isServed(socket: ListeningSocket, hints: SshHints, notes: string[]): boolean {
  const named = [...hints.socketUnitPorts, ...hints.configuredPorts].includes(socket.local.port)
  const activated = named && socket.processes.some(isInit)
  return activated || socket.processes.some((process) => isServer(process, socket, hints, notes))
}

function isServer(
  process: SocketProcess,
  socket: ListeningSocket,
  hints: SshHints,
  notes: string[],
): boolean {
  if (!SSH_SERVERS.has(process.name)) return false
  const facts = hints.processes.get(process.pid)
  if (facts === undefined) return true
  if (facts.uid !== 0) {
    notes.push(
      `port ${socket.local.port}: a program named ${process.name} listens, but it belongs to user ${facts.uid}, ` +
        'not to root; it is not taken for the SSH server',
    )
    return false
  }
  // Sessions call themselves `sshd: NAME@pts/0`; the server is `/usr/sbin/sshd -D`, since OpenSSH 8.2
  // `sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups`; since 9.8 sessions are sshd-session.
  return !facts.commandLine.startsWith('sshd: ') || facts.commandLine.includes('[listener]')
}

function isInit(process: SocketProcess): boolean {
  return process.pid === 1 && process.name === 'systemd'
}

function isLoopback(socket: ListeningSocket): boolean {
  const { address, zone } = socket.local
  return zone === 'lo' || address === '::1' || (address?.startsWith('127.') ?? false)
}

function sorted(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].toSorted((a, b) => a - b)
}

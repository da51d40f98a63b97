import { printable } from '../base/terminal.ts'
import { connectionKey } from './connection-key.ts'
import type { HostFacts, SshConnection } from './host-facts.ts'
import type { SocketInode } from './socket-inodes.ts'

/** A program whose windows outlive the connection that they were opened over. */
export type Multiplexer = 'tmux' | 'screen' | 'zellij' | 'dtach' | 'abduco' | 'shpool'

/** How the person who types a command reaches this host, as far as the processes above it show. */
export type CallerPath =
  /** An SSH server above holds this live connection of this network namespace. */
  | { readonly kind: 'ssh'; readonly connection: SshConnection }
  /**
   * An SSH server is above, and no live connection with it: its descriptors may not be read (not root), it is another
   * network namespace's, or the other end has hung up. No console in any case.
   */
  | { readonly kind: 'ssh-unseen' }
  /** A terminal multiplexer is above, and no SSH server above that: who is attached, and how, cannot be told. */
  | { readonly kind: 'multiplexer'; readonly program: Multiplexer }
  /** Neither: a console, cron, a web terminal, mosh. */
  | { readonly kind: 'unknown' }

/** A process above the command that asks, or that command itself. */
export interface Ancestor {
  /** As /proc/PID/status names it (comm): at most 15 bytes, chosen by the program itself. */
  readonly name: string
  /** Inodes of its sockets in the order of its descriptors; empty where they may not be read. */
  readonly sockets: readonly string[]
  /** SSH_CONNECTION in the environment that it was started with. */
  readonly startedWith?: string
}

/** OpenSSH's server (from 9.8 on its sessions are a program of their own), and Dropbear's. */
export function isSshServer(name: string): boolean {
  return /^(sshd|sshd-session|dropbear)$/.test(name)
}

/** `tmux: server` is how tmux names its process; screen's is `screen` or `SCREEN`. */
export function multiplexerNamed(name: string): Multiplexer | undefined {
  const word = name.replace(/:.*/, '').toLowerCase()
  switch (word) {
    case 'tmux':
    case 'screen':
    case 'zellij':
    case 'dtach':
    case 'abduco':
    case 'shpool':
      return word
    default:
      return undefined
  }
}

/**
 * Where the processes above lead. `ancestors` begins with the command itself and goes up; `sockets` are the live TCP
 * sockets of this network namespace. The nearest SSH server that holds one of them decides: what is further up served
 * somebody who started that server.
 */
export function callerPath(
  ancestors: readonly Ancestor[],
  sockets: readonly SocketInode[],
  facts: Pick<HostFacts, 'sshPorts' | 'sshConnections'>,
): CallerPath {
  for (const [index, server] of ancestors.entries()) {
    if (!isSshServer(server.name)) continue
    const held = server.sockets.flatMap((inode) => sockets.filter((socket) => socket.inode === inode))
    const socket = ownConnection(held, facts.sshPorts, ancestors[index - 1]?.startedWith)
    if (socket !== undefined) return { kind: 'ssh', connection: withFacts(socket, facts.sshConnections) }
  }
  const program = ancestors
    .map(({ name }) => multiplexerNamed(name))
    .find((multiplexer) => multiplexer !== undefined)
  if (program !== undefined) return { kind: 'multiplexer', program }
  return { kind: ancestors.some(({ name }) => isSshServer(name)) ? 'ssh-unseen' : 'unknown' }
}

/**
 * The connection that the server serves. It also holds those that it forwards (`ssh -L` dials, `ssh -R` accepts), and
 * a forwarded one of an old session may be new: it must not pass for the session's own. Its own arrived at an SSH
 * port, is what the server told the process below it, and took the lowest descriptor.
 */
function ownConnection(
  held: readonly SocketInode[],
  sshPorts: readonly number[],
  told: string | undefined,
): SocketInode | undefined {
  const arrived = held.filter(({ local }) => sshPorts.includes(local.port))
  const candidates = arrived.length > 0 ? arrived : held
  return (
    candidates.find((socket) => told !== undefined && hintOf(socket) === plainHint(told)) ?? candidates[0]
  )
}

/** What SSH_CONNECTION would say of it: the client's address and port, then the server's. */
export function hintOf({ local, remote }: Pick<SshConnection, 'local' | 'remote'>): string {
  return `${remote.address} ${remote.port} ${local.address} ${local.port}`
}

/** A link-local address comes with its interface there. */
function plainHint(text: string): string {
  return text.replace(/%\S+/g, '')
}

function withFacts({ local, remote }: SocketInode, connections: HostFacts['sshConnections']): SshConnection {
  const key = connectionKey(local, remote)
  return connections.find((one) => connectionKey(one.local, one.remote) === key) ?? { local, remote }
}

/** Where the caller sits, for the record: `203.0.113.7 port 50122`, `a tmux window`, or `a console`. */
export function callerWords(path: CallerPath): string {
  switch (path.kind) {
    case 'ssh':
      return `${path.connection.remote.address} port ${path.connection.remote.port}`
    case 'ssh-unseen':
      return 'SSH, over a connection that cannot be seen here'
    case 'multiplexer':
      return `a ${path.program} window`
    case 'unknown':
      return 'a console'
    default:
      return path satisfies never
  }
}

/** Who acts, for the record and never for a decision: `root`, or `root (alice)` where alice logged in and became root. */
export function whoWords(user: string, login: string | undefined): string {
  const acting = nameWords(user)
  return login === undefined || login === user ? acting : `${acting} (${nameWords(login)})`
}

/** Longer than any login name that useradd makes; sudo passes on whatever the variable says. */
const LONGEST_NAME = 64

function nameWords(name: string): string {
  return printable([...name].slice(0, LONGEST_NAME).join(''))
}

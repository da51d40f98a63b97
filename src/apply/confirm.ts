import type { CallerPath } from '../host/caller.ts'
import { callerWords } from '../host/caller.ts'
import { connectionKey } from '../host/connection-key.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { suggestSsh } from './confirm-command.ts'
import type { JournalEntry, Proof, Window } from './journal.ts'

/** All that a confirmation is judged by. */
export interface ConfirmRequest {
  readonly entry: JournalEntry
  readonly window: Window
  /** How whoever confirms reaches this host. */
  readonly path: CallerPath
  /** This host as it is now: its interfaces and addresses, and the ports of its SSH server. */
  readonly facts: HostFacts
  /** The token that was typed, compared with the journal's hash. */
  readonly token: 'none' | 'right' | 'wrong'
  /** `--here`: says that this is a console. */
  readonly here: boolean
  /** Whom to log in as, for the command that a refusal suggests: the login name of whoever confirms. */
  readonly user?: string
}

/** Why a confirmation proves nothing. */
export type ConfirmRefusal =
  | 'wrong-token'
  /** The same session, or another one over the same TCP connection (multiplexed ssh): the two look alike. */
  | 'old-connection'
  /** ssh from this host to itself. */
  | 'own-address'
  /** It arrived on an interface that the new rules do not judge. */
  | 'unguarded'
  /** Some interfaces are not judged, and on which one it arrives is not known. */
  | 'interface-unknown'
  | 'multiplexer'
  | 'ssh-unseen'
  /** `--here` over SSH. */
  | 'not-a-console'
  /** No SSH connection, no token, no `--here`. */
  | 'no-path'

export type ConfirmJudgement =
  | { readonly kind: 'proven'; readonly how: Exclude<Proof['how'], 'unproven'> }
  /** `words` are lines for the user: why it proves nothing, then what to type. */
  | { readonly kind: 'refused'; readonly because: ConfirmRefusal; readonly words: readonly string[] }

/**
 * Does this show that whoever confirms can still get in? Only a connection of its own whose first packet came after
 * the new rules were read back has been let in by them. The token stands for another path than SSH; `--here` for a
 * console. A wrong token is never overlooked, whatever else is right. The interface is the one by which this host
 * answers: no program is told on which one a connection arrived.
 */
export function judgeConfirm(request: ConfirmRequest): ConfirmJudgement {
  const { path, token, here } = request
  if (token === 'wrong') {
    return refuse(request, 'wrong-token', [
      'That is not the token of the change that is pending: `admit apply` printed it when the change was made.',
    ])
  }
  switch (path.kind) {
    case 'ssh':
      return here ? notAConsole(request, path.connection) : judgeConnection(request, path.connection)
    case 'multiplexer':
      return refuse(request, 'multiplexer', [
        `This is a ${path.program} window. It may have been opened, and be watched, over the old connection: whatever is typed in it proves nothing, with or without the token.`,
        `Confirm outside of ${path.program}.`,
      ])
    case 'ssh-unseen':
      if (token === 'right') return { kind: 'proven', how: 'token' }
      return refuse(request, here ? 'not-a-console' : 'ssh-unseen', [
        'You are on SSH, and your connection cannot be seen from here: are you root, and in the network namespace of the SSH server? A connection that is not seen proves nothing.',
        'Where it never can be (rules for another namespace): `admit confirm TOKEN`, with the token that `admit apply` printed.',
      ])
    case 'unknown':
      if (token === 'right') return { kind: 'proven', how: 'token' }
      if (here) return { kind: 'proven', how: 'console' }
      return refuse(request, 'no-path', [
        'No SSH connection leads to this command, so that you are here does not show that you can get in.',
        'By another way than SSH (a web terminal, mosh): `admit confirm TOKEN`, with the token that `admit apply` printed.',
        'At the console of this host: `admit confirm --here`.',
      ])
    default:
      return path satisfies never
  }
}

function judgeConnection(request: ConfirmRequest, connection: SshConnection): ConfirmJudgement {
  const { entry, window, path, facts } = request
  const from = callerWords(path)
  if (isOwn(connection, facts)) {
    return refuse(request, 'own-address', [
      `This SSH connection comes from this host itself (${from}): its packets go over lo, which no rule judges. The second leg of \`ssh -J\` over this host looks the same.`,
    ])
  }
  const key = connectionKey(connection.local, connection.remote)
  if (window.connections.includes(key) || entry.connections.includes(key)) {
    return refuse(request, 'old-connection', [
      `This SSH connection (${from}) is older than the new rules: they have not let it in, so it does not show that they would let in a new one.`,
      'Either you typed this in a session that was open before, or ssh put a new session into an open connection (ControlMaster); both look alike from here.',
    ])
  }
  if (facts.interfaces.length === 0 || (connection.interface === undefined && entry.unguarded.length > 0)) {
    return refuse(request, 'interface-unknown', [
      `It cannot be told on which interface this SSH connection (${from}) arrives, and so not whether the new rules judge it.`,
    ])
  }
  if (connection.interface !== undefined && entry.unguarded.includes(connection.interface)) {
    return refuse(request, 'unguarded', [
      `This SSH connection (${from}) arrives on ${connection.interface}, which the policy names as unguarded: what arrives there is let in whatever the rules are.`,
      'Come in by an interface that is judged.',
    ])
  }
  return { kind: 'proven', how: 'connection' }
}

function notAConsole(request: ConfirmRequest, connection: SshConnection): ConfirmJudgement {
  const over = judgeConnection({ ...request, here: false }, connection)
  const line = `You are on SSH (${callerWords(request.path)}): --here is for the console of this host.`
  switch (over.kind) {
    case 'proven':
      return {
        kind: 'refused',
        because: 'not-a-console',
        words: [line, 'This connection is new, and proves it: type `admit confirm`.'],
      }
    case 'refused':
      return { ...over, because: 'not-a-console', words: [line, ...over.words] }
    default:
      return over satisfies never
  }
}

/** From this host to itself: its packets go over lo, also where both ends are its address on a wire. */
function isOwn({ local, remote, interface: name }: SshConnection, facts: HostFacts): boolean {
  const loopback = facts.interfaces.some((link) => link.name === name && link.kind === 'loopback')
  return (
    loopback ||
    name === 'lo' ||
    remote.address === local.address ||
    isLoopback(remote.address) ||
    facts.interfaces.some((link) => link.addresses.some(({ address }) => address === remote.address))
  )
}

function isLoopback(address: IpAddress): boolean {
  return address === '::1' || address.startsWith('127.')
}

function refuse(request: ConfirmRequest, because: ConfirmRefusal, why: readonly string[]): ConfirmJudgement {
  return { kind: 'refused', because, words: [...why, ...suggestSsh(request)] }
}

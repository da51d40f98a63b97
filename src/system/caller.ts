import { readFile, readdir, readlink } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type { Ancestor, CallerPath } from '../host/caller.ts'
import { callerPath, hintOf, isSshServer, whoWords } from '../host/caller.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import { readSocketInodes } from '../host/socket-inodes.ts'

/** More ancestors than any session has: sudo in tmux in a shell in sshd. */
const MOST_ANCESTORS = 64

/** What /proc/PID/loginuid says of a process that no login began. */
const NO_LOGIN = '4294967295'

/**
 * How whoever typed this command reaches this host, by the processes above it and the sockets that they hold. sudo
 * drops SSH_CONNECTION and tmux keeps a stale one: the variable decides nothing. Only root sees the sockets of others.
 */
export async function findCallerPath(
  facts: Pick<HostFacts, 'sshPorts' | 'sshConnections'>,
): Promise<CallerPath> {
  const ancestors = await readAncestors()
  const needed = ancestors.some(({ sockets }) => sockets.length > 0)
  const tables = needed ? await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readOrNothing)) : []
  return callerPath(
    ancestors,
    tables.flatMap((table) => readSocketInodes(table)),
    facts,
  )
}

/**
 * The SSH connection at whose other end the caller sits, for advice. Where the processes show none, `hint`
 * (SSH_CONNECTION) counts, but only for a connection that is alive.
 */
export async function findCaller(
  facts: Pick<HostFacts, 'sshPorts' | 'sshConnections'>,
  hint: string | undefined,
): Promise<SshConnection | undefined> {
  const { sshConnections } = facts
  if (sshConnections.length === 0) return undefined
  const path = await findCallerPath(facts)
  if (path.kind === 'ssh' && sshConnections.includes(path.connection)) return path.connection
  const [address, port] = hint?.split(' ') ?? []
  return sshConnections.find((one) => hintOf(one).startsWith(`${address} ${port} `))
}

/** Who acts, for the record: `root`, or `root (alice)` where alice logged in, or called sudo. Never for a decision. */
export async function whoActs(): Promise<string> {
  const login = (await readOrNothing('/proc/self/loginuid')).trim()
  const name = login === '' || login === NO_LOGIN ? undefined : await nameOfUser(login)
  return whoWords(await ownName(), name ?? process.env['SUDO_USER'])
}

async function ownName(): Promise<string> {
  try {
    return userInfo().username
  } catch {
    return `user ${process.geteuid?.()}`
  }
}

/** The name of a user id by /etc/passwd; `user 1000` where another directory knows them. */
async function nameOfUser(uid: string): Promise<string> {
  const lines = (await readOrNothing('/etc/passwd')).split('\n').map((line) => line.split(':'))
  return lines.find(([, , id]) => id === uid)?.[0] ?? `user ${uid}`
}

/** The process and those above it. Sockets are read of SSH servers only, the environment of what they started. */
async function readAncestors(): Promise<readonly Ancestor[]> {
  const found: Ancestor[] = []
  let below: number | undefined
  // Not process.pid: in a PID namespace /proc may still be that of the one around it.
  let pid = Number(await readlink('/proc/self').catch(() => 0))
  while (pid > 0 && found.length < MOST_ANCESTORS) {
    const status = await readOrNothing(`/proc/${pid}/status`)
    const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? ''
    const child = found.at(-1)
    const server = isSshServer(name)
    if (server && below !== undefined && child !== undefined) {
      found[found.length - 1] = { ...child, ...(await startedWith(below)) }
    }
    found.push({ name, sockets: server ? await socketsOf(pid) : [] })
    below = pid
    pid = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0)
  }
  return found
}

async function startedWith(pid: number): Promise<Pick<Ancestor, 'startedWith'>> {
  const variables = (await readOrNothing(`/proc/${pid}/environ`)).split('\0')
  const line = variables.find((variable) => variable.startsWith('SSH_CONNECTION='))
  return line === undefined ? {} : { startedWith: line.slice('SSH_CONNECTION='.length) }
}

async function socketsOf(pid: number): Promise<readonly string[]> {
  try {
    const folder = `/proc/${pid}/fd`
    const descriptors = (await readdir(folder)).sort((a, b) => Number(a) - Number(b))
    const links = await Promise.all(descriptors.map((name) => readlink(`${folder}/${name}`).catch(() => '')))
    return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.slice(1) ?? [])
  } catch {
    // Another user's process, or one that has ended: its sockets stay unknown.
    return []
  }
}

async function readOrNothing(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

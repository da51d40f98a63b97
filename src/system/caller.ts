import { readFile, readdir, readlink } from 'node:fs/promises'
import type { SshConnection } from '../host/host-facts.ts'
import { readSocketInodes } from '../host/socket-inodes.ts'

/** More ancestors than any session has: sudo in tmux in a shell in sshd. */
const MOST_ANCESTORS = 64

/**
 * The SSH connection at whose other end the caller sits: one of `connections` whose socket an sshd among this
 * process's ancestors holds. sudo drops SSH_CONNECTION and tmux keeps a stale one, so the variable only counts where
 * the sockets cannot be read (not root), and then only for a connection that is alive.
 */
export async function findCaller(
  connections: readonly SshConnection[],
  hint: string | undefined,
): Promise<SshConnection | undefined> {
  if (connections.length === 0) return undefined
  const inodes = new Set<string>()
  for (const pid of await sshdAncestors()) {
    for (const inode of await socketsOf(pid)) inodes.add(inode)
  }
  if (inodes.size > 0) {
    const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readOrNothing))
    const held = tables.flatMap((table) => readSocketInodes(table)).filter((entry) => inodes.has(entry.inode))
    const mine = connections.find((connection) =>
      held.some(
        (entry) => entry.localPort === connection.local.port && entry.remotePort === connection.remote.port,
      ),
    )
    if (mine !== undefined) return mine
  }
  const [address, port] = hint?.split(' ') ?? []
  return connections.find(({ remote }) => remote.address === address && String(remote.port) === port)
}

async function sshdAncestors(): Promise<readonly number[]> {
  const found: number[] = []
  let pid = process.ppid
  for (let count = 0; pid > 1 && count < MOST_ANCESTORS; count++) {
    const status = await readOrNothing(`/proc/${pid}/status`)
    if (/^Name:\tsshd/m.test(status)) found.push(pid)
    pid = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0)
  }
  return found
}

async function socketsOf(pid: number): Promise<readonly string[]> {
  try {
    const folder = `/proc/${pid}/fd`
    const links = await Promise.all(
      (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => '')),
    )
    return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.slice(1) ?? [])
  } catch {
    // Another user's process, or one that has ended: its sockets stay unknown.
    return []
  }
}

async function readOrNothing(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

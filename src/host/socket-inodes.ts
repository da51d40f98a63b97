/** An established TCP socket of /proc/net/tcp or tcp6: its ports and its inode, by which a process holds it. */
export interface SocketInode {
  readonly localPort: number
  readonly remotePort: number
  readonly inode: string
}

/** TCP_ESTABLISHED in include/net/tcp_states.h. */
const ESTABLISHED = '01'

/** Reads the established sockets out of /proc/net/tcp{,6}; lines of another shape are left out. */
export function readSocketInodes(text: string): readonly SocketInode[] {
  return text.split('\n').flatMap((line) => {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/)
    const localPort = portOf(local)
    const remotePort = portOf(remote)
    if (state !== ESTABLISHED || inode === undefined || !/^\d+$/.test(inode)) return []
    return localPort === undefined || remotePort === undefined ? [] : [{ localPort, remotePort, inode }]
  })
}

function portOf(endpoint: string | undefined): number | undefined {
  const hex = /^[0-9A-F]+:([0-9A-F]{4})$/.exec(endpoint ?? '')?.[1]
  return hex === undefined ? undefined : Number.parseInt(hex, 16)
}

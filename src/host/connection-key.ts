import type { SshConnection } from './host-facts.ts'
import { parseEndpoint } from './read-sockets.ts'

/**
 * One TCP connection as this host sees it: `192.0.2.1:22 203.0.113.7:50122`, IPv6 in brackets. IPv4-mapped addresses
 * are never in an IpAddress; interfaces (`%eth0`) are left out. Equal texts, equal connections.
 */
export function connectionKey(local: SshConnection['local'], remote: SshConnection['remote']): string {
  return `${endText(local)} ${endText(remote)}`
}

function endText({ address, port }: SshConnection['local']): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The arguments for `ss`: every TCP socket of this network namespace, in any state, without a heading. */
export const CONNECTIONS_QUESTION: readonly string[] = ['-Htan']

/**
 * Reads the answer to `CONNECTIONS_QUESTION`: the key of every socket that has a peer, be it half open (SYN-RECV), open or over
 * (TIME-WAIT), once and in order. `odd` is a line that could not be read: the list is not complete then, and a
 * connection that is not listed would pass for a new one.
 */
export function readConnections(text: string): {
  readonly connections: readonly string[]
  readonly odd?: string
} {
  const keys = new Set<string>()
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    // State Recv-Q Send-Q Local:Port Peer:Port
    const [state, , , localText = '', remoteText = ''] = line.trim().split(/\s+/)
    // Neither a waiting socket nor one that is only bound has a peer.
    if (state === 'LISTEN' || /:(\*|0)$/.test(remoteText)) continue
    const local = parseEndpoint(localText)
    const remote = parseEndpoint(remoteText)
    if (local?.address === undefined || remote?.address === undefined) {
      return { connections: [...keys].sort(), odd: line }
    }
    keys.add(
      connectionKey(
        { address: local.address, port: local.port },
        { address: remote.address, port: remote.port },
      ),
    )
  }
  return { connections: [...keys].sort() }
}

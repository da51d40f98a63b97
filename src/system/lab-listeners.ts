import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { LabListener } from '../lab/lab-plan.ts'

/** Opens real sockets in the worker's namespace: TCP accepts, UDP sends back what it got. */
export async function openListeners(listeners: readonly LabListener[]): Promise<void> {
  await Promise.all(listeners.map((one) => (one.protocol === 'tcp' ? openTcp(one.port) : openUdp(one))))
}

async function openTcp(port: number): Promise<void> {
  // `::` takes IPv4 too; a kernel without IPv6 has only the other.
  await listenTcp(port, '::').catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAFNOSUPPORT')) throw error
    return listenTcp(port, '0.0.0.0')
  })
}

function listenTcp(port: number, host: string): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end()
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen({ port, host, backlog: 1024 }, resolve)
  })
}

function openUdp(listener: Extract<LabListener, { protocol: 'udp' }>): Promise<void> {
  const { address, port, zone } = listener
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (message, sender) => {
    // A port that is refused on the way back is the client's loss, not the lab's.
    socket.send(message, sender.port, sender.address, () => {})
  })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.bind(port, zone === undefined ? address : `${address}%${zone}`, resolve)
  })
}

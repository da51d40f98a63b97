/**
 * Programs that talk without pause, in whatever network namespace this runs in. Standard input says `serve PORT` (TCP and UDP,
 * both families), `deaf PORT` (no more new TCP connections there; those that are open stay), `dial ID tcp|udp ADDRESS PORT`,
 * `idle ID ADDRESS PORT COUNT` (TCP connections that say nothing) and `counts`; each is answered with one line. The answer to `counts` is JSON: for each talk, by `tcp ADDRESS` of
 * the other side at the server and by ID at the client, what has been heard so far.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { obeyLines } from './obey-lines.ts'

/** What one side of a talk has heard. */
export interface Heard {
  /** TCP: bytes; UDP: datagrams. */
  count: number
  /** TCP only: every byte was the next one of the stream. */
  whole: boolean
  open: boolean
}

const PERIOD = 251
const CHUNK = PERIOD * 16
const PATTERN = Buffer.from(Array.from({ length: CHUNK }, (_, index) => index % PERIOD))
const heard: Record<string, Heard> = {}
const servers = new Map<number, Server>()

/** Says the pattern again and again, as far as the other side takes it, and checks that it hears the same. */
function talk(name: string, socket: Socket): void {
  const state: Heard = { count: 0, whole: true, open: true }
  heard[name] = state
  socket.setNoDelay(true)
  socket.on('data', (data: Buffer) => {
    const at = state.count % PERIOD
    state.whole &&= data.equals(expected(at, data.length))
    state.count += data.length
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => (state.open = false))
  // Half a megabyte a second: more than enough to fill all buffers at once when nobody takes it, and a dozen talks share two processors.
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else if (!socket.writableNeedDrain) socket.write(PATTERN)
  }, 8)
}

function expected(at: number, length: number): Buffer {
  const parts = [PATTERN.subarray(at)]
  for (let size = CHUNK - at; size < length; size += CHUNK) parts.push(PATTERN)
  return Buffer.concat(parts).subarray(0, length)
}

async function serve(port: number): Promise<void> {
  const server = createServer((socket) => {
    const from = plain(socket.remoteAddress ?? '')
    // The quiet ones only have to be there.
    socket.once('data', (first: Buffer) => {
      if (first.toString() === 'idle') return socket.on('error', () => socket.destroy())
      talk(`tcp ${from}`, socket)
      return socket.unshift(first)
    })
  })
  servers.set(port, server)
  server.listen({ port, host: '::', backlog: 2000 })
  const datagrams = createSocket('udp6')
  const peers = new Map<string, number>()
  datagrams.on('message', (_, { address, port: from }) => {
    const state = (heard[`udp ${plain(address)}`] ??= { count: 0, whole: true, open: true })
    state.count++
    peers.set(address, from)
  })
  datagrams.on('error', () => {})
  datagrams.bind(port, '::')
  await Promise.all([once(server, 'listening'), once(datagrams, 'listening')])
  setInterval(() => {
    for (const [address, to] of peers) datagrams.send('tick', to, address, () => {})
  }, 10)
}

async function dial(id: string, protocol: string, host: string, port: number): Promise<void> {
  if (protocol === 'tcp') {
    const socket = connect({ host, port })
    await once(socket, 'connect')
    talk(id, socket)
    return
  }
  const state: Heard = { count: 0, whole: true, open: true }
  heard[id] = state
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', () => state.count++)
  socket.on('error', () => {})
  socket.bind()
  await once(socket, 'listening')
  setInterval(() => socket.send('tock', port, host, () => {}), 10)
}

async function idle(id: string, host: string, port: number, count: number): Promise<void> {
  const state: Heard = { count: 0, whole: true, open: true }
  heard[id] = state
  for (let made = 0; made < count; made++) {
    const socket = connect({ host, port })
    await once(socket, 'connect')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => state.count++)
    await new Promise((resolve) => socket.write('idle', resolve))
  }
}

function plain(address: string): string {
  return address.replace(/^::ffff:/, '')
}

obeyLines({
  serve: async (port) => {
    await serve(Number(port))
    return 'serving'
  },
  deaf: (port) => {
    servers.get(Number(port))?.close()
    return 'deaf'
  },
  dial: async (id = '', protocol = '', host = '', port = '') => {
    await dial(id, protocol, host, Number(port))
    return 'dialled'
  },
  idle: async (id = '', host = '', port = '', count = '') => {
    await idle(id, host, Number(port), Number(count))
    return 'idle'
  },
  counts: () => JSON.stringify(heard),
})

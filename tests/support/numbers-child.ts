/**
 * Numbered traffic, in whatever network namespace this runs in. Standard input says `serve PORT` (answers TCP and UDP with what
 * it hears, both families), `dial ID tcp|udp ADDRESS PORT`, `stop` (no more is sent; TCP connections are ended in order) and
 * `counts`; each is answered with one line. The answer to `counts` is JSON: at the server by `tcp` and `udp`, at the client by ID.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { obeyLines } from './obey-lines.ts'

/** What one side of a talk has counted: bytes of TCP, datagrams of UDP. */
export interface Counted {
  sent: number
  heard: number
  /** TCP: an error, an end that nobody asked for, or a byte that was not the next one. UDP: a number heard twice. */
  broken: boolean
  /** UDP at the server: what arrived at the socket and found it full. */
  dropped: number
}

/** Milliseconds between two sendings, and datagrams in each of them. */
const PACE = 2
const BURST = 4
/** Numbers of four bytes, one after the other. */
const CHUNK = 64
/** No TCP talk runs ahead of its answers by more than this many bytes, so that it always sends. */
const AHEAD = 64 * 1024
const RECEIVE_BUFFER = 4 * 1024 * 1024

const counted: Record<string, Counted> = {}
let stopping = false
const stops: (() => Promise<void>)[] = []

function start(name: string): Counted {
  return (counted[name] ??= { sent: 0, heard: 0, broken: false, dropped: 0 })
}

async function serve(port: number): Promise<void> {
  const tcp = start('tcp')
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.setNoDelay(true)
    socket.on('data', (data) => {
      tcp.heard += data.length
      tcp.sent += data.length
      socket.write(data)
    })
    socket.on('end', () => socket.end())
    socket.on('error', () => {
      tcp.broken = true
    })
  })
  server.listen(port, '::')
  const udp = start('udp')
  const socket = createSocket({ type: 'udp6', recvBufferSize: RECEIVE_BUFFER })
  const seen = new Map<string, Seen>()
  socket.on('message', (data, { address, port: from }) => {
    const sender = `${address} ${from}`
    let known = seen.get(sender)
    if (known === undefined) seen.set(sender, (known = new Seen()))
    if (known.add(data.readUInt32BE(0))) udp.broken = true
    udp.heard++
    udp.sent++
    socket.send(data, from, address, () => {})
  })
  socket.bind(port, '::')
  await Promise.all([once(server, 'listening'), once(socket, 'listening')])
  stops.push(async () => {
    udp.dropped = droppedAt(port)
  })
}

/** Numbers from 0. */
class Seen {
  #bits = new Uint8Array(1024)

  /** Was it there already? */
  add(number: number): boolean {
    const [at, bit] = [number >> 3, 1 << (number & 7)]
    if (at >= this.#bits.length) {
      const more = new Uint8Array(Math.max(at + 1, this.#bits.length * 2))
      more.set(this.#bits)
      this.#bits = more
    }
    const before = this.#bits[at] ?? 0
    this.#bits[at] = before | bit
    return (before & bit) !== 0
  }
}

/** The last column of /proc/net/udp6, in the row of the socket at this port. */
function droppedAt(port: number): number {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/self/net/udp6', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const row = rows.find(([, local]) => local?.endsWith(end) === true)
  return Number(row?.at(-1) ?? Number.NaN)
}

async function dialTcp(id: string, host: string, port: number): Promise<void> {
  const mine = start(id)
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  await once(socket, 'connect')
  socket.on('data', (data: Buffer) => {
    mine.broken ||= !data.equals(numbersAt(mine.heard, data.length))
    mine.heard += data.length
  })
  socket.on('error', () => {
    mine.broken = true
  })
  socket.on('close', () => {
    mine.broken ||= !stopping
  })
  const timer = setInterval(() => {
    if (stopping || socket.destroyed || mine.sent - mine.heard > AHEAD) return
    socket.write(numbersAt(mine.sent, CHUNK))
    mine.sent += CHUNK
  }, PACE)
  stops.push(async () => {
    clearInterval(timer)
    await ended(socket, mine)
  })
}

/** A connection whose other end is cut off never ends in order: that is broken, not waited for. */
async function ended(socket: Socket, mine: Counted): Promise<void> {
  if (socket.destroyed) return
  const closed = once(socket, 'close')
  socket.end()
  const late = await Promise.race([closed.then(() => false), sleep(20_000, true)])
  mine.broken ||= late
}

/** Numbers of four bytes each, of the stream that counts up from 0, at this place in bytes. */
function numbersAt(at: number, length: number): Buffer {
  const first = at >> 2
  const bytes = Buffer.alloc(length + 8)
  for (let index = 0; index * 4 < length + 4; index++) bytes.writeUInt32BE((first + index) >>> 0, index * 4)
  return bytes.subarray(at & 3, (at & 3) + length)
}

async function dialUdp(id: string, host: string, port: number): Promise<void> {
  const mine = start(id)
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER,
  })
  const seen = new Seen()
  socket.on('message', (data) => {
    mine.broken ||= seen.add(data.readUInt32BE(0))
    mine.heard++
  })
  socket.bind()
  await once(socket, 'listening')
  const timer = setInterval(() => {
    if (stopping) return
    for (let count = 0; count < BURST; count++) {
      const number = Buffer.alloc(4)
      number.writeUInt32BE(mine.sent++ >>> 0)
      socket.send(number, port, host, () => {})
    }
  }, PACE)
  stops.push(async () => clearInterval(timer))
}

obeyLines({
  serve: async (port) => {
    await serve(Number(port))
    return 'serving'
  },
  dial: async (id = '', protocol = '', host = '', port = '') => {
    await (protocol === 'tcp' ? dialTcp : dialUdp)(id, host, Number(port))
    return 'dialled'
  },
  stop: async () => {
    stopping = true
    await Promise.all(stops.map((stop) => stop()))
    return 'stopped'
  },
  counts: () => JSON.stringify(counted),
})

/**
 * One connection from whatever network namespace this runs in: `node client-child.ts tcp|udp ADDRESS PORT`. Lines on
 * standard input are sent; what happens is printed, a line each: `connected`, `got TEXT`, `closed`, `error CODE`.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [protocol, address, port] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

if (protocol === 'tcp') {
  const socket = connect({ host: address ?? '', port: Number(port) })
  socket.setNoDelay(true)
  socket.on('connect', () => say('connected'))
  socket.on('data', (data) => say(`got ${data}`))
  socket.on('close', () => say('closed'))
  socket.on('error', (error: NodeJS.ErrnoException) => say(`error ${error.code}`))
  lines.on('line', (line) => socket.write(line))
} else {
  const socket = createSocket(address?.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (data) => say(`got ${data}`))
  socket.on('error', (error: NodeJS.ErrnoException) => say(`error ${error.code}`))
  lines.on('line', (line) => socket.send(line, Number(port), address))
  socket.bind(() => say('connected'))
}
lines.on('close', () => process.exit(0))

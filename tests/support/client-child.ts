/**
 * A client's programs, in whatever network namespace this runs in. Standard input says `open ID tcp|udp ADDRESS PORT`,
 * `say ID TEXT` and `close ID`; what happens is printed: `ID connected`, `ID got TEXT`, `ID closed`, `ID error CODE`.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

interface Open {
  readonly say: (text: string) => void
  readonly close: () => void
}

const calls = new Map<string, Open>()
const tell = (id: string, what: string): void => {
  process.stdout.write(`${id} ${what}\n`)
}

function openTcp(id: string, host: string, port: number): Open {
  const socket = connect({ host, port, noDelay: true })
  socket.on('connect', () => tell(id, 'connected'))
  socket.on('data', (data) => tell(id, `got ${data}`))
  socket.on('close', () => tell(id, 'closed'))
  socket.on('error', (error: NodeJS.ErrnoException) => tell(id, `error ${error.code}`))
  return { say: (text) => socket.write(text), close: () => socket.destroy() }
}

function openUdp(id: string, host: string, port: number): Open {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (data) => tell(id, `got ${data}`))
  socket.on('error', (error: NodeJS.ErrnoException) => tell(id, `error ${error.code}`))
  socket.bind(() => tell(id, 'connected'))
  return { say: (text) => socket.send(text, port, host), close: () => socket.close() }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command = '', id = '', ...rest] = line.split(' ')
    const [protocol, host = '', port] = rest
    if (command === 'open') calls.set(id, (protocol === 'tcp' ? openTcp : openUdp)(id, host, Number(port)))
    else if (command === 'say') calls.get(id)?.say(rest.join(' '))
    else calls.get(id)?.close()
  })
  .on('close', () => process.exit(0))

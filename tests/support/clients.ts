import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import type { Socket as DatagramSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './run.ts'

/** A machine on a cable of its own: a namespace `NAME`, and the host's end of the cable, an interface `to-NAME`. */
export interface Client {
  readonly name: string
  readonly mac: string
  readonly interfaceName: string
  readonly address: string
  readonly address6: string
  /** The host's addresses on this cable. */
  readonly host: string
  readonly host6: string
  readonly programs: Programs
}

/** How long to wait for what must happen, on a machine that has other work. */
const PATIENCE = 10_000

/** Cables machines to the host, which is the private namespace that this runs in. */
export function cableClient(name: string, number: number, mac: string): Client {
  run('ip', ['netns', 'add', name])
  const client: Client = {
    name,
    mac,
    interfaceName: `to-${name}`,
    address: `10.50.${number}.2`,
    address6: `2001:db8:50:${number}::2`,
    host: `10.50.${number}.1`,
    host6: `2001:db8:50:${number}::1`,
    programs: new Programs(name),
  }
  const { interfaceName } = client
  run('ip', ['link', 'add', interfaceName, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
  const far = [
    'link set lo up',
    `link set eth0 address ${mac}`,
    `address add ${client.address}/24 dev eth0`,
    `address add ${client.address6}/64 dev eth0 nodad`,
    'link set eth0 up',
  ]
  run('ip', ['-batch', '-'], hostEnd(client).join('\n'))
  run('ip', ['-n', name, '-batch', '-'], far.join('\n'))
  return client
}

/** What makes the host's end of the cable usable, as lines of `ip -batch`. */
export function hostEnd({ interfaceName, host, host6 }: Client): readonly string[] {
  return [
    `address add ${host}/24 dev ${interfaceName}`,
    `address add ${host6}/64 dev ${interfaceName} nodad`,
    `link set ${interfaceName} up`,
  ]
}

export async function unplug(client: Client): Promise<void> {
  await client.programs.end()
  run('ip', ['link', 'del', client.interfaceName])
  run('ip', ['netns', 'del', client.name])
}

/** A connection, or a datagram socket, of a client. */
export class Call {
  static #count = 0
  readonly #programs: Programs
  readonly #id: string

  constructor(client: Client, protocol: 'tcp' | 'udp', address: string, port: number) {
    this.#programs = client.programs
    this.#id = `call${++Call.#count}`
    this.#programs.tell(`open ${this.#id} ${protocol} ${address} ${port}`)
  }

  say(text: string): void {
    this.#programs.tell(`say ${this.#id} ${text}`)
  }

  /** Did this happen by then? */
  async hears(what: string, milliseconds = PATIENCE): Promise<boolean> {
    return within(milliseconds, () => this.#programs.happened.delete(`${this.#id} ${what}`))
  }

  hangUp(): void {
    this.#programs.tell(`close ${this.#id}`)
  }
}

/** One process in the client's namespace for all its sockets. */
class Programs {
  readonly happened = new Set<string>()
  readonly #child: ChildProcessWithoutNullStreams
  readonly #gone: Promise<unknown>

  constructor(namespace: string) {
    const script = new URL('./client-child.ts', import.meta.url).pathname
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script], { stdio: 'pipe' })
    this.#gone = once(this.#child, 'exit')
    this.#child.stderr.pipe(process.stderr)
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.happened.add(line))
  }

  tell(command: string): void {
    this.#child.stdin.write(`${command}\n`)
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    await this.#gone
  }
}

/** What the host's programs hear on a port, TCP and UDP, both families; and their voice. */
export class Switchboard {
  readonly #server: Server
  readonly #datagrams: DatagramSocket
  readonly #heard = new Set<string>()
  /** Every one, since who is refused cannot even close a connection. */
  readonly #all = new Set<Socket>()
  readonly #sockets = new Map<string, Socket>()
  readonly #senders = new Map<string, number>()

  private constructor() {
    this.#server = createServer((socket) => {
      const from = plain(socket.remoteAddress ?? '')
      socket.setNoDelay(true)
      this.#all.add(socket)
      this.#sockets.set(from, socket)
      socket.on('data', (data) => this.#heard.add(`tcp ${from} ${data}`))
      socket.on('error', () => socket.destroy())
    })
    this.#datagrams = createSocket({ type: 'udp6' })
    this.#datagrams.on('message', (data, { address, port }) => {
      this.#senders.set(plain(address), port)
      this.#heard.add(`udp ${plain(address)} ${data}`)
    })
  }

  static async open(port: number): Promise<Switchboard> {
    const board = new Switchboard()
    board.#server.listen(port, '::')
    board.#datagrams.bind(port, '::')
    await Promise.all([once(board.#server, 'listening'), once(board.#datagrams, 'listening')])
    return board
  }

  async hears(
    protocol: 'tcp' | 'udp',
    from: string,
    text: string,
    milliseconds = PATIENCE,
  ): Promise<boolean> {
    return within(milliseconds, () => this.#heard.delete(`${protocol} ${from} ${text}`))
  }

  /** Speaks over the connection, or to the socket, that this address last used. */
  say(protocol: 'tcp' | 'udp', to: string, text: string): void {
    if (protocol === 'tcp') this.#sockets.get(to)?.write(text)
    else this.#datagrams.send(text, this.#senders.get(to) ?? 0, to.includes(':') ? to : `::ffff:${to}`)
  }

  close(): void {
    for (const socket of this.#all) socket.destroy()
    this.#server.close()
    this.#datagrams.close()
  }
}

function plain(address: string): string {
  return address.replace(/^::ffff:/, '')
}

async function within(milliseconds: number, happened: () => boolean): Promise<boolean> {
  const deadline = Date.now() + milliseconds
  for (;;) {
    if (happened()) return true
    if (Date.now() > deadline) return false
    await sleep(10)
  }
}

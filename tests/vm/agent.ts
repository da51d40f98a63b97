/** The line to the guest's agent (tests/vm/guest/agent): root's commands, whatever the guest's firewall does. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** The guest's tty keeps 4096 bytes that were not read yet; what is more is lost. */
const LONGEST = 2800

export class Agent {
  #socket: Socket | undefined
  #count = 0
  readonly #running = new Map<number, (ran: Ran) => void>()
  readonly #boots: string[] = []

  /** Connects to QEMU's socket, which QEMU makes when it starts. */
  async connect(path: string): Promise<void> {
    for (let attempt = 0; this.#socket === undefined; attempt++) {
      this.#socket = await tryToConnect(path)
      if (attempt > 100) throw new Error(`no QEMU listens on ${path}`)
      if (this.#socket === undefined) await sleep(100)
    }
    this.#socket.on('error', () => undefined)
    createInterface({ input: this.#socket }).on('line', (line) => this.#hear(line))
  }

  /** How often the agent said that it is ready. */
  get boots(): number {
    return this.#boots.length
  }

  async ran(script: string, seconds: number): Promise<Ran> {
    const base64 = Buffer.from(script).toString('base64')
    if (base64.length > LONGEST) throw new Error('this script is too long for the serial line: use Vm.write')
    const id = ++this.#count
    const late = AbortSignal.timeout(seconds * 1000)
    return new Promise((resolve, reject) => {
      late.addEventListener('abort', () => {
        this.#running.delete(id)
        reject(new Error(`the guest did not answer within ${seconds} s: ${script}`))
      })
      this.#running.set(id, resolve)
      this.#socket?.write(`${id} ${base64}\n`)
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #hear(line: string): void {
    const ready = /^ready ([0-9a-f-]{36})$/.exec(line)?.[1]
    if (ready !== undefined) this.#boots.push(ready)
    const [, id, status, stdout = '', stderr = ''] = /^ran (\d+) (\d+) =(\S*) =(\S*)$/.exec(line) ?? []
    const resolve = this.#running.get(Number(id))
    this.#running.delete(Number(id))
    resolve?.({ status: Number(status), stdout: text(stdout), stderr: text(stderr) })
  }
}

function text(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}

async function tryToConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

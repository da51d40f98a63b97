import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Connections, ConnectionsError } from '../apply/connections.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { ConnectionsReading } from '../host/read-connections.ts'
import {
  CONNECTIONS_QUESTION,
  KILLED_AT_ONCE,
  killQuestion,
  readConnections,
} from '../host/read-connections.ts'
import type { EstablishedSocket } from '../host/read-sockets.ts'
import { parseEndpoint } from '../host/read-sockets.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import {
  forgetQuestions,
  markQuestion,
  readFlowtables,
  readTracking,
  trackingQuestion,
} from '../host/read-tracking.ts'
import type { Peer, Ways } from '../host/ways.ts'
import { wayQuestions, waysOf } from '../host/ways.ts'
import { readRouteAnswers } from '../host/ssh-connections.ts'
import type { CommandOptions, RunCommand } from './command.ts'
import { runCommand } from './command.ts'
import { readHostFacts } from './host-reader.ts'

/** Milliseconds after which a tool is given up. */
const PATIENCE = 5000
/** All removals together: each one reads the whole table of entries. */
const FORGETTING = 5000

/** The connections of this network namespace, by way of `ss`, `ip`, `conntrack` and `nft`. Ending them takes CAP_NET_ADMIN. */
export class SystemConnections implements Connections {
  readonly #run: RunCommand

  constructor(run: RunCommand = runCommand) {
    this.#run = run
  }

  async sockets(): Promise<Result<ConnectionsReading, ConnectionsError>> {
    const output = await this.#ask('ss', CONNECTIONS_QUESTION)
    return output.ok ? ok(readConnections(output.value).value) : output
  }

  async ways(peers: readonly Peer[]): Promise<Result<Ways, ConnectionsError>> {
    // Neighbours as they are now: whoever dialled after the facts were read is in none of them.
    const { facts } = await readHostFacts(this.#run, [])
    const stdin = `${wayQuestions(peers).join('\n')}\n`
    // A peer without a way back has no answer, and ip then exits with 1.
    const output = await this.#ask('ip', ['-j', '-force', '-batch', '-'], { stdin, mayFail: true })
    return output.ok ? ok(waysOf(peers, readRouteAnswers(output.value).value, facts)) : output
  }

  async flows(): Promise<Result<readonly TrackedFlow[], ConnectionsError>> {
    const families = await Promise.all([
      this.#ask('conntrack', trackingQuestion('ipv4')),
      this.#ask('conntrack', trackingQuestion('ipv6')),
    ])
    const failed = families.find((answer) => !answer.ok)
    if (failed === undefined) {
      return ok(families.flatMap((answer) => (answer.ok ? readTracking(answer.value).value : [])))
    }
    // Reading takes no program on most kernels; removing does.
    const listed = await readFile('/proc/net/nf_conntrack', 'utf8').catch(() => undefined)
    return listed === undefined ? failed : ok(readTracking(listed).value)
  }

  async flowtables(): Promise<Result<readonly string[], ConnectionsError>> {
    const output = await this.#ask('nft', ['list', 'flowtables'])
    return output.ok ? ok(readFlowtables(output.value)) : output
  }

  async canKill(): Promise<Result<void, ConnectionsError>> {
    const pair = await loopbackPair()
    // Without a connection to try it on, the real ones show it: they are looked at again.
    if (pair === undefined) return ok(undefined)
    try {
      const killed = await this.#ask('ss', killQuestion([pair.socket]))
      if (!killed.ok) return killed
      const dead = await this.sockets()
      if (!dead.ok) return dead
      const { local, remote } = pair.socket
      const lives = dead.value.connected.some(
        (one) => one.local.port === local.port && one.remote.port === remote.port && one.protocol === 'tcp',
      )
      if (!lives) return ok(undefined)
      const why = 'this kernel does not let admit end connections (`ss -K`, CONFIG_INET_DIAG_DESTROY)'
      return fail({ kind: 'failed', message: why })
    } finally {
      pair.close()
    }
  }

  async kill(sockets: readonly EstablishedSocket[]): Promise<Result<void, ConnectionsError>> {
    for (let at = 0; at < sockets.length; at += KILLED_AT_ONCE) {
      const [first, ...others] = sockets.slice(at, at + KILLED_AT_ONCE)
      if (first === undefined) break
      const killed = await this.#ask('ss', killQuestion([first, ...others]))
      if (!killed.ok) return killed
    }
    return ok(undefined)
  }

  async forget(
    flows: readonly TrackedFlow[],
    all: readonly TrackedFlow[],
  ): Promise<Result<void, ConnectionsError>> {
    const end = this.elapsed() + FORGETTING
    for (const question of forgetQuestions(flows, all)) {
      if (this.elapsed() > end) break
      // It exits with 1 where the entry has run out meanwhile; the next listing tells what is there.
      const removed = await this.#ask('conntrack', question, { mayFail: true })
      if (!removed.ok) return removed
    }
    return ok(undefined)
  }

  async mark(flows: readonly TrackedFlow[], bits: number): Promise<Result<void, ConnectionsError>> {
    const end = this.elapsed() + FORGETTING
    for (const flow of flows) {
      if (this.elapsed() > end) break
      const marked = await this.#ask('conntrack', markQuestion(flow, bits), { mayFail: true })
      if (!marked.ok) return marked
    }
    return ok(undefined)
  }

  elapsed(): number {
    return performance.now()
  }

  async #ask(
    program: string,
    args: readonly string[],
    options: CommandOptions & { readonly mayFail?: boolean } = {},
  ): Promise<Result<string, ConnectionsError>> {
    const { mayFail = false, ...rest } = options
    const result = await this.#run(program, args, { timeout: PATIENCE, ...rest })
    switch (result.kind) {
      case 'missing':
        return fail({
          kind: 'missing',
          message: `the program ${program} is not installed${packageOf(program)}`,
        })
      case 'failed':
        return fail({
          kind: 'failed',
          message: `${program} could not be started: ${printable(result.reason)}`,
        })
      case 'ran': {
        if (result.timedOut || result.truncated) {
          return fail({ kind: 'failed', message: `${program} did not come to an end` })
        }
        if (result.code === 0 || mayFail) return ok(result.stdout)
        const why = result.stderr.trim().split('\n')[0] ?? ''
        return fail({ kind: 'failed', message: `${program} failed: ${printable(why).slice(0, 300)}` })
      }
      default:
        return result satisfies never
    }
  }
}

function packageOf(program: string): string {
  const found = new Map([
    ['ss', 'iproute2'],
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
    ['conntrack', 'conntrack'],
  ]).get(program)
  return found === undefined ? '' : `: apt install ${found}`
}

interface LoopbackPair {
  readonly socket: EstablishedSocket
  readonly close: () => void
}

/** A connection of this process with itself over lo; undefined where lo carries none. */
async function loopbackPair(): Promise<LoopbackPair | undefined> {
  const server = createServer()
  const sockets: Socket[] = []
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  try {
    server.on('connection', (socket) => sockets.push(socket.on('error', () => {})))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening', { signal: AbortSignal.timeout(PATIENCE) })
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    sockets.push(client)
    await once(client, 'connect', { signal: AbortSignal.timeout(PATIENCE) })
    client.on('error', () => {})
    const local = parseEndpoint(`127.0.0.1:${client.localPort}`)
    const remote = parseEndpoint(`127.0.0.1:${client.remotePort}`)
    if (local?.address === undefined || remote?.address === undefined) return undefined
    const ends = {
      local: { ...local, address: local.address },
      remote: { ...remote, address: remote.address },
    }
    return { socket: ends, close }
  } catch {
    close()
    return undefined
  }
}

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AGENT_SCRIPT } from './lab-agent-script.ts'

/** A machine of the lab, seen from the worker. Everything ends with the worker, which is process 1 of its namespace. */
export interface Agent {
  /** The process whose namespaces are the machine's. */
  readonly pid: number
  sysctl(path: string, value: string): void
  /** Runs lines of `ip -batch`; rejects with what ip said. */
  ip(lines: readonly string[]): Promise<void>
  /** Opens a socket that accepts (TCP) or sends back what it gets (UDP); rejects where that is not possible. */
  listen(protocol: 'tcp' | 'udp', port: number, address: string): Promise<void>
  /** Starts a probe; the answer comes to `onAnswer`, or never. */
  probe(probe: AgentProbe): void
  /** Sends once more what has not been answered. */
  again(): void
  /** All that was asked so far has been started. */
  started(): Promise<void>
  /** Ends the probes that still wait. */
  stop(): Promise<void>
  /** Forgets who has which MAC address, so that it must be asked again. */
  forgetNeighbours(): Promise<void>
}

export interface AgentProbe {
  readonly id: number
  readonly kind: 'ping' | 'tcp' | 'udp'
  /** An address, with `%INTERFACE` where it is link-local. */
  readonly target: string
  readonly port?: number
}

/** Starts an agent in a network namespace of its own, or in that of the worker. */
export async function startAgent(
  where: 'own' | 'here',
  onAnswer: (probe: number, admitted: boolean) => void,
): Promise<Agent> {
  const { pid, send, ask } = await startScript(where, onAnswer)
  return {
    pid,
    sysctl: (path, value) => send(`sysctl ${path} ${value}`),
    ip: async (lines) => {
      for (const line of lines) send(`line ${line}`)
      await ask('batch').catch((error: unknown) => {
        const said = error instanceof Error ? error.message : String(error)
        // ip ends with `Command failed -:7`, the number of the line.
        const number = /Command failed -:(\d+)/.exec(said)?.[1]
        throw new Error(`ip ${lines[Number(number) - 1] ?? ''}: ${said.replace(/ *Command failed.*/, '')}`)
      })
    },
    listen: (protocol, port, address) => ask(`listen ${protocol} ${port} ${address}`),
    probe: ({ id, kind, target, port }) => send(`probe ${id} ${kind} ${target} ${port ?? 0}`),
    again: () => send('again'),
    started: () => ask('sync'),
    stop: () => ask('stop'),
    forgetNeighbours: () => ask('forget'),
  }
}

/** The running script: `ask` waits for its `done` and rejects with what it says instead, or when it ends. */
interface Script {
  readonly pid: number
  readonly send: (line: string) => void
  readonly ask: (line: string) => Promise<void>
}

async function startScript(
  where: 'own' | 'here',
  onAnswer: (probe: number, admitted: boolean) => void,
): Promise<Script> {
  const perl = ['perl', '-e', AGENT_SCRIPT]
  const [file = '', ...rest] = where === 'own' ? ['unshare', '--net', ...perl] : perl
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: { resolve: (said: string) => void; reject: (error: Error) => void }[] = []
  const next = (): Promise<string> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
    })
  const broken = (error: Error): void => {
    for (const one of waiting.splice(0)) one.reject(error)
  }
  child.on('error', broken)
  child.on('exit', () => broken(new Error(`${file} ended early`)))
  child.stdin.on('error', broken)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word, id, admitted] = line.split(' ')
    if (word === 'answer') onAnswer(Number(id), admitted === '1')
    else waiting.shift()?.resolve(line)
  })
  const send = (line: string): void => {
    child.stdin.write(`${line}\n`)
  }
  const pid = Number((await next()).split(' ')[1])
  return {
    pid,
    send,
    ask: async (line) => {
      send(line)
      const said = await next()
      if (said !== 'done') throw new Error(said.replace(/^failed /, ''))
    },
  }
}

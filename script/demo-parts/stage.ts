/** The demo's network: two servers, their owner's machines, a stranger, and a gateway with the Internet behind it. */
import { spawn, spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Agent } from '../../src/system/lab-agent.ts'
import { startAgent } from '../../src/system/lab-agent.ts'

export const PORT = 22222
export const SERVERS = {
  recipe: { ip: '203.0.113.10', ip6: '2001:db8:1::10' },
  admit: { ip: '203.0.113.20', ip6: '2001:db8:1::20' },
} as const
export type ServerName = keyof typeof SERVERS

export const MACS = {
  laptop: '00:11:22:33:44:55',
  desk: '00:16:3e:00:00:02',
  phone: '00:16:3e:00:00:03',
  stranger: '00:16:3e:00:00:99',
  gateway: 'fe:00:00:00:01:01',
} as const
export const GROUP_MAC = '11:22:33:44:55:66'
/** A link to perl, in the demo's own /run. */
const SSHD = '/run/sshd'
export const FAR_AWAY = '198.51.100.66'

const ON_LINK: Record<string, { readonly number: number; readonly mac: string }> = {
  recipe: { number: 10, mac: '52:54:00:00:00:10' },
  admit: { number: 20, mac: '52:54:00:00:00:20' },
  gateway: { number: 1, mac: MACS.gateway },
  laptop: { number: 31, mac: MACS.laptop },
  desk: { number: 32, mac: MACS.desk },
  phone: { number: 33, mac: MACS.phone },
  // It has a MAC of its own until it tries to take the one on its label.
  spare: { number: 34, mac: '00:16:3e:00:00:04' },
  stranger: { number: 99, mac: MACS.stranger },
}

/** Whether a ping was answered and a TCP connection came about. */
export interface Tried {
  readonly ping: boolean
  readonly dial: boolean
}

export interface Stage {
  /** Everyone at once: each pings and dials. Results in the order of the calls. */
  attempt(calls: readonly Call[]): Promise<readonly Tried[]>
  /** Runs a program on one of the servers. */
  run(server: ServerName, argv: readonly string[], options?: { readonly cwd?: string }): Ran
  /** Types `ssh root@SERVER COMMAND` on a machine: a connection of its own to admit's server. */
  ssh(machine: string, command: string): Ran
  /** Gives a machine another MAC address; what `ip` said where it would not. */
  takeMac(machine: string, mac: string): Promise<string | undefined>
  /** Opens a connection that asks for an answer ten times a second. */
  openLine(machine: string, server: ServerName): Promise<OpenLine>
  /** How many packets and connections have been tried. */
  readonly tried: () => number
}

export interface Call {
  readonly who: string
  readonly server: ServerName
  readonly family?: 'ip' | 'ip6'
}

export interface Ran {
  readonly status: number
  readonly output: string
}

export interface OpenLine {
  /** Whether an answer still comes within the time. */
  answers(milliseconds: number): Promise<boolean>
}

export async function buildStage(): Promise<Stage> {
  const answers = new Map<number, boolean>()
  const names = [...Object.keys(ON_LINK), 'far']
  const agents = new Map<string, Agent>()
  const start = async (name: string): Promise<void> => {
    agents.set(name, await startAgent('own', (id, admitted) => answers.set(id, admitted)))
  }
  await Promise.all(names.map(start))
  const of = (name: string): Agent => {
    const agent = agents.get(name)
    if (agent === undefined) throw new Error(`nobody is called ${name}`)
    return agent
  }
  await wireUp(of)
  await Promise.all([startServer(of('recipe')), startServer(of('admit'))])
  startSshd(of('admit').pid)
  let counter = 0
  return {
    attempt: (calls) => {
      const first = counter
      counter += calls.length * 2
      return attempt(calls, first, of, answers)
    },
    run: (server, argv, options = {}) => run(of(server).pid, argv, options.cwd),
    ssh: (machine, command) => {
      counter++
      return run(of(machine).pid, ['perl', SSH, 'dial', `root@${SERVERS.admit.ip}`, command])
    },
    takeMac: (machine, mac) =>
      of(machine)
        .ip([`link set dev eth0 address ${mac}`])
        .then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        ),
    openLine: (machine, server) => {
      counter++
      return openLine(of(machine).pid, SERVERS[server].ip)
    },
    tried: () => counter,
  }
}

async function wireUp(of: (name: string) => Agent): Promise<void> {
  const here = await startAgent('here', () => {})
  const everyone = [...Object.keys(ON_LINK), 'far']
  for (const name of everyone) {
    const agent = of(name)
    agent.sysctl('net/ipv6/conf/all/accept_dad', '0')
    agent.sysctl('net/ipv6/conf/default/accept_dad', '0')
    agent.sysctl('net/ipv4/ping_group_range', '0 0')
  }
  of('gateway').sysctl('net/ipv4/ip_forward', '1')
  await Promise.all(everyone.map((name) => of(name).started()))
  await here.ip([
    'link add name wire type bridge stp_state 0 mcast_snooping 0',
    ...Object.entries(ON_LINK).map(
      ([name, { number, mac }]) =>
        `link add name eth0 index ${1000 + number} netns ${of(name).pid} address ${mac} type veth peer name w-${name}`,
    ),
    `link add name eth0 index 2000 netns ${of('far').pid} type veth peer name far netns ${of('gateway').pid}`,
  ])
  await Promise.all(
    Object.entries(ON_LINK).map(([name, { number }]) =>
      of(name).ip([
        'link set dev lo up',
        `address add 203.0.113.${number}/24 dev eth0`,
        `address add 2001:db8:1::${number}/64 dev eth0 nodad`,
        'link set dev eth0 up',
        ...(name === 'gateway'
          ? ['address add 198.51.100.1/24 dev far', 'link set dev far up']
          : ['route add default via 203.0.113.1']),
      ]),
    ),
  )
  await of('far').ip([
    `address add ${FAR_AWAY}/24 dev eth0`,
    'link set dev eth0 up',
    'route add default via 198.51.100.1',
  ])
  await here.ip([
    'link set dev wire up',
    ...Object.keys(ON_LINK).flatMap((name) => [
      `link set dev w-${name} master wire`,
      `link set dev w-${name} up`,
    ]),
  ])
}

/** Seconds for which nothing may come before a packet counts as lost; admitted ones take thousandths. */
const PATIENCE = 0.6

async function attempt(
  calls: readonly Call[],
  first: number,
  of: (name: string) => Agent,
  answers: ReadonlyMap<number, boolean>,
): Promise<readonly Tried[]> {
  for (const [index, { who, server, family = 'ip' }] of calls.entries()) {
    const target = SERVERS[server][family]
    of(who).probe({ id: first + index * 2, kind: 'ping', target })
    of(who).probe({ id: first + index * 2 + 1, kind: 'tcp', target, port: PORT })
  }
  const callers = [...new Set(calls.map((call) => of(call.who)))]
  const end = performance.now() + PATIENCE * 1000
  const missing = (): boolean =>
    calls.some((_, index) => !answers.has(first + index * 2) || !answers.has(first + index * 2 + 1))
  while (performance.now() < end && missing()) await sleep(20)
  await Promise.all(callers.map((agent) => agent.stop()))
  return calls.map((_, index) => ({
    ping: answers.get(first + index * 2) === true,
    dial: answers.get(first + index * 2 + 1) === true,
  }))
}

function inNetworkOf(pid: number, argv: readonly string[]): readonly string[] {
  return [`--net=/proc/${pid}/ns/net`, '--', ...argv]
}

function run(pid: number, argv: readonly string[], cwd?: string): Ran {
  const { status, stdout, stderr } = spawnSync('nsenter', inNetworkOf(pid, argv), {
    encoding: 'utf8',
    timeout: 30_000,
    ...(cwd !== undefined && { cwd }),
  })
  return { status: status ?? 70, output: stdout + stderr }
}

const SSH = fileURLToPath(new URL('../ssh-stand-in.pl', import.meta.url))

/** A stand-in under the name that admit looks for above whoever confirms. */
function startSshd(pid: number): void {
  symlinkSync('/usr/bin/perl', SSHD)
  const { status, output } = run(pid, [SSHD, SSH, 'serve', '22'])
  if (status !== 0) throw new Error(output)
}

const TALK = fileURLToPath(new URL('talk.ts', import.meta.url))

async function startServer(agent: Agent): Promise<void> {
  const argv = inNetworkOf(agent.pid, [process.execPath, TALK, 'answer', String(PORT)])
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
}

async function openLine(pid: number, address: string): Promise<OpenLine> {
  const argv = inNetworkOf(pid, [process.execPath, TALK, 'ask', String(PORT), address])
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = 0
  const lines = createInterface({ input: child.stdout })
  lines.on('line', () => heard++)
  await once(lines, 'line', { signal: AbortSignal.timeout(10_000) })
  return {
    answers: async (milliseconds) => {
      // What was on its way is let in first.
      await sleep(200)
      const before = heard
      await sleep(milliseconds)
      return heard > before
    },
  }
}

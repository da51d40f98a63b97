import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { parseIpAddress } from '../../src/net/ip-address.ts'
import type { RunCommand } from '../../src/system/command.ts'
import { runCommand } from '../../src/system/command.ts'
import { listenIn } from './drill-sockets.ts'
import type { Program, StartOptions } from './drill-program.ts'
import { allProcesses, killQuietly, startProgram } from './drill-program.ts'
import { expectOk } from './expect-ok.ts'
import { requirePrivateNamespace } from './private-namespace.ts'
import { inNamespace } from './raw-socket.ts'

/** A machine on a cable of its own: the host's end is the interface `to-NAME`. */
export interface Machine {
  readonly name: string
  readonly role: 'admin' | 'stranger'
  readonly mac: string
  readonly address: IpAddress
  readonly address6: IpAddress
  /** The host's addresses on this cable. */
  readonly host: IpAddress
  readonly host6: IpAddress
}

/**
 * A host with an SSH port and machines around it, in namespaces of their own below the test's: any number of them
 * live side by side. A policy and a state folder are the drill's to fill.
 */
export interface DrillLab {
  readonly machines: readonly Machine[]
  readonly sshPort: number
  /** The listening socket on the SSH port, where connections wait to be taken. */
  listener(): number
  /** Network namespaces: the host's, and the one where all the machines' ends of the cables are. */
  readonly hostNamespace: string
  readonly peerNamespace: string
  /** Of this lab alone; `state` in it is an empty private folder. */
  readonly folder: string
  readonly state: string
  /** A link to /bin/sh named sshd: who runs under it seems to have come over SSH. */
  readonly sshd: string
  start(argv: readonly string[], options?: Partial<StartOptions>): Promise<Program>
  /** As the program's own `runCommand`, on the host: for what runs in the test's process. */
  readonly command: RunCommand
  /** Runs to its end on the host, without a terminal; what it printed. A failure is an error with what it said. */
  run(program: string, args: readonly string[], stdin?: string): Promise<string>
  /** Every process that is on the host, also those that left their session. */
  processes(): readonly number[]
  /**
   * The power is cut and comes back: every process on the host is killed, its network is new and has no rules, and
   * what is started from now on reads another boot id. The folders stay.
   */
  reboot(): Promise<void>
  close(): Promise<void>
}

export const SSH_PORT = 22
/** The two ways to be known: by MAC, and by address. */
const MACHINES: readonly Machine[] = [
  machine('laptop', 'admin', 1),
  machine('office', 'admin', 2),
  machine('stranger', 'stranger', 3),
]

/** Devices, as lines of a policy: the admins of the lab. */
export const ADMIN_DEVICES = `  laptop: { mac: 02:ad:00:00:00:01, admin: true, unseen: true }
  office: { address: [10.60.2.2, "2001:db8:60:2::2"], admin: true, unseen: true }
`

let count = 0

export async function openLab(): Promise<DrillLab> {
  requirePrivateNamespace()
  const number = ++count
  const names = { hostNamespace: `host${number}`, peerNamespace: `peers${number}` }
  const folder = mkdtempSync(join(tmpdir(), 'admit-drill-'))
  const state = join(folder, 'state')
  mkdirSync(state)
  chmodSync(state, 0o700)
  const sshd = join(folder, 'sshd')
  symlinkSync('/bin/sh', sshd)
  let host = await startHost(names, sshd)
  let before: readonly string[] = []
  return {
    ...names,
    machines: MACHINES,
    sshPort: SSH_PORT,
    listener: () => host.listener,
    folder,
    state,
    sshd,
    start: (argv, options = {}) =>
      startProgram([...before, ...argv], { namespace: names.hostNamespace, terminal: true, ...options }),
    command: (program, args, options) =>
      inNamespace(names.hostNamespace, () => {
        const [first = '', ...rest] = [...before, program, ...args]
        return runCommand(first, rest, options)
      }),
    run: (program, args, stdin = '') =>
      inNamespace(names.hostNamespace, () => {
        const [first = '', ...rest] = [...before, program, ...args]
        return ran(first, rest, stdin)
      }),
    processes: () => host.processes(),
    reboot: async () => {
      await host.end()
      host = await startHost(names, sshd)
      before = anotherBoot(folder)
    },
    close: async () => {
      await host.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

type Names = Pick<DrillLab, 'hostNamespace' | 'peerNamespace'>

/** The host from one boot to the next. */
interface RunningHost {
  readonly listener: number
  processes(): readonly number[]
  end(): Promise<void>
}

async function startHost({ hostNamespace, peerNamespace }: Names, sshd: string): Promise<RunningHost> {
  await wire(hostNamespace, peerNamespace)
  const listener = listenIn(hostNamespace, SSH_PORT)
  const holder = inNamespace(hostNamespace, () => holdListener(sshd, listener))
  const namespace = inodeOf(hostNamespace)
  const processes = (): readonly number[] => allProcesses().filter((pid) => isIn(pid, namespace))
  return {
    listener,
    processes,
    end: async () => {
      holder.kill('SIGKILL')
      // Until a look finds none: a process may fork between the look and the blow.
      for (let all = processes(); all.length > 0; all = processes()) {
        for (const pid of all) killQuietly(pid, 'SIGKILL')
        await sleep(2)
      }
      closeSync(listener)
      await ran('ip', ['-batch', '-'], lines(`netns del ${hostNamespace}`, `netns del ${peerNamespace}`))
    },
  }
}

/** In front of a command: it reads a boot id that no boot before had. */
function anotherBoot(folder: string): readonly string[] {
  const file = join(folder, 'boot_id')
  writeFileSync(file, `${randomUUID()}\n`)
  const bind = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
  return ['unshare', '--mount', 'sh', '-c', bind, file]
}

/** A lab for as long as the work takes, however it ends. */
export async function withLab(work: (lab: DrillLab) => Promise<void>): Promise<void> {
  const lab = await openLab()
  try {
    await work(lab)
  } finally {
    await lab.close()
  }
}

function machine(name: string, role: Machine['role'], number: number): Machine {
  const address = (text: string): IpAddress => expectOk(parseIpAddress(text), text)
  return {
    name,
    role,
    mac: `02:ad:00:00:00:0${number}`,
    address: address(`10.60.${number}.2`),
    address6: address(`2001:db8:60:${number}::2`),
    host: address(`10.60.${number}.1`),
    host6: address(`2001:db8:60:${number}::1`),
  }
}

/** Which address is dialled decides which cable is used, so that one namespace is enough for all the machines. */
async function wire(host: string, peers: string): Promise<void> {
  const cables = MACHINES.map(
    ({ name, mac }) =>
      `link add to-${name} netns ${host} type veth peer name ${name} netns ${peers} address ${mac}`,
  )
  await ran('ip', ['-batch', '-'], lines(`netns add ${host}`, `netns add ${peers}`, ...cables))
  const near = MACHINES.flatMap(({ name, host: address, host6 }) => ends(`to-${name}`, address, host6))
  const far = MACHINES.flatMap(({ name, address, address6 }) => ends(name, address, address6))
  await Promise.all([
    ran('ip', ['-n', host, '-batch', '-'], lines('link set lo up', ...near)),
    ran('ip', ['-n', peers, '-batch', '-'], lines('link set lo up', ...far)),
  ])
}

function ends(name: string, address: IpAddress, address6: IpAddress): readonly string[] {
  return [
    `address add ${address}/24 dev ${name}`,
    `address add ${address6}/64 dev ${name} nodad`,
    `link set ${name} up`,
  ]
}

function lines(...all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('')
}

/**
 * A process named sshd that holds the listening socket: what makes the port SSH's. The kernel itself shakes hands. It
 * reads what nobody writes, and so ends with this process.
 */
function holdListener(sshd: string, listener: number): ChildProcess {
  const holder = spawn(sshd, ['-c', 'read -r line'], { stdio: ['pipe', 'ignore', 'ignore', listener] })
  holder.unref()
  return holder
}

async function ran(program: string, args: readonly string[], stdin: string): Promise<string> {
  const result = await runCommand(program, args, { stdin })
  if (result.kind === 'ran' && result.code === 0) return result.stdout
  const said = result.kind === 'ran' ? result.stderr : result.kind
  throw new Error(`${program} ${args.join(' ')} failed: ${said}\n${stdin.slice(0, 2000)}`)
}

function inodeOf(namespace: string): string {
  return `net:[${statSync(`/run/netns/${namespace}`).ino}]`
}

function isIn(pid: number, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === namespace
  } catch {
    return false
  }
}

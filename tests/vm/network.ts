/**
 * The guest's network: two bridges in the private namespace that the test runs in, with the guest and its clients on them,
 * each client in a namespace and with a MAC of its own. Nothing in it reaches further. The guest configures eth0 alone;
 * its eth1, on the second bridge, is for tests that want another network.
 */
import { spawn } from 'node:child_process'
import { run } from '../support/run.ts'
import type { Ran } from './agent.ts'

/** A bridge, where QEMU plugs in, and what is the guest's there. */
interface Cable {
  readonly bridge: string
  readonly tap: string
  /** The number of its networks, 10.60.0.0/24 and 2001:db8:60::/64 for 60. */
  readonly network: number
  readonly address: string
  readonly address6: string
  readonly mac: string
}

export const GUEST = cable('vm-bridge', 'vm-tap', 60)
export const BEHIND = cable('vm-bridge-1', 'vm-tap-1', 61)

export interface Client {
  readonly name: string
  readonly at: Cable
  readonly mac: string
  readonly address: string
  readonly address6: string
}

/** The one whom the tests' policies admit, a second one, and one whom they do not know. */
export const laptop = client('laptop', GUEST, 2)
export const spare = client('spare', GUEST, 3)
export const stranger = client('stranger', GUEST, 4)
/** Two on the second bridge. */
export const inner = client('inner', BEHIND, 2)
export const passer = client('passer', BEHIND, 3)

function cable(bridge: string, tap: string, network: number): Cable {
  return { bridge, tap, network, ...addresses(network, 1) }
}

function client(name: string, at: Cable, number: number): Client {
  return { name, at, ...addresses(at.network, number) }
}

function addresses(network: number, number: number): Pick<Cable, 'address' | 'address6' | 'mac'> {
  return {
    address: `10.${network}.0.${number}`,
    address6: `2001:db8:${network}::${number}`,
    mac: `52:54:00:${network}:00:0${number}`,
  }
}

export function layCables(): void {
  for (const { bridge, tap } of [GUEST, BEHIND]) {
    run('ip', ['link', 'add', bridge, 'type', 'bridge'])
    run('ip', ['link', 'set', bridge, 'up'])
    run('ip', ['tuntap', 'add', tap, 'mode', 'tap'])
    run('ip', ['link', 'set', tap, 'master', bridge, 'up'])
  }
  for (const { name, at, mac, address, address6 } of [laptop, spare, stranger, inner, passer]) {
    run('ip', ['netns', 'add', name])
    run('ip', ['link', 'add', `vm-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
    run('ip', ['link', 'set', `vm-${name}`, 'master', at.bridge, 'up'])
    const far = [
      'link set lo up',
      `link set eth0 address ${mac}`,
      `address add ${address}/24 dev eth0`,
      `address add ${address6}/64 dev eth0 nodad`,
      'link set eth0 up',
    ]
    run('ip', ['-n', name, '-batch', '-'], far.join('\n'))
  }
}

/** How a client calls ssh, and what it types there. */
export interface SshCall {
  readonly user?: 'root' | 'alice'
  readonly port?: number
  readonly address?: string
  /** More words for ssh, such as `-tt`. */
  readonly options?: readonly string[]
  readonly seconds?: number
}

/** The words that start a client's ssh; `key` is the file of the guests' key. */
export function sshWords(from: Client, key: string, call: SshCall = {}): readonly string[] {
  const { user = 'root', port = 22, address = GUEST.address, options = [] } = call
  const quiet = [
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
  ]
  const plain = ['-F', 'none', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=60', '-o', 'ControlPath=none']
  // Only what an emulated machine computes fast.
  const fast = ['-o', 'KexAlgorithms=curve25519-sha256', '-o', 'Ciphers=chacha20-poly1305@openssh.com']
  const there = ['-i', key, '-p', `${port}`, ...options, `${user}@${address}`]
  return ['ip', 'netns', 'exec', from.name, 'ssh', ...plain, ...quiet, ...fast, ...there]
}

/** ssh in a client's namespace: what the command said there; 255 is ssh's own failure. */
export async function ssh(from: Client, key: string, command: string, call: SshCall = {}): Promise<Ran> {
  const [program = '', ...words] = sshWords(from, key, call)
  const child = spawn(program, [...words, command], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const { seconds = 400 } = call
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      reject(
        new Error(`ssh from ${from.name} did not end within ${seconds} s: ${command}\n${stdout}${stderr}`),
      )
    }, seconds * 1000)
    child.once('error', reject)
    child.once('close', (status) => {
      clearTimeout(late)
      resolve({ status: status ?? 255, stdout, stderr })
    })
  })
}

/** Can this client open a TCP connection to the guest's port? `refused` by a reset, `silent` where nothing comes back. */
export function knock(
  from: Client,
  port: number,
  address: string = GUEST.address,
): 'open' | 'refused' | 'silent' {
  // Three SYNs: 0, 1 and 3 s.
  const script = `
    const socket = require('node:net').connect(${port}, '${address}')
    socket.on('connect', () => { console.log('open'); process.exit() })
    socket.on('error', (error) => { console.log(error.code === 'ECONNREFUSED' ? 'refused' : 'silent'); process.exit() })
    setTimeout(() => { console.log('silent'); process.exit() }, 4500)`
  const said = run('ip', ['netns', 'exec', from.name, process.execPath, '-e', script]).trim()
  if (said === 'open' || said === 'refused' || said === 'silent') return said
  throw new Error(`knocking at ${port}: ${said}`)
}

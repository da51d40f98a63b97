/**
 * A real Debian under QEMU, by emulation where there is no /dev/kvm: systemd is process 1, there is an sshd, and there
 * are boots and power cuts. One core, 768 MB; a boot takes about half a minute. Runs in a private network (script/netns)
 * and dies with the process that started it.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import {
  accessSync,
  closeSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../support/run.ts'
import type { Ran } from './agent.ts'
import { Agent } from './agent.ts'
import { makeCheckoutDisk } from './image.ts'
import type { Client, SshCall } from './network.ts'
import { BEHIND, GUEST, layCables, ssh, sshWords } from './network.ts'

/** Seconds that a boot may take, and a command in the guest: both take a tenth of it on a machine that has no other work. */
const BOOT = 400
const PATIENCE = 400

export class Vm {
  readonly #image: string
  readonly #folder: string
  #qemu: ChildProcess | undefined
  #agent = new Agent()
  #disks: readonly number[] = []

  private constructor(image: string) {
    this.#image = image
    this.#folder = `${mkdtempSync(`${tmpdir()}/admit-vm-`)}/`
  }

  /** Boots a fresh copy of the image (imageOrSay) with this checkout as /opt/admit, and its network. Once a process. */
  static async boot(image: string): Promise<Vm> {
    const vm = new Vm(image)
    try {
      run('cp', ['--sparse=always', `${image}root.ext4`, `${vm.#folder}root.ext4`])
      makeCheckoutDisk(vm.#folder)
      vm.#disks = [keepNameless(`${vm.#folder}root.ext4`), keepNameless(`${vm.#folder}checkout.ext4`)]
      copyFileSync(`${image}key`, vm.key)
      chmodSync(vm.key, 0o600)
      layCables()
      await vm.powerOn()
      return vm
    } catch (error) {
      vm.end()
      throw error
    }
  }

  /** The file with the key that root and alice of the guest accept. */
  get key(): string {
    return `${this.#folder}key`
  }

  /** Runs a shell script in the guest as root, not over the network. */
  async run(script: string, seconds = PATIENCE): Promise<Ran> {
    return this.#agent.ran(script, seconds)
  }

  /** The same; what it printed. Throws where it fails. */
  async sh(script: string, seconds = PATIENCE): Promise<string> {
    const { status, stdout, stderr } = await this.run(script, seconds)
    if (status !== 0) throw new Error(`in the guest, status ${status}: ${script}\n${stdout}${stderr}`)
    return stdout.trimEnd()
  }

  /** Makes a file in the guest, of any length. */
  async write(path: string, text: string, mode = '600'): Promise<void> {
    const base64 = Buffer.from(text).toString('base64')
    await this.sh(`mkdir -p "$(dirname '${path}')" && : >'${path}' && chmod ${mode} '${path}'`)
    for (let at = 0; at < base64.length; at += 1600) {
      await this.sh(`printf %s '${base64.slice(at, at + 1600)}' | base64 -d >>'${path}'`)
    }
  }

  /** Runs a command over a client's ssh. */
  async ssh(from: Client, command: string, call: SshCall = {}): Promise<Ran> {
    return ssh(from, this.key, command, call)
  }

  /** The words that start a client's ssh, for what wants a session of its own. */
  sshWords(from: Client, call: SshCall = {}): readonly string[] {
    return sshWords(from, this.key, call)
  }

  /** Waits until the script succeeds in the guest, which asks itself: each call from here starts a dozen processes there. */
  async until(script: string, seconds = 120): Promise<void> {
    const now = '$(cut -d. -f1 /proc/uptime)'
    const { status } = await this.run(
      `end=$((${now} + ${seconds})); until (${script}\n) >/dev/null 2>&1; do [ ${now} -lt $end ] || exit 1; sleep 0.2; done`,
      seconds + PATIENCE,
    )
    if (status !== 0) throw new Error(`not within ${seconds} s in the guest: ${script}`)
  }

  /** Starts the guest from its disk as it is, and waits until its boot is over; systemd's word for how it went. */
  async powerOn(): Promise<string> {
    this.#agent = new Agent()
    rmSync(`${this.#folder}agent`, { force: true })
    // The kernel kills it when this process dies, however it dies.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...this.#machine()], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await this.#agent.connect(`${this.#folder}agent`)
    return this.#booted(1)
  }

  /** Shuts down and boots again, as an administrator would. */
  async reboot(): Promise<string> {
    const before = this.#agent.boots
    // The shutdown may be faster than the answer.
    this.run('systemctl --no-block reboot').catch(() => undefined)
    return this.#booted(before + 1)
  }

  /** From one moment to the next there is no machine. What it had not synced to its disk is lost. */
  async cutPower(): Promise<void> {
    const qemu = this.#qemu
    this.#qemu = undefined
    if (qemu !== undefined && qemu.exitCode === null) {
      const gone = new Promise((resolve) => qemu.once('exit', resolve))
      qemu.kill('SIGKILL')
      await gone
    }
    this.#agent.close()
  }

  /** Ends it and removes its disks. */
  end(): void {
    this.#qemu?.kill('SIGKILL')
    this.#agent.close()
    for (const disk of this.#disks) closeSync(disk)
    this.#disks = []
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #booted(times: number): Promise<string> {
    const end = performance.now() + BOOT * 1000
    while (this.#agent.boots < times) {
      const over = performance.now() > end
      if (over || this.#qemu === undefined || this.#qemu.exitCode !== null) {
        const last = readFileSync(`${this.#folder}console`, 'utf8').slice(-4000)
        throw new Error(`the guest did not boot within ${BOOT} s; its console:\n${last}`)
      }
      await sleep(100)
    }
    return (await this.run('systemctl is-system-running --wait', BOOT)).stdout.trim()
  }

  #machine(): readonly string[] {
    const kernel = 'root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off panic=-1'
    const options = {
      machine: 'q35',
      accel: hasKvm() ? 'kvm' : 'tcg,tb-size=256',
      // Of the processors that QEMU emulates one of the fastest: 20 s instead of 29 s to a shell with `max`.
      cpu: hasKvm() ? 'host' : 'Nehalem',
      smp: '1',
      m: '768',
      display: 'none',
      kernel: `${this.#image}vmlinuz`,
      initrd: `${this.#image}initrd`,
      append: kernel,
    }
    const devices = [
      ...[GUEST, BEHIND].map(({ tap, mac }) => `virtio-net-pci,netdev=${tap},mac=${mac},romfile=`),
      ...this.#disks.map((disk) => `virtio-blk-pci,drive=disk${disk}`),
      'virtio-rng-pci',
    ]
    return [
      '-nodefaults',
      '-no-user-config',
      ...Object.entries(options).flatMap(([key, value]) => [`-${key}`, value]),
      ...[GUEST, BEHIND].flatMap(({ tap }) => [
        '-netdev',
        `tap,id=${tap},ifname=${tap},script=no,downscript=no`,
      ]),
      ...devices.flatMap((device) => ['-device', device]),
      ...this.#disks.flatMap((disk) => [
        '-drive',
        `if=none,id=disk${disk},format=raw,file=/proc/${process.pid}/fd/${disk}`,
      ]),
      '-serial',
      `file:${this.#folder}console`,
      '-serial',
      `unix:${this.#folder}agent,server=on,wait=off`,
    ]
  }
}

/** An open file without a name: it is gone when this process is, however that ends. */
function keepNameless(path: string): number {
  const file = openSync(path, 'r+')
  unlinkSync(path)
  return file
}

function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseIpAddress } from '../../src/net/ip-address.ts'
import type { Client } from './clients.ts'
import { cableClient, unplug } from './clients.ts'
import { answerOf, dialFrom, hangUp } from './drill-sockets.ts'
import { expectOk } from './expect-ok.ts'
import type { InstalledAdmit } from './ssh-admit.ts'
import { installAdmit, typeAt } from './ssh-admit.ts'
import type { SshHost } from './ssh-host.ts'
import { startSshHost } from './ssh-host.ts'
import type { SshWay } from './ssh-lab.ts'
import { sshOnce, SshSession } from './ssh-lab.ts'
import type { Said } from './ssh-process.ts'

export const FAMILIES = ['IPv4', 'IPv6'] as const
export type Family = (typeof FAMILIES)[number]

/** What `admit` ends with where something would not be safe, is not proven or was undone. */
export const UNSAFE = 3
const NEAR = '00:16:3e:00:00:01'
const SSH_PORT = 22
/** Milliseconds that a connection which is dropped may take: TCP's second try comes after one second. */
const REFUSED = 1500

/** What apply and every refusal say to type. */
const LINE = /^ {2}(ssh (?:-t )?-o ControlMaster=no -o ControlPath=none .* admit confirm)\r?$/m

/** The admins of the drills, as lines of a policy. */
export const DEVICES = {
  near: `  near: { mac: ${NEAR}, admin: true, unseen: true }\n`,
  far: '  far: { address: [10.50.2.2, "2001:db8:50:2::2"], admin: true, unseen: true }\n',
}

export function policyText(devices: string, grants: string): string {
  return `admit: 1\nhost: { log: off }\ndevices:\n${devices}grants:\n${grants}safety: { admins: 1 }\n`
}

/** Two that differ, and let both admins in. */
const BOTH = [
  policyText(DEVICES.near + DEVICES.far, '  - { from: [near, far], to: everything }\n'),
  policyText(DEVICES.near + DEVICES.far, '  - { from: [near, far], to: [ssh, ping] }\n'),
] as const

/** A host with a real sshd, admit on it, two admins who are let in and a stranger who is not. */
export class SshDrill {
  readonly host: SshHost
  readonly admit: InstalledAdmit
  readonly near: Client
  readonly far: Client
  readonly #stranger: Client
  readonly #open: SshSession[] = []

  private constructor(host: SshHost) {
    this.host = host
    this.admit = installAdmit(host)
    this.near = cableClient('near', 1, NEAR)
    this.far = cableClient('far', 2, '00:16:3e:00:00:02')
    this.#stranger = cableClient('stranger', 3, '00:16:3e:00:00:03')
  }

  static async start(): Promise<SshDrill> {
    const drill = new SshDrill(await startSshHost())
    try {
      // Before there are any rules everybody is let in: else that the stranger is not would say nothing.
      for (const family of FAMILIES)
        assert.ok(await drill.isLetIn(drill.#stranger, family), `no cable: ${family}`)
    } catch (error) {
      await drill.close()
      throw error
    }
    return drill
  }

  async close(): Promise<void> {
    for (const session of this.#open) await session.close()
    for (const client of [this.near, this.far, this.#stranger]) await unplug(client)
    await this.host.close()
  }

  /** A policy that lets both in is in force and confirmed, and the policy file has another one that does. */
  reset(): void {
    const { admit } = this
    // What a test that failed left pending must not fail the others.
    if (this.isInFlight()) admit.atConsole('admit rollback')
    const [one, other] = BOTH
    // A drill that ended well has mostly left one of them: an apply less for each.
    const [before] = this.#confirmed()
    if (before !== one && before !== other) {
      writeFileSync(admit.policy, one)
      const said = admit.atConsole('admit apply --no-confirm')
      assert.equal(said.status, 0, said.out)
    }
    const [now] = this.#confirmed()
    writeFileSync(admit.policy, now === one ? other : one)
  }

  /** The policy that was confirmed last; none at first. */
  #confirmed(): readonly string[] {
    const file = join(this.admit.state, 'policy.yaml')
    return existsSync(file) ? [readFileSync(file, 'utf8')] : []
  }

  /** A way from `near`, unless said otherwise. */
  way(family: Family, rest: Partial<SshWay> = {}, client = this.near): SshWay {
    return { from: client.name, to: hostOf(client, family), ...rest }
  }

  /** A session that the drill closes. */
  async opened(way: SshWay): Promise<SshSession> {
    const session = await SshSession.open(this.host, way)
    this.#open.push(session)
    return session
  }

  /** admit's table, as the kernel lists it. */
  table(): string {
    return this.admit.atConsole('nft list table inet admit').out
  }

  /** The newest line of `admit history`. */
  newest(): string {
    return this.admit.atConsole('admit history').out.split('\n')[0] ?? ''
  }

  isInFlight(): boolean {
    return readdirSync(this.admit.state).some((name) => /^(pending|undoing|confirming\..*)$/.test(name))
  }

  /**
   * Is a TCP connection to the SSH port let in? Dialled by this process itself: a program in the client's namespace might
   * be slow, and pass for one that is refused.
   */
  async isLetIn(client: Client, family: Family): Promise<boolean> {
    const address = expectOk(parseIpAddress(hostOf(client, family)), 'an address of the host')
    const fd = dialFrom(client.name, family === 'IPv4' ? 'ip' : 'ip6', address, SSH_PORT)
    try {
      const deadline = performance.now() + REFUSED
      while (answerOf(fd) === 'none' && performance.now() < deadline) await sleep(10)
      return answerOf(fd) === 'connected'
    } finally {
      hangUp(fd)
    }
  }

  /** Does ssh lead to a shell? */
  async getsIn(client: Client, family: Family): Promise<boolean> {
    const said = await sshOnce(this.host, this.way(family, {}, client), 'echo inside')
    return said.out.includes('inside')
  }

  expectConfirmed(said: Said): void {
    assert.equal(said.status, 0, said.out)
    assert.match(said.out, /Confirmed: these rules stay/)
    assert.ok(!this.isInFlight())
    // What is in force is the policy as it is now.
    assert.match(this.admit.atConsole('admit plan').out, /nothing to change/)
  }

  /** Types the line at `near`, and it confirms. */
  expectConfirmedBy(line: string): void {
    this.expectConfirmed(typeAt(this.host, this.near.name, line))
  }

  /** The end of every drill: admins are let in, and their ssh leads to a shell; the stranger is not. */
  async expectSafe(): Promise<void> {
    const asked = [this.near, this.far, this.#stranger].flatMap((client) =>
      FAMILIES.map((family) => ({ client, family })),
    )
    const [letIn, nearIn, farIn] = await Promise.all([
      Promise.all(asked.map(async ({ client, family }) => this.isLetIn(client, family))),
      this.getsIn(this.near, 'IPv4'),
      this.getsIn(this.far, 'IPv6'),
    ])
    const names = asked
      .filter((_, index) => letIn[index])
      .map(({ client, family }) => `${client.name} ${family}`)
    assert.deepEqual(names, ['near IPv4', 'near IPv6', 'far IPv4', 'far IPv6'])
    assert.deepEqual([nearIn, farIn], [true, true])
  }

  /** Waits for the watchdog. */
  async expectUndone(): Promise<void> {
    const deadline = performance.now() + 60_000
    while (this.isInFlight()) {
      assert.ok(performance.now() < deadline, 'never undone')
      await sleep(100)
    }
    const { out } = this.admit.atConsole('admit status')
    assert.match(out, /last +Undone at .*, nobody confirmed in time: the previous rules are in force/)
  }
}

/** The host's address on the client's cable. */
function hostOf(client: Client, family: Family): string {
  return family === 'IPv4' ? client.host : client.host6
}

/** It was refused in words that say why it proves nothing, and with what to type. */
export function expectRefused(said: Said, words: RegExp): void {
  assert.equal(said.status, UNSAFE, said.out)
  assert.match(said.out, /admit: not confirmed\./)
  assert.match(said.out, words)
  assert.match(said.out, LINE)
}

/** The line that it says to type. */
export function lineToType(said: Said): string {
  return LINE.exec(said.out)?.[1] ?? assert.fail(said.out)
}

/** The token that an apply shows which went well and waits to be confirmed. */
export function tokenOf(said: Said): string {
  assert.equal(said.status, 0, said.out)
  assert.match(said.out, /Not confirmed yet: after 900 s/)
  return /then type (\S+)/.exec(said.out)?.[1] ?? assert.fail(said.out)
}

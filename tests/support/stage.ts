import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './clients.ts'
import { cableClient, unplug } from './clients.ts'
import { run } from './run.ts'
import type { Heard } from './streams.ts'
import { Streamer } from './streams.ts'

/** What may pass after a cut, and how long it is watched that nothing more does. */
const SECOND = 1000
const SILENCE: Heard = { count: 0, whole: true, open: true }

/** A machine on its cable, and its programs; a restart replaces those. */
export interface Person {
  readonly client: Client
  streamer: Streamer
}

/** A talk: what each side has heard of the other. */
export interface Talk {
  readonly name: string
  readonly who: Person
  readonly protocol: 'tcp' | 'udp'
  readonly through: boolean
  readonly atServer: string
}

interface Macs {
  readonly laptop: string
  readonly guest: string
  readonly inner: string
}

/** This host with a server, two clients on cables of their own, and a machine with a server that is reached through it. */
export class Stage {
  readonly laptop: Person
  readonly guest: Person
  readonly inner: Person
  host = new Streamer()
  readonly #port: number

  private constructor(port: number, macs: Macs) {
    this.#port = port
    this.laptop = person('laptop', 1, macs.laptop)
    this.guest = person('guest', 2, macs.guest)
    this.inner = person('inner', 9, macs.inner)
    run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    for (const { client } of this.#people()) {
      run('ip', ['-n', client.name, 'route', 'add', 'default', 'via', client.host])
      run('ip', ['-n', client.name, '-6', 'route', 'add', 'default', 'via', client.host6])
    }
  }

  /** Serves on `port` here and on the machine behind. */
  static async open(port: number, macs: Macs): Promise<Stage> {
    const stage = new Stage(port, macs)
    await stage.#serve()
    return stage
  }

  async close(): Promise<void> {
    await this.host.end()
    for (const { client, streamer } of this.#people()) {
      await streamer.end()
      await unplug(client)
    }
  }

  /** Everybody's programs begin anew, and connection tracking knows nothing. */
  async restart(): Promise<void> {
    for (const one of this.#people()) {
      await one.streamer.end()
      one.streamer = new Streamer(one.client.name)
    }
    await this.host.end()
    this.host = new Streamer()
    run('conntrack', ['-F'])
    await this.#serve()
  }

  async #serve(): Promise<void> {
    await Promise.all([this.host, this.inner.streamer].map((one) => one.tell(`serve ${this.#port}`)))
  }

  #people(): readonly Person[] {
    return [this.laptop, this.guest, this.inner]
  }

  /** TCP and UDP of both families, with this host and, where asked for, with the machine behind it. */
  async talksOf(who: Person, where: 'direct' | 'everywhere'): Promise<readonly Talk[]> {
    const { client, streamer } = who
    const talks: Talk[] = []
    for (const through of where === 'direct' ? [false] : [false, true]) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const [to, to6] = through
          ? [this.inner.client.address, this.inner.client.address6]
          : [client.host, client.host6]
        for (const [target, own] of [[to, client.address] as const, [to6, client.address6] as const]) {
          const name = `${client.name} ${protocol} ${target}`.replaceAll(' ', '-')
          await streamer.tell(`dial ${name} ${protocol} ${target} ${this.#port}`)
          talks.push({ name, who, protocol, through, atServer: `${protocol} ${own}` })
        }
      }
    }
    return talks
  }

  /** What the server and the client of a talk have heard so far. */
  async heardOf(
    talks: readonly Talk[],
  ): Promise<readonly { readonly server: Heard; readonly client: Heard }[]> {
    const counts = new Map<Streamer, Readonly<Record<string, Heard>>>()
    for (const streamer of new Set([
      this.host,
      this.inner.streamer,
      ...talks.map(({ who }) => who.streamer),
    ])) {
      counts.set(streamer, await streamer.counts())
    }
    return talks.map(({ name, who, through, atServer }) => {
      const server = counts.get(through ? this.inner.streamer : this.host)?.[atServer]
      const client = counts.get(who.streamer)?.[name]
      return { server: server ?? SILENCE, client: client ?? SILENCE }
    })
  }

  async assertAlive(talks: readonly Talk[]): Promise<void> {
    const before = await this.heardOf(talks)
    await until(async () =>
      (await this.heardOf(talks)).every((now, index) => {
        const was = before[index]
        return was !== undefined && now.server.count > was.server.count && now.client.count > was.client.count
      }),
    )
    for (const [index, { server, client }] of (await this.heardOf(talks)).entries()) {
      const name = talks[index]?.name
      assert.ok(server.whole && client.whole && server.open && client.open, `${name} is broken`)
    }
  }

  /** Within a second nothing is heard any more: over TCP on neither side, over UDP nothing of the client's. */
  async assertCut(talks: readonly Talk[]): Promise<void> {
    await sleep(SECOND)
    const first = await this.heardOf(talks)
    await sleep(SECOND)
    for (const [index, { server, client }] of (await this.heardOf(talks)).entries()) {
      const [talk, was] = [talks[index], first[index]]
      assert.equal(server.count, was?.server.count, `${talk?.name}: the server hears`)
      if (talk?.protocol === 'tcp')
        assert.equal(client.count, was?.client.count, `${talk.name}: the client hears`)
    }
  }
}

function person(name: string, number: number, mac: string): Person {
  return { client: cableClient(name, number, mac), streamer: new Streamer(name) }
}

/** Waits for what must happen. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not happen in time')
    await sleep(20)
  }
}

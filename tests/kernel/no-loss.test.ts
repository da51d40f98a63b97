/**
 * Changing any of these policies into any other while a device that all of them admit sends as fast as it can: not one
 * packet of it is refused. They recognise it by whatever can be said of it, alone and among others, through ports of every kind.
 * ADMIT_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ADMIT_TABLE, compile } from '../../src/compile/compile.ts'
import { UNKNOWN_HOST } from '../../src/host/host-facts.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { diffTable } from '../../src/ruleset/diff.ts'
import { keepFirstApplied } from '../../src/ruleset/first-applied.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyStages, policyOf } from '../support/apply-policy.ts'
import type { Client } from '../support/clients.ts'
import { cableClient, unplug } from '../support/clients.ts'
import { expectOk } from '../support/expect-ok.ts'
import { ethernetFrame } from '../support/frames.ts'
import { caseCount, drawnSeed } from '../support/law-cases.ts'
import { nft } from '../support/nft.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { randomFrom } from '../support/random.ts'
import { run } from '../support/run.ts'

const APPLIES = caseCount(30, 100, 1500)
/** Milliseconds; a slow machine changes less often, and says so. */
const TIME = caseCount(6_000, 20_000, 400_000)
const seed = drawnSeed()
const MAC = '02:ad:00:00:01:02'
const PORT = 7000

const head = (forward: string): string => `admit: 1
host: { log: off, forward: ${forward} }
devices:
`
const others = `  desk: { mac: 02:ad:00:00:02:01, admin: true, unseen: true }
  office: { address: [203.0.113.7, "2001:db8:77::/64"] }
  guest: { mac: 02:ad:00:00:02:02, until: 2090-01-01T00:00:00Z }
`
const grants = (from: string, to: string): string => `grants:
  - { from: desk, to: everything }
  - { from: ${from}, to: ${to} }
safety: { admins: 1 }
`

/** The device is twin, with the MAC above and 10.50.2.2 or 2001:db8:50:2::2. */
const POLICIES = [
  `${head('drop')}  twin: { mac: ${MAC} }\n${others}${grants('twin', `${PORT}/udp`)}`,
  `${head('keep')}  twin: { mac: ${MAC} }\n${others}${grants('twin', `[53/udp, 6990-7010/udp, 8000-8001/udp]`)}`,
  `${head('guard')}  twin: { address: [10.50.2.2, "2001:db8:50:2::2"] }\n${others}${grants('twin', 'everything')}`,
  `${head('drop')}  twin: { address: [10.50.2.0/24, "2001:db8:50:2::/64"] }\n${others}${grants('[twin, office]', `[${PORT}-7001/udp, 53/udp]`)}`,
  `${head('drop')}  twin: { mac: ${MAC}, until: 2090-01-01T00:00:00Z }\n${others}${grants('[twin, guest]', `${PORT}/udp`)}`,
  `${head('keep')}  twin: { mac: ${MAC} }\n${others}${grants('[twin, guest]', `[${PORT}/udp, 443/tcp]`)}`,
  `${head('guard')}  twin: { bound: [{ mac: ${MAC}, address: 10.50.2.2 }, { mac: ${MAC}, address: "2001:db8:50:2::2" }] }\n${others}${grants('[twin, guest]', `${PORT}/udp`)}`,
  `${head('drop')}  twin: { mac: 02:ad:00:00:03:01 }\n  other: { mac: [${MAC}, 02:ad:00:00:03:02] }\n${others}${grants('[twin, other, office]', `[${PORT}/udp, 53/udp]`)}`,
  `${head('drop')}  twin: { mac: [${MAC}, 02:ad:00:00:03:02] }\n  other: { mac: 02:ad:00:00:03:01 }\n${others}${grants('[twin, other, office]', `[53/udp, ${PORT}-7002/udp]`)}`,
]

const COUNTERS = `table inet loss {
  counter arrived { }
  counter through { }
  chain arriving {
    type filter hook prerouting priority -290;
    iifname to-twin udp dport ${PORT} counter name arrived
  }
  chain arrived {
    type filter hook input priority 290;
    iifname to-twin udp dport ${PORT} counter name through drop
  }
}
`

interface Passed {
  readonly arrived: number
  readonly through: number
}

describe('a device that is admitted before and after', () => {
  const kernel = new NftKernel()
  let twin: Client
  let present: Table | undefined

  before(() => {
    requirePrivateNamespace()
    twin = cableClient('twin', 2, MAC)
  })
  after(async () => {
    await unplug(twin)
  })

  const tableOf = (index: number): Table => {
    const now = Math.floor(Date.now() / 1000)
    return keepFirstApplied(compile(policyOf(POLICIES[index] ?? '', now), UNKNOWN_HOST, { now }), present)
  }

  const turnTo = async (index: number): Promise<void> => {
    const wanted = tableOf(index)
    await applyStages(kernel, present, wanted)
    present = wanted
  }

  test('a rule that refuses it for a moment is seen', async () => {
    await turnTo(0)
    const { arrived, through } = await whileItSends(async () => {
      nft('insert rule inet admit input udp dport 7000 drop')
      await sleep(50)
      present = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
      await turnTo(0)
    })
    assert.ok(through > 0 && through < arrived, `${through} of ${arrived}`)
  })

  test('one policy after the other: nothing of it is refused', async (context) => {
    const random = randomFrom(seed)
    const deadline = Date.now() + TIME
    const turns = new Set<string>()
    let at = 0
    let applies = 0
    const { arrived, through } = await whileItSends(async () => {
      while (applies < APPLIES && Date.now() < deadline) {
        const next = random.between(0, POLICIES.length - 1)
        await turnTo(next)
        turns.add(`${at} to ${next}`)
        at = next
        applies++
      }
    })
    const words = `${applies} applies, ${turns.size} kinds; ${arrived - through} of ${arrived} packets refused`
    context.diagnostic(`ADMIT_SEED=${seed}: ${words}`)
    assert.equal(arrived - through, 0, words)
    assert.ok(applies >= 10 && arrived > 1000, words)
  })

  // How many are refused then depends on the kernel: to be read, and to know what the stages are for.
  test('the same in one transaction each', async (context) => {
    const count = Math.min(APPLIES, 30)
    await turnTo(0)
    const { arrived, through } = await whileItSends(async () => {
      for (let index = 0; index < count; index++) {
        const wanted = tableOf(index % POLICIES.length)
        expectOk(await kernel.apply(diffTable(present, wanted)), 'apply')
        present = wanted
      }
    })
    context.diagnostic(
      `${count} applies, each one transaction: ${arrived - through} of ${arrived} packets refused`,
    )
    assert.ok(arrived > 1000 && through > 0)
  })

  async function whileItSends(work: () => Promise<void>): Promise<Passed> {
    nft(COUNTERS)
    const script = new URL('../support/flood-child.ts', import.meta.url).pathname
    // It takes what processor time there is, and leaves nft its own.
    const words = ['-n', '15', 'ip', 'netns', 'exec', 'twin', process.execPath, script]
    const child = spawn('nice', words, { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdout.resume()
    const gone = once(child, 'exit')
    try {
      for (const bytes of frames()) child.stdin.write(`eth0 ${bytes.toString('hex')}\n`)
      child.stdin.write('go\n')
      while (passed().arrived === 0) {
        if (child.exitCode !== null) assert.fail('it never began to send')
        await sleep(5)
      }
      await work()
    } finally {
      child.stdin.end()
      await gone
    }
    await sleep(200)
    const counted = passed()
    nft('delete table inet loss')
    return counted
  }

  function frames(): readonly Buffer[] {
    const link = /link\/ether (\S+)/.exec(run('ip', ['link', 'show', twin.interfaceName]))?.[1]
    const ends = [
      { family: 'ip', source: twin.address, destination: twin.host },
      { family: 'ip6', source: twin.address6, destination: twin.host6 },
    ] as const
    return ends.map(({ family, source, destination }, index) =>
      ethernetFrame(link as MacAddress, MAC as MacAddress, {
        family,
        source: source as IpAddress,
        destination: destination as IpAddress,
        hopLimit: 64,
        id: 1 + index,
        dscp: 0,
        transport: { kind: 'udp', sourcePort: 50_000, destinationPort: PORT },
      }),
    )
  }

  function passed(): Passed {
    const listed = nft('list counters table inet loss')
    const [arrived = 0, through = 0] = [...listed.matchAll(/packets (\d+)/g)].map(([, count]) =>
      Number(count),
    )
    return { arrived, through }
  }
})

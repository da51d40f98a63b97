/** What admit lab promises: the matrix is right, a lie is found, and nothing stays or is touched. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LabReport } from '../../src/lab/lab-matrix.ts'
import { explainDifference } from '../../src/lab/lab-matrix.ts'
import { judge } from '../../src/policy/meaning.ts'
import { byMac, device, gateway, grant, host, link, mac, PING, policy, service } from './lab-fixtures.ts'
import { GUARDED, OFFICE, runCase, SMALL, VPS } from './lab-hosts.ts'

/** The matrix as `who@on: marks`, a letter a cell: a(dmitted), r(efused), i(n part), u(nreached), n(one). */
function rowsOf(report: LabReport): readonly string[] {
  return report.rows.map(
    (row) =>
      `${row.caller.title}@${row.caller.on} ${row.caller.through === undefined ? '' : `→ ${row.caller.through.title} `}${row.cells.map((cell) => cell.got[0]).join('')}`,
  )
}

/** A user who may not open /dev/net/tun has a lab without the tunnel, which says so. */
function hasTun(report: LabReport): boolean {
  return !report.notes.some((note) => note.includes('/dev/net/tun'))
}

function assertAsExpected(report: LabReport): void {
  assert.deepEqual(report.differences.map(explainDifference), [])
  assert.equal(report.unreached, 0)
}

async function reportOf(...args: Parameters<typeof runCase>): Promise<LabReport> {
  const outcome = await runCase(...args)
  assert.ok(outcome.ok, outcome.ok ? '' : `${outcome.error.message} ${outcome.error.detail ?? ''}`)
  return outcome.value
}

describe('the matrix', () => {
  test('of a small host', async () => {
    const report = await reportOf(SMALL)
    assertAsExpected(report)
    assert.deepEqual(
      report.services.map((one) => one.title),
      ['ping', 'ssh', 'port 40000'],
    )
    assert.deepEqual(rowsOf(report), [
      'laptop@eth0 aaa',
      'desk@eth0 aar',
      'stranger@eth0 rrr',
      'this host itself@lo aaa',
    ])
  })

  test('of a VPS: a gateway off every network, and whoever is behind it', async () => {
    const report = await reportOf(VPS)
    assertAsExpected(report)
    assert.deepEqual(rowsOf(report), [
      'laptop@eth0 aaaa',
      'office@eth0 aaar',
      'office@eth0 aaar',
      'the router@eth0 rrar',
      'behind the router@eth0 rrar',
      'stranger@eth0 rrar',
      'this host itself@lo aaaa',
    ])
  })

  test('of an office gateway with a bridge and a tunnel', async () => {
    const report = await reportOf(OFFICE)
    assertAsExpected(report)
    assert.deepEqual(
      rowsOf(report).filter((row) => !row.includes('@wg0')),
      [
        'laptop@wan rrrr',
        'laptop@br0 aaaa',
        'phone@wan aarr',
        'phone@br0 aarr',
        'desk@br0 aarr',
        'gone@wan rrrr',
        'gone@br0 rrrr',
        'uplink, the router@wan rrar',
        'behind the router@wan rrar',
        'stranger@wan rrrr',
        'stranger@br0 rrrr',
        'this host itself@lo aaaa',
      ],
    )
    assert.ok(report.notes.includes('old0 is down and was left out'))
    if (!hasTun(report)) return
    assert.deepEqual(
      rowsOf(report).filter((row) => row.includes('@wg0')),
      ['phone@wg0 aarr', 'stranger@wg0 rrrr'],
    )
  })

  test('of what goes through a gateway that guards it', async () => {
    const report = await reportOf(GUARDED)
    assertAsExpected(report)
    const rows = rowsOf(report).filter((row) => row.includes('→') && !/ r+$/.test(row))
    assert.deepEqual(
      rows.filter((row) => !row.includes('wg0')),
      [
        'uplink, the router@wan → 192.168.1.80 on br0 rrar',
        'behind the router@wan → 192.168.1.80 on br0 rrar',
      ],
    )
    if (hasTun(report)) assert.ok(rows.includes('desk@br0 → 10.8.0.0/24 on wg0 aarr'), rows.join('\n'))
  })

  test('of 20 devices, 5 services and both families takes less than 10 seconds', async () => {
    const services = [2000, 2001, 2002, 2003, 2004].map((port) => service(`s${port}`, `${port}/tcp`))
    const devices = Array.from({ length: 20 }, (_, index) =>
      device(`d${index}`, [byMac(`00:16:3e:00:01:${index.toString(16).padStart(2, '0')}`)]),
    )
    const grants = devices.map((one, index) => grant([one.name], [PING, ...services.slice(index % 5)]))
    const facts = host(
      [link('eth0', 'physical', ['192.0.2.10/24', '2001:db8:1::10/64'], { mac: mac('52:54:00:00:00:10') })],
      { gateways: [gateway('eth0', '192.0.2.1', 'fe:00:00:00:01:01')] },
    )
    const time = async (): Promise<number> => {
      const begun = performance.now()
      const report = await reportOf({ facts, policy: policy(devices, grants, { services }) })
      const seconds = (performance.now() - begun) / 1000
      assertAsExpected(report)
      console.log(
        `lab: 20 devices, 5 services, both families: ${report.sent} packets in ${seconds.toFixed(1)} s`,
      )
      return seconds
    }
    // Other tests run at the same time: the better of two runs is the lab's own.
    const seconds = await time()
    assert.ok(seconds < 10 || (await time()) < 10)
  })
})

describe('what is not as it should be', () => {
  test('a lie about one packet is the only difference', async () => {
    const report = await reportOf(SMALL, {
      expected: (packet) => {
        const truth = judge(SMALL.policy, SMALL.facts, packet).verdict === 'admitted'
        const planted = packet.source === '192.168.1.7' && packet.destinationPort === 22222
        return planted ? !truth : truth
      },
    })
    assert.equal(report.differences.length, 1)
    assert.deepEqual(report.differences.map(explainDifference), [
      'desk (00:16:3e:00:00:07 192.168.1.7) on eth0: ssh, 22222/tcp over IPv4, from 192.168.1.7 to 192.168.1.10: the packet was admitted, and explain says refused',
    ])
  })

  test('rules that nft refuses are reported as such', async () => {
    const outcome = await runCase(SMALL, { rules: 'table inet admit { nonsense }' })
    assert.ok(!outcome.ok)
    assert.equal(outcome.error.kind, 'rejected')
    assert.match(outcome.error.detail ?? '', /nonsense/)
  })
})

interface Machine {
  readonly processes: readonly string[]
  readonly namespaces: readonly string[]
  readonly links: string
  readonly rules: string
  readonly mounts: string
}

/** All that a lab could have changed here. */
function machine(): Machine {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const look = (path: string, read: (path: string) => string): readonly string[] =>
    pids.flatMap((pid) => {
      try {
        return [read(`/proc/${pid}/${path}`)]
      } catch {
        return []
      }
    })
  const run = (file: string, args: readonly string[]): string =>
    spawnSync(file, args, { encoding: 'utf8' }).stdout
  const commands = look('cmdline', (path) => readFileSync(path, 'utf8').replaceAll('\0', ' '))
  return {
    processes: commands.filter((command) => /lab-worker|AF_INET6|\/dev\/net\/tun/.test(command)),
    namespaces: [...new Set(look('ns/net', (path) => readlinkSync(path)))].toSorted(),
    links: run('ip', ['-br', 'addr']),
    rules: run('nft', ['list', 'ruleset']),
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
  }
}

/** Waits until the machine is as it was: what was killed takes a moment to go. */
async function untouchedSince(before: Machine): Promise<void> {
  const end = performance.now() + 3000
  while (performance.now() < end && machine().namespaces.length > before.namespaces.length) await sleep(50)
  assert.deepEqual(machine(), before)
}

describe('nothing is left behind and nothing is touched', () => {
  test('after a lab that ran to its end', async () => {
    const before = machine()
    await reportOf(OFFICE)
    await untouchedSince(before)
  })

  for (const moment of ['build', 'wires', 'rules', 'at once', 'half way'] as const) {
    test(`after SIGKILL: ${moment}`, async () => {
      const before = machine()
      const child = spawn(process.execPath, [fileURLToPath(new URL('lab-child.ts', import.meta.url))], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = once(child, 'exit')
      if (moment === 'at once') await sleep(150)
      else {
        for await (const line of createInterface({ input: child.stdout })) {
          if (line === (moment === 'half way' ? 'build' : moment)) break
        }
        if (moment === 'half way') await sleep(120)
      }
      assert.equal(child.kill('SIGKILL'), true)
      assert.deepEqual(await gone, [null, 'SIGKILL'])
      await untouchedSince(before)
    })
  }
})

/** The tools of the drills: a drill that cannot fail proves nothing, so what they tell apart is shown first. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, policyOf } from '../support/apply-policy.ts'
import { ALL_WAYS_TO_KILL, WAYS_TO_KILL } from '../support/drill-kill.ts'
import { ADMIN_DEVICES, openLab, withLab } from '../support/drill-lab.ts'
import { groupOf, isAlive, sessionOf } from '../support/drill-program.ts'
import {
  ADMINS_ONLY,
  EVERYBODY,
  expectReach,
  expectSafe,
  NOBODY,
  whoReaches,
} from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'
import { logIn } from '../support/drill-session.ts'

/** Rules by hand, so that the drills' tools are tested without admit. */
function rules(accepted: readonly string[], family = 'inet'): string {
  return `table ${family} mine {
  chain input {
    type filter hook input priority 0; policy drop
${accepted.map((match) => `    ${match} accept\n`).join('')}  }
}
`
}

const NEIGHBOURS = 'meta l4proto ipv6-icmp'
const LAPTOP = 'ether saddr 02:ad:00:00:00:01'
const OFFICE = ['ip saddr 10.60.2.2', 'ip6 saddr 2001:db8:60:2::2']
const GUARDED = rules([NEIGHBOURS, LAPTOP, ...OFFICE])

describe('a lab on its own', () => {
  test('is set up, and asked who gets in, in a moment', async (context) => {
    const started = performance.now()
    await withLab(async (lab) => {
      const ready = performance.now()
      await lab.run('nft', ['-f', '-'], GUARDED)
      await expectSafe(lab, 'first')
      const asked = performance.now()
      await expectSafe(lab, 'second')
      const times = [ready - started, performance.now() - asked].map((time) => time.toFixed(0))
      context.diagnostic(`a lab takes ${times[0]} ms, the question ${times[1]} ms`)
    })
  })

  test('is safe under a policy with its devices as admins', async () => {
    await withLab(async (lab) => {
      const now = Math.floor(Date.now() / 1000)
      const grants = 'grants: [{ from: [laptop, office], to: everything }]'
      const policy = policyOf(`admit: 1\ndevices:\n${ADMIN_DEVICES}${grants}\n`, now)
      await applyPolicy(new NftKernel({ run: lab.command }), policy)
      await expectSafe(lab, 'under the policy')
    })
  })
})

describe('labs side by side', { concurrency: 4 }, () => {
  test('tell an open host from a guarded one and from a closed one, each in a lab of its own', async () => {
    await Promise.all([
      withLab(async (lab) => {
        await expectReach(lab, EVERYBODY, 'open')
        await assert.rejects(expectSafe(lab, 'open'), /who reaches SSH/)
      }),
      withLab(async (lab) => {
        await lab.run('nft', ['-f', '-'], GUARDED)
        await expectSafe(lab, 'guarded')
      }),
      withLab(async (lab) => {
        await lab.run('nft', ['-f', '-'], rules([NEIGHBOURS]))
        await expectReach(lab, NOBODY, 'closed')
        assert.deepEqual(await whoReaches(lab, ADMINS_ONLY, { patience: 300 }), [])
      }),
    ])
  })

  test('see one family left open, and one admin left out', async () => {
    await withLab(async (lab) => {
      await lab.run('nft', ['-f', '-'], rules([LAPTOP, 'ip saddr 10.60.2.2'], 'ip'))
      assert.ok((await whoReaches(lab, ADMINS_ONLY)).includes('stranger ip6'))
    })
    await withLab(async (lab) => {
      await lab.run('nft', ['-f', '-'], rules([NEIGHBOURS, LAPTOP, ...OFFICE.slice(1)]))
      await assert.rejects(expectReach(lab, ADMINS_ONLY, 'half', { patience: 300 }), /office ip/)
    })
  })

  test('know their processes, also those that left their session, and take them with them', async () => {
    const lab = await openLab()
    const program = await lab.start(['sh', '-c', 'setsid sleep 600 & echo "left $!"; sleep 600'])
    await program.says(/left \d+/)
    const all = lab.processes()
    assert.ok(all.includes(program.pid))
    await lab.close()
    assert.deepEqual(
      all.filter((pid) => isAlive(pid)),
      [],
    )
  })
})

describe('a reboot', { concurrency: 4 }, () => {
  test('takes rules and processes, leaves the folders, and is known by the boot id', async () => {
    await withLab(async (lab) => {
      const bootId = (): Promise<string> => lab.run('cat', ['/proc/sys/kernel/random/boot_id'])
      const ids = [await bootId()]
      await lab.run('nft', ['-f', '-'], GUARDED)
      const program = await lab.start([
        'sh',
        '-c',
        `setsid sleep 600 & echo kept >'${lab.state}/file'; echo ready; wait`,
      ])
      await program.says(/ready/)
      await lab.reboot()
      ids.push(await bootId())
      assert.ok(program.isGone())
      assert.equal(await lab.run('nft', ['list', 'ruleset']), '')
      assert.equal(await lab.run('cat', [`${lab.state}/file`]), 'kept\n')
      await expectReach(lab, EVERYBODY, 'after the reboot')
      await lab.reboot()
      ids.push(await bootId())
      assert.equal(new Set(ids).size, 3)
    })
  })
})

describe('a session', { concurrency: 4 }, () => {
  for (const [family, address] of [
    ['ip', '10.60.1.2'],
    ['ip6', '2001:db8:60:1::2'],
  ] as const) {
    test(`over ${family} is seen as an SSH connection of the machine`, async () => {
      await withLab(async (lab) => {
        const session = await logIn(lab, 'laptop', family)
        const whoami = [process.execPath, 'src/main.ts', 'whoami']
        for (const argv of [whoami, ['sh', '-c', '"$@"; exit', 'sh', ...whoami]]) {
          const program = await session.start(argv)
          await program.says(new RegExp(`you are ${address} on to-laptop, with the MAC 02:ad:00:00:00:01`))
          assert.equal(await program.ended(), 0)
        }
        const console = await lab.start(whoami)
        assert.equal(await console.ended(), 0)
        assert.doesNotMatch(console.output(), /you are/)
        session.hangUp()
        await expectReach(lab, EVERYBODY, 'after the session')
      })
    })
  }

  test('is refused to who is not let in', async () => {
    await withLab(async (lab) => {
      await lab.run('nft', ['-f', '-'], GUARDED)
      await assert.rejects(logIn(lab, 'stranger'), /does not reach SSH/)
    })
  })
})

describe('a program at a terminal', { concurrency: 4 }, () => {
  test('has the terminal, a group of its own and the shell’s session', async () => {
    await withLab(async (lab) => {
      const program = await lab.start([
        process.execPath,
        '-e',
        'console.log(`tty ${process.stdin.isTTY} ${process.stdout.columns} ${process.pid}`); process.stdin.once("data", (text) => { console.log("got", String(text).trim()); process.exit(3) })',
      ])
      const said = await program.says(/tty true 80 (\d+)/)
      assert.equal(Number(said[1]), program.pid)
      assert.equal(groupOf(program.pid), program.pid)
      assert.notEqual(sessionOf(program.pid), program.pid)
      program.type('yes\n')
      await program.says(/got yes/)
      assert.equal(await program.ended(), 3)
    })
  })

  test('Ctrl-C reaches it', async () => {
    await withLab(async (lab) => {
      const program = await lab.start([
        'sh',
        '-c',
        'trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.05; done',
      ])
      await program.says(/ready/)
      program.type('\x03')
      await program.says(/interrupted/)
      assert.equal(await program.ended(), 9)
    })
  })

  test('without a terminal it has a session of its own, input and output', async () => {
    await withLab(async (lab) => {
      const program = await lab.start(['sh', '-c', 'read -r word; tty; echo "got $word" >&2; exit 5'], {
        terminal: false,
      })
      program.type('word\n')
      await program.says(/got word/)
      assert.match(program.output(), /not a tty/)
      assert.equal(await program.ended(), 5)
    })
  })
})

describe('each way to kill', { concurrency: 4 }, () => {
  /** Who is hit: the program, one that ignores what can be ignored, a child in its group, one that left the session. */
  const HIT: Readonly<Record<keyof typeof WAYS_TO_KILL, readonly string[]>> = {
    'SIGHUP to the process': ['plain'],
    'SIGINT to the process': ['plain'],
    'SIGTERM to the process': ['plain'],
    'SIGKILL to the process': ['plain', 'deaf'],
    'terminal closed': ['plain', 'child'],
    'process group killed': ['plain', 'child', 'deaf', 'deaf child'],
    'session killed': ['plain', 'child', 'deaf', 'deaf child'],
  }
  const DEAF = "trap '' HUP INT TERM; "
  const BODY =
    'sleep 600 & echo "child $!"; setsid sleep 600 & echo "away $!"; sleep 0.1; echo ready; wait; sleep 600'

  for (const way of ALL_WAYS_TO_KILL) {
    test(way, async () => {
      await withLab(async (lab) => {
        const hit: string[] = []
        for (const deaf of [false, true]) {
          const program = await lab.start(['sh', '-c', (deaf ? DEAF : '') + BODY])
          await program.says(/ready/)
          const child = Number((await program.says(/child (\d+)/))[1])
          const away = Number((await program.says(/away (\d+)/))[1])
          WAYS_TO_KILL[way](program)
          await sleep(300)
          const name = deaf ? 'deaf' : 'plain'
          if (program.isGone()) hit.push(name)
          if (!isAlive(child)) hit.push(deaf ? 'deaf child' : 'child')
          assert.ok(isAlive(away), `${way} reached a process that left the session`)
        }
        assert.deepEqual(hit.toSorted(), [...HIT[way]].toSorted())
      })
    })
  }
})

describe('a sample', () => {
  test('is drawn anew each time, and again by its seed', () => {
    const all = Array.from({ length: 500 }, (_, index) => index)
    const one = sampleOf(all, 20, 20, 7)
    assert.deepEqual(sampleOf(all, 20, 20, 7), one)
    assert.notDeepEqual(sampleOf(all, 20, 20, 8).drills, one.drills)
    assert.match(one.words, /^ADMIT_SEED=7: \d+ of 500 drills$/)
    assert.equal(new Set(one.drills).size, one.drills.length)
  })
})

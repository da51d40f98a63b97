/**
 * nft fails at each of its calls, in admit and in the guard, in every way, and it lies; then somebody else changes the
 * table, or all tables, while a change is being made or waits. In the end every admin can open SSH, no stranger can, and
 * the rules are exactly those of before or exactly those confirmed; where nft can load nothing at all, it is told.
 * ADMIT_SEED repeats a sample, `--long` does all of them.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Step } from '../../src/apply/machine.ts'
import { GUARD } from '../../src/system/guard.ts'
import type { ChildPlan } from '../support/drill-admit.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  goOn,
  guardThatHolds,
  heldAt,
  PATIENCE,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import type { Said } from '../support/drill-end.ts'
import { becomes, expectEnding, expectWords } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { NftFault, NftStandIn } from '../support/drill-nft.ts'
import { NFT_FAULTS, NFT_LIES, nftStandIn } from '../support/drill-nft.ts'
import { ADMINS_ONLY, expectReach, expectSafe, NOBODY } from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'

interface Scene {
  readonly prepare: (lab: DrillLab) => Promise<void>
  /** With this stand-in for nft in admit and in all that it starts. */
  readonly act: (lab: DrillLab, plan: Partial<ChildPlan>, before: string) => Promise<Said>
  readonly mayKeep: boolean
}

const SCENES: Readonly<Record<string, Scene>> = {
  'apply and the undo at its deadline': {
    prepare: async (lab) => writePolicy(lab, POLICY_BAD),
    act: async (lab, plan, before) => {
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD], plan)
      await settled(lab, PATIENCE)
      await becomes(lab, before)
      return said
    },
    mayKeep: false,
  },
  'apply --no-confirm': {
    prepare: async (lab) => writePolicy(lab, POLICY_GOOD),
    act: (lab, plan) => runAdmitIn(lab, ['apply', '--no-confirm'], plan),
    mayKeep: true,
  },
  confirm: {
    prepare: (lab) => pending(lab, POLICY_GOOD),
    act: (lab, plan) => runAdmitIn(lab, ['confirm', '--here'], plan),
    mayKeep: true,
  },
  rollback: {
    prepare: (lab) => pending(lab, POLICY_BAD, FORCE_BAD),
    act: (lab, plan) => runAdmitIn(lab, ['rollback'], plan),
    mayKeep: false,
  },
  boot: {
    prepare: async (lab) => {
      await pending(lab, POLICY_BAD, FORCE_BAD)
      await lab.reboot()
    },
    act: (lab, plan) => bootOnceMore(lab, plan),
    mayKeep: false,
  },
}

/**
 * No lies at boot: it has nothing to hold the kernel's rules against, since the next version of nft may list the same
 * rules otherwise. They are told by `admit status`, see below.
 */
const LIED_TO = Object.keys(SCENES).filter((name) => name !== 'boot')
const HONEST = NFT_FAULTS.filter((fault) => !NFT_LIES.some((lie) => lie === fault))

const counts = await countAll()
const drills = [...counts].flatMap(([name, { calls, loads }]) => [
  ...HONEST.flatMap((fault) => places(name, fault, calls)),
  ...(LIED_TO.includes(name) ? NFT_LIES : []).flatMap((fault) => places(name, fault, loads)),
])
const sample = sampleOf(drills, 10, 35)

describe(`nft at fault: ${sample.words}`, { concurrency: 3 }, () => {
  const started = performance.now()
  let left = sample.drills.length
  for (const { name, fault, at } of sample.drills) {
    test(`${name}: ${fault} at ${NFT_LIES.some((lie) => lie === fault) ? 'load' : 'call'} ${at}`, async (context) => {
      await failingNft(name, fault, at)
      if (--left === 0) {
        const all = [...counts].map(([scene, { calls, loads }]) => `${scene} ${calls} (${loads})`).join(', ')
        context.diagnostic(
          `${sample.words}, ${((performance.now() - started) / 1000).toFixed(0)} s; calls (loads): ${all}`,
        )
      }
    })
  }
})

test('every scene calls nft', () => {
  for (const [name, { calls, loads }] of counts) assert.ok(calls >= 1 && loads <= calls, name)
  assert.deepEqual([...counts.keys()].toSorted(), Object.keys(SCENES).toSorted())
})

function places(
  name: string,
  fault: NftFault,
  count: number,
): readonly { readonly name: string; readonly fault: NftFault; readonly at: number }[] {
  return Array.from({ length: count }, (_, index) => ({ name, fault, at: index + 1 }))
}

async function failingNft(name: string, fault: NftFault, at: number): Promise<void> {
  const scene = sceneOf(name)
  await withLab(async (lab) => {
    await beginConfirmed(lab)
    const before = await digestOf(lab)
    await scene.prepare(lab)
    const loadsOnly = NFT_LIES.some((lie) => lie === fault)
    const standIn = nftStandIn(lab.folder, { at, fault, loadsOnly })
    const said = await scene.act(lab, impatient(lab, standIn), before)
    assert.ok([0, 3, 4, 5].includes(said.exit ?? -1), `${said.exit}: ${said.output}`)
    expectWords(said)
    await expectSafe(lab, `${name}, ${fault}`)
    await expectEnding(lab, { before, mayKeep: scene.mayKeep, said })
  })
}

/** The minute that nft has is a few seconds here. */
function impatient(lab: DrillLab, standIn: NftStandIn): Partial<ChildPlan> {
  const guard = guardThatHolds(lab.folder, undefined, [['timeout -s KILL 60', 'timeout -s KILL 10']])
  return { before: standIn.before, guard, patience: 10_000 }
}

async function countAll(): Promise<Map<string, { readonly calls: number; readonly loads: number }>> {
  const found = new Map<string, { readonly calls: number; readonly loads: number }>()
  for (const [name, scene] of Object.entries(SCENES)) {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await scene.prepare(lab)
      const standIn = nftStandIn(lab.folder)
      const said = await scene.act(lab, impatient(lab, standIn), before)
      assert.equal(said.exit, 0, said.output)
      const calls = standIn.calls()
      const loads = calls.filter((call) => / ?-f /.test(call) && !/-c /.test(call))
      found.set(name, { calls: calls.length, loads: loads.length })
    })
  }
  return found
}

function sceneOf(name: string): Scene {
  const scene = SCENES[name]
  assert.ok(scene !== undefined, name)
  return scene
}

async function pending(lab: DrillLab, policy: string, force: readonly string[] = []): Promise<void> {
  writePolicy(lab, policy)
  const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', '120s', ...force])
  assert.equal(exit, 0, output)
}

/** A boot whose first try failed is done again: by systemd, or by hand. */
async function bootOnceMore(lab: DrillLab, plan: Partial<ChildPlan>): Promise<Said> {
  const boot = async (): Promise<Said> => {
    const argv = [...(plan.before ?? []), '/bin/sh', plan.guard ?? GUARD, 'boot', lab.state]
    const program = await lab.start(argv, { terminal: false })
    return { exit: await program.ended(PATIENCE), output: program.output() }
  }
  const first = await boot()
  if (first.exit === 0) return first
  assert.ok(first.exit === 1 || first.exit === 4, `${first.exit}: ${first.output}`)
  assert.match(first.output, /^admit-guard: \S/m)
  // 1: something that lets only admins in is loaded.
  if (first.exit === 1) await expectSafe(lab, 'after a boot that fell back')
  return boot()
}

describe('a boot that nft lies to', { concurrency: 3 }, () => {
  for (const fault of NFT_LIES) {
    test(`${fault}: admit status tells it, admit reload ends it`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await lab.reboot()
        const standIn = nftStandIn(lab.folder, { at: 1, fault, loadsOnly: true })
        const program = await lab.start([...standIn.before, '/bin/sh', GUARD, 'boot', lab.state], {
          terminal: false,
        })
        const exit = await program.ended(PATIENCE)
        if (fault === 'does nothing and succeeds') {
          // That much is looked at: is there a table? The next text is loaded in its place.
          assert.equal(exit, 1, program.output())
          await expectSafe(lab, 'what comes nearest')
        } else if (standIn.happened()) {
          assert.equal(exit, 0, program.output())
        }
        if (standIn.happened()) {
          const status = await runAdmitIn(lab, ['status'])
          assert.equal(status.exit, 1, status.output)
          assert.match(status.output, /in force, but not those last confirmed/)
        }
        const reloaded = await runAdmitIn(lab, ['reload', '--no-confirm'])
        assert.equal(reloaded.exit, 0, reloaded.output)
        assert.equal(await digestOf(lab), before)
        await expectSafe(lab, 'reloaded')
      })
    })
  }
})

describe('nft can load nothing at all', { concurrency: 3 }, () => {
  /** A guard for which no text loads as long as `broken` is there. */
  function brokenGuard(lab: DrillLab): string {
    writeFileSync(join(lab.folder, 'broken'), '')
    return guardThatHolds(lab.folder, undefined, [
      ['run_nft() {', `run_nft() { case $* in *-f*) ! [ -e '${lab.folder}/broken' ] || return 1 ;; esac;`],
    ])
  }

  test('at the deadline: the outcome says failed, status says so with exit code 1, and reload ends it', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      const guard = brokenGuard(lab)
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD], { guard })
      assert.equal(said.exit, 0, said.output)
      assert.ok(await settled(lab, PATIENCE))
      assert.match(readFileSync(join(lab.state, 'outcome'), 'utf8'), /^result failed\nwhy deadline$/m)
      const status = await runAdmitIn(lab, ['status'])
      assert.equal(status.exit, 1, status.output)
      assert.match(status.output, /not those last confirmed/)
      await expectReach(lab, NOBODY, 'nothing could be loaded')
      rmSync(join(lab.folder, 'broken'))
      const reloaded = await runAdmitIn(lab, ['reload', '--no-confirm'])
      assert.equal(reloaded.exit, 0, reloaded.output)
      assert.equal(await digestOf(lab), before)
      await expectSafe(lab, 'reloaded')
    })
  })

  test('rollback ends with 5 and says what to look at', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      await pending(lab, POLICY_BAD, FORCE_BAD)
      const said = await runAdmitIn(lab, ['rollback'], { guard: brokenGuard(lab) })
      assert.equal(said.exit, 5, said.output)
      assert.match(said.output, /no rules could be loaded at all: look at `nft list table inet admit`/)
    })
  })

  test('an apply that does not become what was meant ends with 5', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      writePolicy(lab, POLICY_GOOD)
      const nft = nftStandIn(lab.folder, { at: 1, loadsOnly: true, fault: 'lets everyone in' })
      const said = await runAdmitIn(lab, ['apply'], { guard: brokenGuard(lab), nft: nft.path })
      assert.equal(said.exit, 5, said.output)
      assert.match(said.output, /could not be brought back either/)
    })
  })

  test('at boot: exit code 4, loudly', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      await lab.reboot()
      const program = await lab.start(['/bin/sh', brokenGuard(lab), 'boot', lab.state], { terminal: false })
      assert.equal(await program.ended(PATIENCE), 4)
      assert.match(program.output(), /NO RULES ARE LOADED: this host is open/)
    })
  })
})

/** What somebody else does to the rules, with nft as root. */
const MEDDLING: Readonly<Record<string, (lab: DrillLab) => Promise<unknown>>> = {
  'deletes the table': (lab) => lab.run('nft', ['delete', 'table', 'inet', 'admit']),
  'lets everyone in': (lab) => lab.run('nft', ['insert', 'rule', 'inet', 'admit', 'input', 'accept']),
  'adds a rule that is never reached': (lab) =>
    lab.run('nft', ['add', 'rule', 'inet', 'admit', 'input', 'accept']),
  'adds a chain': (lab) => lab.run('nft', ['add', 'chain', 'inet', 'admit', 'own']),
  'empties a chain': (lab) => lab.run('nft', ['flush', 'chain', 'inet', 'admit', 'input']),
  'flushes the ruleset': (lab) => lab.run('nft', ['flush', 'ruleset']),
  'puts the table to sleep': (lab) => lab.run('nft', ['-f', '-'], 'table inet admit { flags dormant; }\n'),
}

describe('somebody else changes the rules inside the window', { concurrency: 3 }, () => {
  for (const [what, meddle] of Object.entries(MEDDLING)) {
    test(`${what}: the deadline brings back exactly those of before`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        // The rules are read back, and the window is about to open.
        const args = ['apply', '--confirm-within', '1s', ...FORCE_BAD]
        const program = await startAdmit(lab, args, { step: 'open-window' }, { terminal: false })
        await heldAt(lab, program, PATIENCE)
        await meddle(lab)
        goOn(lab)
        assert.equal(await program.ended(PATIENCE), 0, program.output())
        assert.ok(await settled(lab, PATIENCE))
        assert.equal(await digestOf(lab), before)
        await expectEnding(lab, { before, mayKeep: false, said: { exit: 0, output: '' } })
      })
    })

    test(`${what}: what is not what was applied is not confirmed`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await pending(lab, POLICY_GOOD)
        await meddle(lab)
        const confirmed = await runAdmitIn(lab, ['confirm', '--here'])
        assert.equal(confirmed.exit, 3, confirmed.output)
        assert.match(confirmed.output, /what would be confirmed is not what is in force/)
        assert.ok(existsSync(join(lab.state, 'pending')), 'it waits for its deadline')
        const rolledBack = await runAdmitIn(lab, ['rollback'])
        assert.equal(rolledBack.exit, 0, rolledBack.output)
        assert.equal(await digestOf(lab), before)
        await expectEnding(lab, { before, mayKeep: false, said: rolledBack })
      })
    })
  }

  test('a table of somebody else that drops admins: not touched, and the undo is exact all the same', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await pending(lab, POLICY_GOOD)
      const other = 'table inet other { chain c { type filter hook input priority 5; tcp dport 22 drop; }; }\n'
      await lab.run('nft', ['-f', '-'], other)
      await expectReach(lab, NOBODY, 'under the other table')
      const rolledBack = await runAdmitIn(lab, ['rollback'])
      assert.equal(rolledBack.exit, 0, rolledBack.output)
      assert.equal(await digestOf(lab), before)
      assert.match(await lab.run('nft', ['list', 'tables']), /table inet other/)
      // The next apply sees that admins would not get in, and refuses.
      const applied = await runAdmitIn(lab, ['apply', '--no-confirm'])
      assert.equal(applied.exit, 3, applied.output)
      assert.match(applied.output, /other/)
      await lab.run('nft', ['delete', 'table', 'inet', 'other'])
      await expectReach(lab, ADMINS_ONLY, 'without the other table')
    })
  })
})

describe('somebody else changes the rules while they are being made', { concurrency: 3 }, () => {
  /**
   * What is there in the end: what somebody else left before admit had begun, what was there before it, or what was asked
   * for, where the change replaces what they did.
   */
  const cases: readonly [Step, keyof typeof MEDDLING, 'left' | 'before' | 'asked'][] = [
    ['publish', 'lets everyone in', 'left'],
    ['publish', 'deletes the table', 'left'],
    ['look-again', 'flushes the ruleset', 'left'],
    ['change', 'lets everyone in', 'asked'],
    ['change', 'adds a rule that is never reached', 'asked'],
    ['change', 'adds a chain', 'before'],
    ['change', 'deletes the table', 'before'],
    ['read-back', 'lets everyone in', 'before'],
    ['read-back', 'deletes the table', 'before'],
    ['read-back', 'flushes the ruleset', 'before'],
  ]
  const ENDS = {
    left: { words: 'refused, and their change is left alone', exit: 4 },
    before: { words: 'refused, and as before', exit: 4 },
    asked: { words: 'exactly as asked all the same', exit: 0 },
  }
  for (const [step, what, end] of cases) {
    test(`before ${step}, somebody ${what}: ${ENDS[end].words}`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_GOOD)
        const program = await startAdmit(lab, ['apply', '--no-confirm'], { step }, { terminal: false })
        await heldAt(lab, program, PATIENCE)
        await MEDDLING[what]?.(lab)
        const left = await digestOf(lab)
        goOn(lab)
        assert.equal(await program.ended(PATIENCE), ENDS[end].exit, program.output())
        expectWords({ exit: ENDS[end].exit, output: program.output() })
        assert.ok(await settled(lab, PATIENCE))
        if (end !== 'asked') assert.equal(await digestOf(lab), end === 'left' ? left : before)
        const status = await runAdmitIn(lab, ['status'])
        assert.equal(status.exit, end === 'left' ? 1 : 0, status.output)
        if (end !== 'left') await expectSafe(lab, step)
      })
    })
  }

  test('what somebody changed before an apply is what its undo brings back', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const spare = 'tcp dport 22 ether saddr 02:ad:00:00:00:09 accept'
      await lab.run('nft', ['insert', 'rule', 'inet', 'admit', 'input', ...spare.split(' ')])
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD])
      assert.equal(said.exit, 0, said.output)
      assert.ok(await settled(lab, PATIENCE))
      assert.equal(await digestOf(lab), before)
      await expectSafe(lab, 'as somebody left it')
      const status = await runAdmitIn(lab, ['status'])
      assert.equal(status.exit, 1, status.output)
      assert.match(status.output, /not those last confirmed/)
    })
  })
})

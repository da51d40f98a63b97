/**
 * nft fails at each of its calls, in admit and in the guard, in every way, and it lies: in the end every admin can open SSH,
 * no stranger can, and the rules are exactly those of before or exactly those confirmed; where nft can load nothing at all,
 * it is told. ADMIT_SEED repeats a sample, `--long` does all of them.
 */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GUARD } from '../../src/system/guard.ts'
import type { ChildPlan } from '../support/drill-admit.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  guardThatHolds,
  inFlight,
  LAST_STAGE,
  PATIENCE,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  writePolicy,
} from '../support/drill-admit.ts'
import type { Said } from '../support/drill-end.ts'
import { becomes, expectEnding, expectWords } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { NftFault, NftStandIn } from '../support/drill-nft.ts'
import { NFT_FAULTS, NFT_LIES, nftStandIn } from '../support/drill-nft.ts'
import { expectReach, expectSafe, NOBODY } from '../support/drill-reach.ts'
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
const sample = sampleOf(drills, 8, 20)

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
      // 3: on a busy machine a window of a second is over before the command has said all that it had to say.
      assert.ok(said.exit === 0 || said.exit === 3, `${said.exit}: ${said.output}`)
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

  test('at the deadline: status tries again, says that it failed again with exit code 5, and then it is done', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      const guard = brokenGuard(lab)
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '15s', ...FORCE_BAD], { guard })
      assert.equal(said.exit, 0, said.output)
      await failedToUndo(lab)
      const status = await runAdmitIn(lab, ['status'], { guard })
      assert.equal(status.exit, 5, status.output)
      assert.match(status.output, /^rules +in force, but not those last confirmed/m)
      assert.match(status.output, /^pending +the previous rules could not be brought back/m)
      const refused = await runAdmitIn(lab, ['reload', '--no-confirm'], { guard })
      assert.equal(refused.exit, 5, refused.output)
      assert.match(refused.output, /tries again, and so does the boot\. To give the previous rules up: rm -r/)
      await expectReach(lab, NOBODY, 'nothing could be loaded')
      rmSync(join(lab.folder, 'broken'))
      const again = await runAdmitIn(lab, ['status'], { guard })
      assert.equal(again.exit, 0, again.output)
      assert.match(again.output, /an undo had failed; it is done now/)
      assert.equal(await digestOf(lab), before)
      await expectSafe(lab, 'undone at last')
    })
  })

  test('at the deadline, and then a boot: the confirmed rules, and nothing in flight', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      const guard = brokenGuard(lab)
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '15s', ...FORCE_BAD], { guard })
      assert.equal(said.exit, 0, said.output)
      await failedToUndo(lab)
      await lab.reboot()
      rmSync(join(lab.folder, 'broken'))
      const booted = await bootOnceMore(lab, { guard })
      assert.equal(booted.exit, 0, booted.output)
      assert.equal(await digestOf(lab), before)
      await expectEnding(lab, { before, mayKeep: false, said: booted })
    })
  })

  /** Waits until the watchdog has given up. */
  async function failedToUndo(lab: DrillLab): Promise<void> {
    const path = join(lab.state, 'outcome')
    const end = performance.now() + PATIENCE
    while (!/^result failed\nwhy deadline$/m.test(readFileSync(path, 'utf8'))) {
      assert.ok(performance.now() < end, 'the watchdog never came')
      await sleep(50)
    }
    assert.deepEqual(inFlight(lab), ['undoing'])
  }

  test('rollback ends with 5 and says what to look at', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      await pending(lab, POLICY_BAD, FORCE_BAD)
      const said = await runAdmitIn(lab, ['rollback'], { guard: brokenGuard(lab) })
      assert.equal(said.exit, 5, said.output)
      assert.match(said.output, /no rules could be loaded at all\. Look at `nft list table inet admit`/)
    })
  })

  test('an apply that does not become what was meant ends with 5', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      writePolicy(lab, POLICY_GOOD)
      const nft = nftStandIn(lab.folder, { at: LAST_STAGE, loadsOnly: true, fault: 'lets everyone in' })
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

/**
 * Every step of apply, confirm, rollback, undo, completion and boot, and every way to end a process there: afterwards
 * every admin can open SSH, no stranger can, and the rules are exactly those of before or exactly those confirmed.
 * The steps come from the state machine and from the guard itself: a new one without a drill fails the first test.
 * ADMIT_SEED repeats a sample, `--long` does all of them.
 */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EndingStep, Step } from '../../src/apply/machine.ts'
import { ENDING_STEPS, STEPS } from '../../src/apply/machine.ts'
import { GUARD } from '../../src/system/guard.ts'
import {
  beginConfirmed,
  confirmedState,
  digestOf,
  FORCE_BAD,
  goOn,
  guardSteps,
  guardThatHolds,
  heldAt,
  LAST_STAGE,
  POLICY_BAD,
  POLICY_BEFORE,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import type { ChildPlan } from '../support/drill-admit.ts'
import type { WayToKill } from '../support/drill-kill.ts'
import { ALL_WAYS_TO_KILL, WAYS_TO_KILL } from '../support/drill-kill.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import { nftStandIn } from '../support/drill-nft.ts'
import type { Program } from '../support/drill-program.ts'
import { isAlive, killQuietly } from '../support/drill-program.ts'
import { expectSafe } from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'

/** What must stand in the end. */
type Ending = 'before' | 'confirmed'

interface Drill {
  readonly step: string
  readonly way: WayToKill
  readonly run: (lab: DrillLab, way: WayToKill) => Promise<Ending | 'rescued'>
}

/** Milliseconds after the end of a window by which the undo is done, on a machine with other work. */
const LATE = 30_000
/** Seconds: the window where somebody must still type something in it. */
const WINDOW = '1s'
const TIME_TO_TYPE = '15s'

const APPLY: Readonly<Record<Step, Drill['run']>> = {
  'check-undo': killedApply('check-undo'),
  'write-journal': killedApply('write-journal'),
  publish: killedApply('publish'),
  'look-again': killedApply('look-again'),
  arm: killedApply('arm'),
  prepare: killedApply('prepare'),
  change: killedApply('change'),
  tidy: killedApply('tidy'),
  'read-back': killedApply('read-back'),
  'open-window': killedApply('open-window'),
  cut: killedApply('cut'),
  claim: killedUnconfirmed('claim', 'before'),
  complete: killedUnconfirmed('complete', 'confirmed'),
  withdraw: killedApply(
    'withdraw',
    (lab) => nftStandIn(lab.folder, { at: 1, loadsOnly: true, fault: 'fails' }).path,
  ),
  undo: killedApply(
    'undo',
    (lab) => nftStandIn(lab.folder, { at: LAST_STAGE, loadsOnly: true, fault: 'lets everyone in' }).path,
  ),
  'take-back': killedApply('take-back', undoneMeanwhile),
}

const ENDING: Readonly<Record<EndingStep, Drill['run']>> = {
  'confirm-claim': killedEnding('confirm-claim', ['confirm', '--here'], 'before'),
  'confirm-complete': killedEnding('confirm-complete', ['confirm', '--here'], 'confirmed'),
  'rollback-undo': killedEnding('rollback-undo', ['rollback'], 'before'),
}

/** Of the guard: by the first word of the step, what makes it come by there. */
const GUARD_DRILLS: Readonly<Record<string, (step: string) => Drill['run']>> = {
  watch: (step) => killedWatchdog(step),
  undo: (step) => killedWatchdog(step),
  complete: (step) => killedCompletion(step),
  boot: (step) => killedBoot(step),
}
/** Ways that have no meaning for a process that never had a terminal. */
const AT_TERMINAL: readonly WayToKill[] = ['terminal closed']

const drills: readonly Drill[] = [
  ...Object.entries({ ...APPLY, ...ENDING }).flatMap(([step, run]) =>
    ALL_WAYS_TO_KILL.map((way) => ({ step, way, run })),
  ),
  ...guardSteps().flatMap((step) => {
    const make = GUARD_DRILLS[step.split('-')[0] ?? '']
    const ways = ALL_WAYS_TO_KILL.filter((way) => !AT_TERMINAL.includes(way))
    return make === undefined ? [] : ways.map((way) => ({ step, way, run: make(step) }))
  }),
]

test('every step of the machine, of the commands and of the guard has its drills, 200 and more', () => {
  const drilled = new Set(drills.map(({ step }) => step))
  assert.deepEqual(
    [...STEPS, ...ENDING_STEPS, ...guardSteps()].filter((step) => !drilled.has(step)),
    [],
  )
  assert.ok(drills.length >= 200, `${drills.length}`)
})

const sample = sampleOf(drills, 12, 40)

describe(`kill drills: ${sample.words}`, { concurrency: 4 }, () => {
  const started = performance.now()
  let left = sample.drills.length
  for (const { step, way, run } of sample.drills) {
    test(`${step}: ${way}`, async (context) => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        const ending = await run(lab, way)
        await expectSafe(lab, `${step}, ${way}`)
        if (ending === 'before') assert.equal(await digestOf(lab), before, 'exactly the rules of before')
        if (ending === 'confirmed') assert.notEqual(await digestOf(lab), before, 'the confirmed rules')
        const status = await runAdmitIn(lab, ['status'])
        assert.equal(status.exit, ending === 'rescued' ? 1 : 0, status.output)
      })
      if (--left === 0)
        context.diagnostic(`${sample.words}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
    })
  }
})

describe('without the watchdog, the same drills fail', { concurrency: 4 }, () => {
  for (const step of ['read-back', 'open-window', 'cut'] as const) {
    test(step, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const guard = guardThatHolds(lab.folder, undefined, [
          ['    wait_for_end "$1"', '    while :; do sleep 1; done'],
        ])
        writePolicy(lab, POLICY_BAD)
        const program = await startAdmit(lab, ['apply', '--confirm-within', WINDOW, ...FORCE_BAD], {
          step,
          guard,
        })
        await heldAt(lab, program)
        WAYS_TO_KILL['SIGKILL to the process'](program)
        assert.equal(await settled(lab, 3000), false)
        await assert.rejects(expectSafe(lab, step), /who reaches SSH/)
        // Once it is dead, the next command sees to it.
        const [watchdog = ''] = readFileSync(join(lab.state, 'pending/ready'), 'utf8').split(' ')
        killQuietly(Number(watchdog), 'SIGKILL')
        const status = await runAdmitIn(lab, ['status'])
        assert.match(status.output, /undoing|undone/i)
        await expectSafe(lab, 'after the next command')
      })
    })
  }
})

/** An apply that would lock everybody out is ended at a step: all is as before. */
function killedApply(step: Step, nft?: (lab: DrillLab) => string): Drill['run'] {
  return async (lab, way) => {
    writePolicy(lab, POLICY_BAD)
    const plan: Partial<ChildPlan> = { step, ...(nft === undefined ? {} : { nft: nft(lab) }) }
    const program = await startAdmit(lab, ['apply', '--confirm-within', WINDOW, ...FORCE_BAD], plan)
    await heldAt(lab, program)
    await kill(program, way)
    goOn(lab)
    // No watchdog yet, and no need of one: nothing has changed. The next command takes the journal away.
    if (BEFORE_THE_WATCHDOG.includes(step)) await runAdmitIn(lab, ['status'])
    assert.ok(await settled(lab, LATE), 'nothing stays in flight')
    return 'before'
  }
}

const BEFORE_THE_WATCHDOG: readonly Step[] = ['look-again', 'arm']

function killedUnconfirmed(step: Step, ending: Ending): Drill['run'] {
  return async (lab, way) => {
    writePolicy(lab, POLICY_GOOD)
    // What was never claimed is undone at the deadline, as if somebody had been asked to confirm.
    const window = ending === 'before' ? ['--confirm-within', WINDOW] : []
    const program = await startAdmit(lab, ['apply', '--no-confirm', ...window], { step })
    await heldAt(lab, program)
    await kill(program, way)
    goOn(lab)
    assert.ok(await settled(lab, LATE), 'nothing stays in flight')
    return ending
  }
}

/** The command that ends a pending change is ended itself. */
function killedEnding(step: EndingStep, args: readonly string[], ending: Ending): Drill['run'] {
  return async (lab, way) => {
    writePolicy(lab, POLICY_GOOD)
    const applied = await runAdmitIn(lab, ['apply', '--confirm-within', TIME_TO_TYPE])
    assert.equal(applied.exit, 0, applied.output)
    const program = await startAdmit(lab, args, { step })
    await heldAt(lab, program)
    await kill(program, way)
    goOn(lab)
    assert.ok(await settled(lab, LATE), 'nothing stays in flight')
    return ending
  }
}

/** The watchdog is ended at one of its steps: what only that undoes is undone by the next admit command. */
function killedWatchdog(step: string): Drill['run'] {
  return async (lab, way) => {
    const broken: readonly [string, string][] =
      step === 'undo-rescue'
        ? [['run_nft() {', 'run_nft() { case $* in *previous.nft*) return 1 ;; esac;']]
        : []
    const guard = guardThatHolds(lab.folder, step, broken)
    writePolicy(lab, POLICY_BAD)
    const program = await startAdmit(
      lab,
      ['apply', '--confirm-within', WINDOW, ...FORCE_BAD],
      { guard },
      { terminal: false },
    )
    const pid = await heldAt(lab, program)
    await killGuard(pid, way)
    goOn(lab)
    await program.ended(60_000)
    if (!isAlive(pid)) {
      await sleep(1200)
      await runAdmitIn(lab, ['status'], { guard })
    }
    assert.ok(await settled(lab, LATE), 'nothing stays in flight')
    return step === 'undo-rescue' ? 'rescued' : 'before'
  }
}

/** A completion is ended: the watchdog or the next admit command goes on with it. */
function killedCompletion(step: string): Drill['run'] {
  return async (lab, way) => {
    if (step === 'complete-thin') {
      for (let number = 2; number <= 21; number++) {
        cpSync(join(lab.state, 'points/1'), join(lab.state, `points/${number}`), { recursive: true })
      }
    }
    const guard = guardThatHolds(lab.folder, step)
    writePolicy(lab, POLICY_GOOD)
    const program = await startAdmit(lab, ['apply', '--no-confirm'], { guard }, { terminal: false })
    const pid = await heldAt(lab, program)
    await killGuard(pid, way)
    goOn(lab)
    await program.ended(60_000)
    assert.ok(await settled(lab, LATE), 'nothing stays in flight')
    return 'confirmed'
  }
}

/** The boot script is ended, and systemd starts it again. */
function killedBoot(step: string): Drill['run'] {
  return async (lab, way) => {
    await lab.run('nft', ['delete', 'table', 'inet', 'admit'])
    const guard = guardThatHolds(lab.folder, step)
    const program = await lab.start(['/bin/sh', guard, 'boot', lab.state], { terminal: false })
    const pid = await heldAt(lab, program)
    await killGuard(pid, way)
    goOn(lab)
    await program.ended(60_000)
    await lab.run('/bin/sh', [GUARD, 'boot', lab.state])
    return 'before'
  }
}

/** In nft's place: when admit has read its rules back, somebody undoes the change before admit goes on. */
function undoneMeanwhile(lab: DrillLab): string {
  const path = join(lab.folder, 'meddling-nft')
  writeFileSync(
    path,
    `#!/bin/sh
case "$*" in
  '-j -n list table inet admit')
    echo x >>'${lab.folder}/looks'
    nft "$@" || exit
    [ "$(wc -l <'${lab.folder}/looks')" != 3 ] || /bin/sh '${GUARD}' undo '${lab.state}' asked >/dev/null
    ;;
  *) exec nft "$@" ;;
esac
`,
    { mode: 0o755 },
  )
  return path
}

async function kill(program: Program, way: WayToKill): Promise<void> {
  WAYS_TO_KILL[way](program)
  // Whatever survives its signal goes on, and must come to a good end by itself.
  await program.ended(2000).catch(() => undefined)
}

/** The guard is deaf to all but KILL. */
async function killGuard(pid: number, way: WayToKill): Promise<void> {
  WAYS_TO_KILL[way]({ pid } as Program)
  await sleep(100)
  const deaf = /^SIG(HUP|INT|TERM) /.test(way)
  assert.equal(isAlive(pid), deaf, `${way}: the guard ${deaf ? 'was ended by it' : 'lives'}`)
}

test('the drills begin where they say', async () => {
  assert.match((await confirmedState()).rules, /^# admit rules, version 1/)
  assert.notEqual(POLICY_BEFORE, POLICY_GOOD)
})

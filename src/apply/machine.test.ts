import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { MachineState, Step, StepEvent, TransactionResult, Trouble } from './machine.ts'
import { advance, START, STEPS, undoReason } from './machine.ts'

const JOURNAL: Trouble = { kind: 'journal', error: { kind: 'failed', message: 'the disk is full' } }
const KERNEL: Trouble = { kind: 'kernel', error: { kind: 'rejected', message: 'no' } }
const MISMATCH: Trouble = { kind: 'mismatch' }
const TAKEN_AWAY: Trouble = { kind: 'taken-away' }

type At = Extract<MachineState, { kind: 'at' }>
type Next = Step | TransactionResult['kind']

const done: StepEvent = { kind: 'done' }
const failed = (trouble: Trouble): StepEvent => ({ kind: 'failed', trouble })

function next(step: Step, event: StepEvent, confirm = true): Next {
  const state = advance({ kind: 'at', step }, event, { confirm })
  return state.kind === 'at' ? state.step : state.result.kind
}

/** Where each step leads when all goes well, and when it does not. */
const TABLE: Readonly<Record<Step, readonly [well: Next, badly: Next]>> = {
  'check-undo': ['write-journal', 'refused'],
  'write-journal': ['publish', 'withdraw'],
  publish: ['look-again', 'withdraw'],
  'look-again': ['arm', 'withdraw'],
  arm: ['prepare', 'withdraw'],
  prepare: ['change', 'read-back'],
  change: ['tidy', 'read-back'],
  tidy: ['read-back', 'read-back'],
  'read-back': ['open-window', 'undo'],
  'open-window': ['cut', 'undo'],
  cut: ['pending', 'pending'],
  claim: ['complete', 'undo'],
  complete: ['confirmed', 'not-stored'],
  withdraw: ['refused', 'refused'],
  undo: ['undone', 'undone'],
  'take-back': ['undone', 'undone'],
}

describe('the machine', () => {
  for (const step of STEPS) {
    const [well, badly] = TABLE[step]
    test(`${step}: ${well} when it is done, ${badly} when it fails`, () => {
      assert.equal(next(step, done), well)
      assert.equal(next(step, failed(JOURNAL)), badly)
    })
  }

  test('without a confirmation to wait for, it confirms after the cut', () => {
    assert.equal(next('cut', done, false), 'claim')
    for (const step of STEPS.filter((one) => one !== 'cut')) {
      assert.equal(next(step, done, false), next(step, done, true), step)
      assert.equal(next(step, failed(JOURNAL), false), next(step, failed(JOURNAL), true), step)
    }
  })

  test('goes through all steps in their order when all goes well', () => {
    const taken = (confirm: boolean): readonly Step[] => {
      const steps: Step[] = []
      for (let state: MachineState = START; state.kind === 'at'; state = advance(state, done, { confirm })) {
        steps.push(state.step)
      }
      return steps
    }
    assert.deepEqual(taken(false), STEPS.slice(0, STEPS.indexOf('withdraw')))
    assert.deepEqual(taken(true), STEPS.slice(0, STEPS.indexOf('claim')))
  })

  test('a stage whose outcome is unknown is looked at; where nothing has changed, it is withdrawn', () => {
    const afterStage = (step: Step): MachineState =>
      advance({ kind: 'at', step }, { kind: 'unknown', trouble: KERNEL }, { confirm: true })
    const unsure = afterStage('change')
    for (const step of ['prepare', 'change', 'tidy'] as const) {
      assert.deepEqual(afterStage(step), { kind: 'at', step: 'read-back', unsure: KERNEL })
    }
    const half = advance(unsure as At, failed(MISMATCH), { confirm: true })
    assert.deepEqual(half, { kind: 'at', step: 'undo', trouble: KERNEL })
    const asBefore = advance(unsure as At, { kind: 'as-before' }, { confirm: true })
    assert.deepEqual(asBefore, { kind: 'at', step: 'withdraw', trouble: KERNEL })
    assert.deepEqual(advance(asBefore as At, done, { confirm: true }), {
      kind: 'ended',
      result: { kind: 'refused', trouble: KERNEL },
    })
    assert.deepEqual(advance(unsure as At, done, { confirm: true }), { kind: 'at', step: 'open-window' })
  })

  test('a journal that was taken away before the window opened: this process takes the change back itself', () => {
    assert.equal(next('open-window', failed(TAKEN_AWAY)), 'take-back')
    assert.equal(next('open-window', failed(JOURNAL)), 'undo')
  })

  test('stages that came after somebody had undone it: this process takes them back itself', () => {
    const nothing: StepEvent = { kind: 'undone', outcome: 'nothing' }
    const after = (trouble: Trouble): MachineState =>
      advance({ kind: 'at', step: 'undo', trouble }, nothing, { confirm: true })
    for (const trouble of [MISMATCH, KERNEL]) {
      assert.deepEqual(after(trouble), { kind: 'at', step: 'take-back', trouble })
    }
    assert.equal(after(JOURNAL).kind, 'ended')
  })

  test('a claim that lost the race ends as undone; one that failed is undone', () => {
    const lost = advance({ kind: 'at', step: 'claim' }, { kind: 'lost' }, { confirm: false })
    const result: TransactionResult = { kind: 'undone', trouble: TAKEN_AWAY, outcome: 'undone' }
    assert.deepEqual(lost, { kind: 'ended', result })
    assert.equal(next('claim', failed(JOURNAL)), 'undo')
  })

  test('the trouble is told at the end, and how the undo went; one that tells nothing has failed', () => {
    for (const step of ['undo', 'take-back'] as const) {
      const ended = (event: StepEvent): MachineState =>
        advance({ kind: 'at', step, trouble: MISMATCH }, event, { confirm: true })
      const ending = (outcome: 'undone' | 'rescued' | 'failed'): MachineState => ({
        kind: 'ended',
        result: { kind: 'undone', trouble: MISMATCH, outcome },
      })
      assert.deepEqual(ended({ kind: 'undone', outcome: 'undone' }), ending('undone'))
      assert.deepEqual(ended({ kind: 'undone', outcome: 'rescued' }), ending('rescued'))
      assert.deepEqual(ended(failed(JOURNAL)), ending('failed'))
      assert.deepEqual(ended(done), ending('failed'))
    }
  })

  test('the guard’s record says mismatch only of a mismatch', () => {
    assert.equal(undoReason(MISMATCH), 'mismatch')
    for (const trouble of [JOURNAL, KERNEL, TAKEN_AWAY, undefined]) assert.equal(undoReason(trouble), 'asked')
  })
})

describe('whatever comes of the steps', () => {
  const trouble = fc.constantFrom(JOURNAL, KERNEL, MISMATCH, TAKEN_AWAY, {
    kind: 'changed-meanwhile',
  } as Trouble)
  const event: fc.Arbitrary<StepEvent> = fc.oneof(
    fc.constantFrom<StepEvent>({ kind: 'done' }, { kind: 'done' }, { kind: 'as-before' }, { kind: 'lost' }),
    trouble.map(failed),
    trouble.map((one): StepEvent => ({ kind: 'unknown', trouble: one })),
    fc
      .constantFrom('undone', 'rescued', 'failed', 'nothing')
      .map((outcome): StepEvent => ({ kind: 'undone', outcome })),
  )
  /** The steps that were taken, each with what came of it, and where that led. */
  interface Run {
    readonly taken: readonly (readonly [Step, StepEvent])[]
    readonly state: MachineState
    readonly confirm: boolean
  }
  const runs: fc.Arbitrary<Run> = fc
    .record({ events: fc.infiniteStream(event), confirm: fc.boolean() })
    .map(({ events, confirm }) => {
      const taken: (readonly [Step, StepEvent])[] = []
      let state: MachineState = START
      while (state.kind === 'at' && taken.length < 100) {
        const came = events.next().value ?? done
        taken.push([state.step, came])
        state = advance(state, came, { confirm })
      }
      return { taken, state, confirm }
    })
  const law = (holds: (run: Run) => void): void => {
    fc.assert(fc.property(runs, holds), { numRuns: 1000 })
  }

  test('it ends, and takes no step twice', () => {
    law(({ taken, state }) => {
      assert.equal(state.kind, 'ended')
      const steps = taken.map(([step]) => step)
      assert.equal(new Set(steps).size, steps.length)
    })
  })

  test('the kernel is never changed before the watchdog was armed, nor armed before the journal was published', () => {
    law(({ taken }) => {
      const at = (step: Step): number => taken.findIndex(([one]) => one === step)
      const well = (step: Step): boolean => {
        const came = taken[at(step)]?.[1]
        return came !== undefined && came.kind !== 'failed'
      }
      if (at('prepare') < 0) return assert.ok(at('change') < 0)
      for (const before of ['check-undo', 'write-journal', 'publish', 'look-again', 'arm'] as const) {
        assert.ok(at(before) >= 0 && at(before) < at('prepare'), before)
        assert.ok(well(before), `${before} did not fail`)
      }
    })
  })

  test('nothing is left in force unless it was read back and its window opened', () => {
    law(({ taken, state, confirm }) => {
      assert.ok(state.kind === 'ended')
      const came = new Map(taken)
      const kind = state.result.kind
      if (kind === 'pending' || kind === 'confirmed' || kind === 'not-stored') {
        assert.ok(!['failed', 'as-before', undefined].includes(came.get('read-back')?.kind))
        assert.notEqual(came.get('open-window')?.kind, 'failed')
        assert.equal(kind === 'pending', confirm)
        assert.equal(came.has('claim'), !confirm)
      }
    })
  })

  test('what was changed is undone, what was not is withdrawn', () => {
    law(({ taken, state }) => {
      assert.ok(state.kind === 'ended')
      const came = new Map(taken)
      if (state.result.kind === 'refused' && came.has('prepare')) {
        assert.equal(came.get('read-back')?.kind, 'as-before', 'it was refused after a change')
      }
      if (state.result.kind === 'refused') assert.ok(came.has('withdraw') || taken.length === 1)
      if (state.result.kind === 'undone') {
        assert.ok(came.has('prepare'))
        assert.ok(came.has('undo') || came.has('take-back') || came.get('claim')?.kind === 'lost')
      }
    })
  })
})

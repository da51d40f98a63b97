import type { KernelError } from '../kernel/kernel.ts'
import type { JournalError, UndoOutcome, UndoReason } from './journal.ts'

/**
 * Everything that an apply can be doing, in the order in which it is done when all goes well; then what it does when
 * something does not. Each is a place where the process can be killed: tests/drills takes its drills from this list.
 */
export const STEPS = [
  'check-undo',
  'write-journal',
  'publish',
  'look-again',
  'arm',
  'prepare',
  'change',
  'tidy',
  'read-back',
  'open-window',
  'cut',
  'claim',
  'complete',
  'withdraw',
  'undo',
  'take-back',
] as const

export type Step = (typeof STEPS)[number]

/** The same of the commands that end a transaction which another process began. */
export const ENDING_STEPS = ['confirm-claim', 'confirm-complete', 'rollback-undo'] as const

export type EndingStep = (typeof ENDING_STEPS)[number]

/** Why a transaction could not go on. */
export type Trouble =
  | { readonly kind: 'kernel'; readonly error: KernelError }
  | { readonly kind: 'journal'; readonly error: JournalError }
  /** Between looking and publishing, somebody else changed admit's table. */
  | { readonly kind: 'changed-meanwhile' }
  /** The kernel took the change, and what it holds is not what was asked for, or cannot be read. */
  | { readonly kind: 'mismatch'; readonly error?: KernelError }
  /** The watchdog (or somebody) undid it while it was being made. */
  | { readonly kind: 'taken-away' }

/** What came of a step. */
export type StepEvent =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly trouble: Trouble }
  /** `prepare`, `change`, `tidy`: nft failed, and only the kernel can tell whether it took it. */
  | { readonly kind: 'unknown'; readonly trouble: Trouble }
  /** `read-back` after an unknown change: nothing has changed. */
  | { readonly kind: 'as-before' }
  /** `claim`: an undo was quicker. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'undone'; readonly outcome: UndoOutcome }

export type TransactionResult =
  /** In force, and waiting for its confirmation. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'confirmed' }
  /** Confirmed and in force, but the files for the next boot could not be written; the next command completes them. */
  | { readonly kind: 'not-stored'; readonly trouble: Trouble }
  /** Nothing was changed. */
  | { readonly kind: 'refused'; readonly trouble: Trouble }
  /** It was changed and is as before again, or as good as the last resort could make it. */
  | { readonly kind: 'undone'; readonly trouble: Trouble; readonly outcome: UndoOutcome }

export type MachineState =
  | {
      readonly kind: 'at'
      readonly step: Step
      /** What a withdrawal or an undo is for. */
      readonly trouble?: Trouble
      /** The change may or may not have happened. */
      readonly unsure?: Trouble
    }
  | { readonly kind: 'ended'; readonly result: TransactionResult }

export const START: MachineState = { kind: 'at', step: 'check-undo' }

/** What comes next. Pure: the driver does the step and tells what came of it. */
export function advance(
  state: Extract<MachineState, { kind: 'at' }>,
  event: StepEvent,
  options: { readonly confirm: boolean },
): MachineState {
  switch (state.step) {
    case 'check-undo':
      return event.kind === 'failed' ? refused(event.trouble) : at('write-journal')
    case 'write-journal':
      return orWithdraw(event, 'publish')
    case 'publish':
      return orWithdraw(event, 'look-again')
    case 'look-again':
      return orWithdraw(event, 'arm')
    case 'arm':
      return orWithdraw(event, 'prepare')
    case 'prepare':
      return orLookAtIt(event, 'change')
    case 'change':
      return orLookAtIt(event, 'tidy')
    case 'tidy':
      return orLookAtIt(event, 'read-back')
    case 'read-back':
      return afterReadBack(state, event)
    case 'open-window':
      if (event.kind !== 'failed') return at('cut')
      return event.trouble.kind === 'taken-away' ? at('take-back', event.trouble) : at('undo', event.trouble)
    case 'cut':
      // What could not be cut is reported; the rules refuse it all the same.
      return options.confirm ? ended({ kind: 'pending' }) : at('claim')
    case 'claim':
      return afterClaim(event)
    case 'complete':
      return ended(
        event.kind === 'failed' ? { kind: 'not-stored', trouble: event.trouble } : { kind: 'confirmed' },
      )
    case 'withdraw':
      return refused(state.trouble ?? TAKEN_AWAY)
    case 'undo':
      return afterUndo(state, event)
    case 'take-back':
      return undone(state, event)
    default:
      return state.step satisfies never
  }
}

/** For the guard's record: why this trouble leads to an undo. */
export function undoReason(trouble: Trouble | undefined): UndoReason {
  return trouble?.kind === 'mismatch' ? 'mismatch' : 'asked'
}

const TAKEN_AWAY: Trouble = { kind: 'taken-away' }

function afterReadBack(state: Extract<MachineState, { kind: 'at' }>, event: StepEvent): MachineState {
  // What nft said of the stage that failed tells more than that the kernel holds neither one nor the other.
  if (event.kind === 'failed') return at('undo', state.unsure ?? event.trouble)
  if (event.kind !== 'as-before') return at('open-window')
  return at('withdraw', state.unsure)
}

function afterClaim(event: StepEvent): MachineState {
  if (event.kind === 'lost') {
    // Whoever was quicker has restored it.
    return ended({ kind: 'undone', trouble: TAKEN_AWAY, outcome: 'undone' })
  }
  // A claim that failed leaves it pending, and nobody is there to confirm: back.
  return event.kind === 'failed' ? at('undo', event.trouble) : at('complete')
}

function afterUndo(state: Extract<MachineState, { kind: 'at' }>, event: StepEvent): MachineState {
  // Somebody had undone it before the last stages were made: what those did nobody else knows of.
  const tooEarly = event.kind === 'undone' && event.outcome === 'nothing'
  const { trouble } = state
  if (tooEarly && (trouble?.kind === 'mismatch' || trouble?.kind === 'kernel'))
    return at('take-back', trouble)
  return undone(state, event)
}

function undone(state: Extract<MachineState, { kind: 'at' }>, event: StepEvent): MachineState {
  return ended({
    kind: 'undone',
    trouble: state.trouble ?? TAKEN_AWAY,
    outcome: event.kind === 'undone' ? event.outcome : 'failed',
  })
}

/** A stage of the change: where it failed, the kernel is asked what it holds now. */
function orLookAtIt(event: StepEvent, next: Step): MachineState {
  if (event.kind === 'done') return at(next)
  const unsure = event.kind === 'unknown' || event.kind === 'failed' ? event.trouble : TAKEN_AWAY
  return { kind: 'at', step: 'read-back', unsure }
}

function orWithdraw(event: StepEvent, next: Step): MachineState {
  return event.kind === 'failed' ? at('withdraw', event.trouble) : at(next)
}

function at(step: Step, trouble?: Trouble): MachineState {
  return { kind: 'at', step, ...(trouble === undefined ? {} : { trouble }) }
}

function ended(result: TransactionResult): MachineState {
  return { kind: 'ended', result }
}

function refused(trouble: Trouble): MachineState {
  return ended({ kind: 'refused', trouble })
}

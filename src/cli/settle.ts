import type {
  Journal,
  JournalEntry,
  JournalError,
  JournalState,
  Moment,
  UndoOutcome,
  UndoReason,
  Window,
} from '../apply/journal.ts'
import { printable } from '../base/terminal.ts'
import type { Result } from '../base/result.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { lastResortWords, notUndoneWords, unclearedWords } from './ending.ts'
import { clock, isoInstant } from './times.ts'

/**
 * What is in flight, after what a killed process left has been seen to: a confirmation that was cut off is completed,
 * an undo done again, a change whose time is over (or that never came so far) undone; a watchdog that was killed within
 * the window is started again. Every command that changes or tells the state begins with it.
 */
export async function settle(context: Context): Promise<Result<JournalState, JournalError>> {
  const journal = context.system.journal(context.statePath)
  const state = await journal.state()
  if (!state.ok) return state
  const mended = await mend({ ...context, journal }, state.value)
  if (!mended.ok) return mended
  return mended.value ? journal.state() : state
}

interface Mending extends Context {
  readonly journal: Journal
}

/** True where something was done, and the state is to be looked at again. */
async function mend(mending: Mending, state: JournalState): Promise<Result<boolean, JournalError>> {
  switch (state.kind) {
    case 'idle':
    case 'damaged':
      return { ok: true, value: false }
    case 'confirming': {
      // Where its own process is still at work, this waits for it.
      const completed = await mending.journal.complete()
      return completed.ok ? { ok: true, value: true } : completed
    }
    case 'undoing':
      return undoAgain(mending, state.entry)
    case 'pending':
      return mendPending(mending, state)
    default:
      return state satisfies never
  }
}

async function mendPending(
  mending: Mending,
  state: Extract<JournalState, { kind: 'pending' }>,
): Promise<Result<boolean, JournalError>> {
  const { output, journal } = mending
  if (state.here === 'another-namespace') return { ok: true, value: false }
  if (state.here === 'another-boot') {
    return undoNow(mending, 'a change was pending when this host went down; it is not confirmed', 'reboot')
  }
  if (state.watchdog === 'alive') return { ok: true, value: false }
  const { uptime } = await journal.moment()
  if (state.window === undefined) {
    if (state.applier === 'alive') return { ok: true, value: false }
    return undoNow(mending, 'a change was cut off in the middle; undoing it', 'stale')
  }
  if (uptime >= state.window.deadline.uptime) {
    return undoNow(mending, 'nobody confirmed the pending change in time; undoing it', 'stale')
  }
  output.warn('admit: the watchdog of the pending change was gone; starting it again')
  const armed = await journal.arm(state.entry.id)
  return armed.ok ? { ok: true, value: true } : armed
}

/** Where whoever began it is still at work, this waits, and there is nothing left to do. One that failed is tried again. */
async function undoAgain(mending: Mending, { id }: JournalEntry): Promise<Result<boolean, JournalError>> {
  const { output, journal } = mending
  const before = await journal.outcome()
  const hadFailed = before.ok && before.value?.id === id && before.value.result === 'failed'
  const undone = await journal.undo('stale')
  if (undone.ok && undone.value === 'undone') {
    output.warn(
      hadFailed
        ? 'admit: an undo had failed; it is done now, and the previous rules are in force'
        : 'admit: an undo was cut off; it is done now',
    )
  }
  return afterUndo(mending, undone)
}

async function undoNow(
  mending: Mending,
  words: string,
  why: UndoReason,
): Promise<Result<boolean, JournalError>> {
  mending.output.warn(`admit: ${words}`)
  return afterUndo(mending, await mending.journal.undo(why))
}

/** What keeps other changes from beginning is an error; what did not come back as it was is told. */
async function afterUndo(
  { output, journal, statePath }: Mending,
  undone: Result<UndoOutcome, JournalError>,
): Promise<Result<boolean, JournalError>> {
  if (!undone.ok) return undone
  switch (undone.value) {
    case 'undone':
    case 'nothing':
      return { ok: true, value: true }
    case 'rescued': {
      const outcome = await journal.outcome()
      const lastResort = outcome.ok ? outcome.value?.lastResort : undefined
      output.warn(`admit: the previous rules did not load: ${lastResortWords(lastResort)}`)
      return { ok: true, value: true }
    }
    case 'uncleared': {
      const message = `the previous rules are back. ${unclearedWords(statePath)}`
      return { ok: false, error: { kind: 'failed', message } }
    }
    case 'failed': {
      const message = `the previous rules could not be brought back, nor any others. ${notUndoneWords(statePath)}`
      return { ok: false, error: { kind: 'not-undone', message } }
    }
    default:
      return undone.value satisfies never
  }
}

/**
 * Who, when, until when: `apply by root (alice) from 203.0.113.7 port 50122 since 12:00:01Z, until 12:01:01Z (41 s left)`. Of this
 * boot.
 */
export function pendingWords(entry: JournalEntry, window: Window | undefined, now: Moment): string {
  const since = clock(wallOf(entry.started, now))
  const until =
    window === undefined
      ? 'its rules are just being made'
      : `until ${clock(wallOf(window.deadline, now))} (${secondsLeft(window, now)} s left)`
  return printable(`${entry.kind} by ${entry.by} from ${entry.from} since ${since}, ${until}`)
}

/** Whole seconds to the deadline, which goes by the time since boot. */
function secondsLeft(window: Window, now: Moment): number {
  return Math.max(0, Math.ceil(window.deadline.uptime - now.uptime))
}

/** A moment of this boot in seconds since 1970, by the clock as it goes now: it may have been set since. */
function wallOf(then: Moment, now: Moment): number {
  const wall = now.wall + then.uptime - now.uptime
  return Math.abs(wall - then.wall) < 1 ? then.wall : wall
}

/** The journal cannot be read or written, and nothing was changed; or what an undo left is still to be repaired. */
export function journalRefused(context: Context, command: string, error: JournalError): ExitCode {
  const { kind, message } = error
  const repair = kind === 'not-undone'
  context.output.warn(`admit: ${printable(message)}${repair ? '' : '\nNothing was changed.'}`)
  context.output.document(command, { result: repair ? 'repair-needed' : 'no-state', message })
  return repair ? EXIT.repair : EXIT.system
}

/**
 * Undefined where a change may begin: nothing is pending, and what was left over is settled. Else the exit code, after
 * saying who, when and until when.
 */
export async function refuseWhilePending(context: Context, command: string): Promise<ExitCode | undefined> {
  const { output } = context
  const state = await settle(context)
  if (!state.ok) return journalRefused(context, command, state.error)
  switch (state.value.kind) {
    case 'idle':
      return undefined
    case 'damaged':
      output.warn(
        `admit: ${printable(state.value.message)}\nNothing in it is obeyed. \`admit rollback\` goes back to rules that are whole.`,
      )
      output.document(command, { result: 'journal-damaged', message: state.value.message })
      return EXIT.unsafe
    case 'pending': {
      const { entry, window, here } = state.value
      const now = await context.system.journal(context.statePath).moment()
      const words = pendingWords(entry, window, now)
      const where = here === 'another-namespace' ? ' It belongs to another network namespace.' : ''
      output.warn(
        `admit: a change is pending: ${words}.${where}\nFirst \`admit confirm\` it from a new connection, or \`admit rollback\`.`,
      )
      output.document(command, { result: 'another-pending', pending: pendingJson(entry, window, now) })
      return EXIT.unsafe
    }
    case 'confirming':
    case 'undoing':
      output.warn('admit: another admit is just ending a change; try again in a moment')
      output.document(command, { result: 'busy' })
      return EXIT.unsafe
    default:
      return state.value satisfies never
  }
}

export function pendingJson(entry: JournalEntry, window: Window | undefined, now: Moment): unknown {
  return {
    id: entry.id,
    kind: entry.kind,
    by: entry.by,
    from: entry.from,
    since: isoInstant(wallOf(entry.started, now)),
    ...(window === undefined
      ? {}
      : { until: isoInstant(wallOf(window.deadline, now)), secondsLeft: secondsLeft(window, now) }),
  }
}

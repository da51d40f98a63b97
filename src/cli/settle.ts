import type {
  Journal,
  JournalEntry,
  JournalError,
  JournalState,
  Moment,
  UndoReason,
  Window,
} from '../apply/journal.ts'
import { printable } from '../base/terminal.ts'
import type { Result } from '../base/result.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'

/**
 * What is in flight, after what a killed process left has been seen to: a confirmation that was cut off is completed,
 * an undo done again, a change whose time is over (or that never came so far) undone; a watchdog that was killed within
 * the window is started again. Every command that changes or tells the state begins with it.
 */
export async function settle(context: Context): Promise<Result<JournalState, JournalError>> {
  const journal = context.system.journal(context.statePath)
  const state = await journal.state()
  if (!state.ok) return state
  const mended = await mend(context, journal, state.value)
  if (!mended.ok) return mended
  return mended.value ? journal.state() : state
}

/** True where something was done, and the state is to be looked at again. */
async function mend(
  { output }: Context,
  journal: Journal,
  state: JournalState,
): Promise<Result<boolean, JournalError>> {
  switch (state.kind) {
    case 'idle':
    case 'damaged':
      return { ok: true, value: false }
    case 'confirming': {
      // Where its own process is still at work, this waits for it.
      const completed = await journal.complete()
      return completed.ok ? { ok: true, value: true } : completed
    }
    case 'undoing':
      return undoAgain(output, journal)
    case 'pending':
      return mendPending(output, journal, state)
    default:
      return state satisfies never
  }
}

async function mendPending(
  output: Context['output'],
  journal: Journal,
  state: Extract<JournalState, { kind: 'pending' }>,
): Promise<Result<boolean, JournalError>> {
  if (state.here === 'another-namespace') return { ok: true, value: false }
  if (state.here === 'another-boot') {
    return undoNow(
      output,
      journal,
      'a change was pending when this host went down; it is not confirmed',
      'reboot',
    )
  }
  if (state.watchdog === 'alive') return { ok: true, value: false }
  const { uptime } = await journal.moment()
  if (state.window === undefined) {
    if (state.applier === 'alive') return { ok: true, value: false }
    return undoNow(output, journal, 'a change was cut off in the middle; undoing it', 'stale')
  }
  if (uptime >= state.window.deadline.uptime) {
    return undoNow(output, journal, 'nobody confirmed the pending change in time; undoing it', 'stale')
  }
  output.warn('admit: the watchdog of the pending change was gone; starting it again')
  const armed = await journal.arm(state.entry.id)
  return armed.ok ? { ok: true, value: true } : armed
}

/** Where whoever began it is still at work, this waits, and there is nothing left to do. */
async function undoAgain(
  output: Context['output'],
  journal: Journal,
): Promise<Result<boolean, JournalError>> {
  const undone = await journal.undo('stale')
  if (!undone.ok) return undone
  if (undone.value === 'failed') return { ok: false, error: NOT_UNDONE }
  if (undone.value !== 'nothing') output.warn('admit: an undo was cut off; it is done now')
  return { ok: true, value: true }
}

const NOT_UNDONE: JournalError = {
  kind: 'failed',
  message: 'the previous rules could not be brought back: look at `nft list table inet admit`',
}

async function undoNow(
  output: Context['output'],
  journal: Journal,
  words: string,
  why: UndoReason,
): Promise<Result<boolean, JournalError>> {
  output.warn(`admit: ${words}`)
  const undone = await journal.undo(why)
  if (!undone.ok) return undone
  return undone.value === 'failed' ? { ok: false, error: NOT_UNDONE } : { ok: true, value: true }
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

/** A time of day in UTC: `12:01:33Z`. */
export function clock(wall: number): string {
  return `${new Date(wall * 1000).toISOString().slice(11, 19)}Z`
}

/** The journal cannot be read or written: nothing was changed. */
export function journalRefused(context: Context, command: string, error: JournalError): ExitCode {
  context.output.warn(`admit: ${printable(error.message)}\nNothing was changed.`)
  context.output.document(command, { result: 'no-state', message: error.message })
  return EXIT.system
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

export function isoInstant(wall: number): string {
  return new Date(Math.floor(wall) * 1000).toISOString().replace('.000Z', 'Z')
}

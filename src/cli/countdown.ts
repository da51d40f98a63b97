import type { WayIn } from '../apply/confirm-command.ts'
import { sshCommand } from '../apply/confirm-command.ts'
import type {
  Journal,
  JournalEntry,
  JournalError,
  JournalState,
  Outcome,
  UndoOutcome,
  Window,
} from '../apply/journal.ts'
import type { Result } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { confirmedWords, endedWords, endingOf, notUndoneWords, unclearedWords } from './ending.ts'
import { clock } from './times.ts'

/** How to confirm, and what happens if nobody does. */
export function confirmWords(
  entry: JournalEntry,
  window: Window | undefined,
  token: string,
  way: WayIn,
): readonly string[] {
  const until = window === undefined ? '' : ` (${clock(window.deadline.wall)})`
  return [
    `Not confirmed yet: after ${entry.window} s${until} the previous rules come back by themselves.`,
    'Confirm from a new connection; this one proves nothing, since it was there before:',
    `  ${printable(sshCommand(way))}`,
    `Where admit cannot see how you came (a web terminal, mosh): admit confirm -, and then type ${token}`,
    'On a console: admit confirm --here. To go back at once: admit rollback.',
  ]
}

/**
 * Waits at the terminal until the change is confirmed or undone; Ctrl-C undoes it now. Whether this process lives or
 * not decides nothing: the watchdog does its work all the same.
 */
export async function countDown(context: Context, entry: JournalEntry): Promise<ExitCode> {
  const { system, output, statePath } = context
  const journal = system.journal(statePath)
  const progress = (text?: string): void => {
    if (system.interactive) output.progress(text)
  }
  let interrupted = false
  let undone: UndoOutcome | undefined
  const release = system.onInterrupt(() => {
    interrupted = true
  })
  try {
    for (;;) {
      const state = await journal.state()
      if (!(await isInFlight(journal, entry.id, state))) break
      if (interrupted) {
        progress()
        output.warn('Undoing now.')
        const result = await journal.undo('asked')
        undone = result.ok ? result.value : undefined
        break
      }
      if (state.ok && state.value.kind === 'pending') {
        const deadline = state.value.window?.deadline.uptime
        const left = deadline === undefined ? undefined : deadline - (await journal.moment()).uptime
        progress(`${Math.max(0, Math.ceil(left ?? entry.window))} s left to confirm; Ctrl-C undoes now`)
      }
      await system.sleep(200)
    }
  } finally {
    release()
    progress()
  }
  return tellEnding(context, entry, { outcome: await endingOf(journal, entry.id), undone })
}

/** Is it pending, or is somebody at work on it? An undo that failed stays, and nobody is. */
async function isInFlight(
  journal: Journal,
  id: string,
  state: Result<JournalState, JournalError>,
): Promise<boolean> {
  if (!state.ok) return false
  switch (state.value.kind) {
    case 'pending':
      return state.value.entry.id === id
    case 'confirming':
      return true
    case 'undoing': {
      const outcome = await journal.outcome()
      return !(outcome.ok && outcome.value?.id === id && outcome.value.result === 'failed')
    }
    case 'idle':
    case 'damaged':
      return false
    default:
      return state.value satisfies never
  }
}

/** `undone` is what this process's own undo said, if it made one. */
async function tellEnding(
  context: Context,
  entry: JournalEntry,
  { outcome, undone }: { readonly outcome: Outcome | undefined; readonly undone: UndoOutcome | undefined },
): Promise<ExitCode> {
  const { output, policyPath, statePath } = context
  if (undone === 'uncleared') {
    output.warn(`Undone: the previous rules are in force.\n${unclearedWords(statePath)}`)
    return EXIT.repair
  }
  if (outcome === undefined) {
    output.warn('admit: how it ended could not be read; `admit status` tells what is in force')
    return EXIT.repair
  }
  switch (outcome.result) {
    case 'confirmed':
      output.say(await confirmedWords(context, entry, outcome))
      return EXIT.done
    case 'undone':
      output.warn(`${endedWords(outcome)}. Correct ${printable(policyPath)}, then \`admit apply\` again.`)
      return EXIT.unsafe
    case 'rescued':
      output.warn(endedWords(outcome))
      return EXIT.repair
    case 'failed':
      output.warn(`${endedWords(outcome)}.\n${notUndoneWords(statePath)}`)
      return EXIT.repair
    default:
      return outcome.result satisfies never
  }
}

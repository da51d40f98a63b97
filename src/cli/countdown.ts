import type { WayIn } from '../apply/confirm-command.ts'
import { sshCommand } from '../apply/confirm-command.ts'
import type { JournalEntry, JournalError, Outcome, Window } from '../apply/journal.ts'
import type { Result } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { keptWords } from './kept-words.ts'
import { clock } from './settle.ts'

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
  const release = system.onInterrupt(() => {
    interrupted = true
  })
  try {
    for (;;) {
      const state = await journal.state()
      const mine = state.ok && state.value.kind === 'pending' && state.value.entry.id === entry.id
      if (!mine && !(state.ok && (state.value.kind === 'confirming' || state.value.kind === 'undoing'))) break
      if (interrupted) {
        progress()
        output.warn('Undoing now.')
        await journal.undo('asked')
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
  return ending(context, entry, await journal.outcome())
}

async function ending(
  context: Context,
  entry: JournalEntry,
  outcome: Result<Outcome | undefined, JournalError>,
): Promise<ExitCode> {
  const { output, policyPath } = context
  if (!outcome.ok || outcome.value?.id !== entry.id) {
    output.warn('admit: how it ended could not be read; `admit status` tells what is in force')
    return EXIT.repair
  }
  switch (outcome.value.result) {
    case 'confirmed':
      output.say(`Confirmed by ${printable(outcome.value.by)}: ${await keptWords(context, entry)}`)
      return EXIT.done
    case 'undone':
      output.warn(
        `${undoneWords(outcome.value)}. Correct ${printable(policyPath)}, then \`admit apply\` again.`,
      )
      return EXIT.unsafe
    case 'rescued':
    case 'failed':
      output.warn(undoneWords(outcome.value))
      return EXIT.repair
    default:
      return outcome.value.result satisfies never
  }
}

const WHY: Readonly<Record<string, string>> = {
  deadline: 'nobody confirmed in time',
  asked: 'as asked',
  mismatch: 'the kernel held something else than was asked for',
  'applier-gone': 'the process that applied was killed in the middle',
  stale: 'it was left over',
  reboot: 'the host was rebooted before it was confirmed',
  damaged: 'its journal was damaged',
}

/** `Undone at 12:01:33Z, nobody confirmed in time: the previous rules are in force`. */
export function undoneWords(outcome: Outcome): string {
  const why = WHY[outcome.why] ?? printable(outcome.why)
  switch (outcome.result) {
    case 'confirmed':
      return `Confirmed at ${clock(outcome.at)} by ${printable(outcome.by)}`
    case 'undone':
      return `Undone at ${clock(outcome.at)}, ${why}: the previous rules are in force`
    case 'rescued':
      return `Undone at ${clock(outcome.at)}, ${why}; the previous rules did not load: the admins-only rules are in force`
    case 'failed':
      return `The undo at ${clock(outcome.at)} (${why}) could load no rules at all: look at \`nft list table inet admit\``
    default:
      return outcome.result satisfies never
  }
}

import type { WayIn } from '../apply/confirm-command.ts'
import type { JournalEntry, Outcome } from '../apply/journal.ts'
import type { TransactionResult, Trouble } from '../apply/machine.ts'
import { printable } from '../base/terminal.ts'
import { confirmWords, countDown } from './countdown.ts'
import type { Context } from './context.ts'
import {
  confirmedWords,
  endedWords,
  endingOf,
  lastResortWords,
  notUndoneWords,
  unclearedWords,
} from './ending.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { systemRefused } from './prepare.ts'
import { journalRefused, pendingJson, pendingWords } from './settle.ts'
import { isoInstant } from './times.ts'

/** The command that asked for a change, and what it has to say of it. */
export interface Reported {
  readonly command: string
  /** More for the JSON document. */
  readonly document?: Readonly<Record<string, unknown>>
  /** What is said when the rules are in force. */
  readonly done: string
}

/** What is needed to tell how to confirm. */
export interface Confirmable {
  readonly entry: JournalEntry
  readonly token: string
  readonly way: WayIn
}

/** Tells how a change went, and waits for its confirmation where there is a terminal to wait at. */
export async function reportChange(
  context: Context,
  request: Reported,
  confirmable: Confirmable,
  result: TransactionResult,
): Promise<ExitCode> {
  const { output } = context
  const { command, document = {} } = request
  switch (result.kind) {
    case 'confirmed':
      output.say(request.done)
      output.say('Confirmed at once, as --no-confirm says; recorded as unproven.')
      output.document(command, { result: 'confirmed', ...document, confirmation: 'unproven' })
      return EXIT.done
    case 'pending':
      output.say(request.done)
      return pending(context, request, confirmable)
    case 'not-stored':
      return notStored(context, command, result.trouble)
    case 'refused':
      return refused(context, command, result.trouble)
    case 'undone':
      return undone(context, request, confirmable.entry, result)
    default:
      return result satisfies never
  }
}

async function pending(
  context: Context,
  { command, document = {} }: Reported,
  { entry, token, way }: Confirmable,
): Promise<ExitCode> {
  const { output, system, statePath } = context
  const state = await system.journal(statePath).state()
  const mine = state.ok && state.value.kind === 'pending' && state.value.entry.id === entry.id
  // A machine that is slower than its window: it is over, and what is told is how it ended.
  if (state.ok && !mine && !output.json) return countDown(context, entry)
  const window = state.ok && state.value.kind === 'pending' ? state.value.window : undefined
  for (const line of confirmWords(entry, window, token, way)) output.say(line)
  output.document(command, {
    result: 'pending',
    ...document,
    confirmation: 'awaited',
    id: entry.id,
    token,
    ...(window === undefined ? {} : { until: isoInstant(window.deadline.wall) }),
  })
  return system.interactive && !output.json ? countDown(context, entry) : EXIT.done
}

function notStored({ output }: Context, command: string, trouble: Trouble): ExitCode {
  const why = troubleWords(trouble)
  output.warn(
    `admit: the rules are in force and confirmed, but they could not be stored for the next boot: ${why}\n` +
      'Make room, then type any admit command: it completes that.',
  )
  output.document(command, { result: 'not-stored', message: why })
  return EXIT.repair
}

async function refused(context: Context, command: string, trouble: Trouble): Promise<ExitCode> {
  const { output, system, statePath } = context
  if (trouble.kind === 'kernel') return systemRefused(context, command, trouble.error)
  if (trouble.kind === 'journal' && trouble.error.kind === 'taken') {
    const journal = system.journal(statePath)
    const [state, now] = [await journal.state(), await journal.moment()]
    const other = state.ok && state.value.kind === 'pending' ? state.value : undefined
    const who = other === undefined ? '' : `: ${pendingWords(other.entry, other.window, now)}`
    output.warn(`admit: another admit was quicker, and its change is pending${who}. Nothing was changed.`)
    output.document(command, {
      result: 'another-pending',
      ...(other === undefined ? {} : { pending: pendingJson(other.entry, other.window, now) }),
    })
    return EXIT.unsafe
  }
  if (trouble.kind === 'journal') return journalRefused(context, command, trouble.error)
  const message = troubleWords(trouble)
  output.warn(`admit: ${message}. Nothing was changed.`)
  output.document(command, { result: 'system-refused', error: { kind: 'changed', message } })
  return EXIT.system
}

type Undone = Extract<TransactionResult, { kind: 'undone' }>

/** Where somebody else was quicker, what became of the change stands in its record: it may even be confirmed. */
async function undone(
  context: Context,
  { command, done, document = {} }: Reported,
  entry: JournalEntry,
  result: Undone,
): Promise<ExitCode> {
  const { output, system, statePath } = context
  const byOther = result.outcome === 'nothing' || result.trouble.kind === 'taken-away'
  const needed = byOther || result.outcome === 'rescued'
  const ended = needed ? await endingOf(system.journal(statePath), entry.id) : undefined
  if (byOther && ended?.result === 'confirmed') {
    output.say(done)
    output.say(await confirmedWords(context, entry, ended))
    output.document(command, { result: 'confirmed', ...document, confirmation: 'by-another' })
    return EXIT.done
  }
  const why = troubleWords(result.trouble)
  output.document(command, { result: 'reverted', outcome: result.outcome, message: why })
  const state = await system.journal(statePath).state()
  const again = state.ok && state.value.kind === 'undoing'
  const { exit, words } = undoneWords(result, ended, { statePath, again })
  output.warn(`admit: ${why}. ${words}`)
  return exit
}

function undoneWords(
  { outcome }: Undone,
  ended: Outcome | undefined,
  { statePath, again }: { readonly statePath: string; readonly again: boolean },
): { readonly exit: ExitCode; readonly words: string } {
  switch (outcome) {
    case 'undone':
      return { exit: EXIT.system, words: BACK }
    case 'uncleared':
      return { exit: EXIT.system, words: `${BACK}\n${unclearedWords(statePath)}` }
    case 'nothing':
      if (ended === undefined)
        return {
          exit: EXIT.repair,
          words: 'Somebody else has ended it first; `admit status` tells what is in force.',
        }
      return {
        exit: ended.result === 'undone' ? EXIT.system : EXIT.repair,
        words: `Somebody else has ended it first. ${endedWords(ended)}.`,
      }
    case 'rescued':
      return {
        exit: EXIT.repair,
        words:
          `The previous rules could not be brought back: ${lastResortWords(ended?.lastResort)}.\n` +
          'Correct the cause, then `admit apply` again.',
      }
    case 'failed':
      return {
        exit: EXIT.repair,
        words: `The previous rules could not be brought back either.\n${
          // Where its journal is gone nobody could try again.
          again
            ? notUndoneWords(statePath)
            : 'Look at `nft list table inet admit`; `admit reload` loads the rules last confirmed.'
        }`,
      }
    default:
      return outcome satisfies never
  }
}

const BACK = 'The previous rules are back, as they were.'

/** What went wrong, as the beginning of a sentence. */
function troubleWords(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'kernel':
    case 'journal':
      return printable(trouble.error.message)
    case 'changed-meanwhile':
      return 'somebody else changed `table inet admit` just now; try again'
    case 'mismatch':
      return trouble.error === undefined
        ? 'the kernel took the change, but what it held was not what was asked for (somebody else may be changing `table inet admit`)'
        : `the kernel took the change, but could not be read back (${printable(trouble.error.message)})`
    case 'taken-away':
      return 'it was undone while it was being made'
    default:
      return trouble satisfies never
  }
}

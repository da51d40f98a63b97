import type { Journal, JournalEntry, LastResort, Outcome } from '../apply/journal.ts'
import { printable } from '../base/terminal.ts'
import type { Context } from './context.ts'
import { keptWords } from './kept-words.ts'
import { clock } from './times.ts'

/**
 * How the change of this ID ended, once whoever ends it is done; undefined where its record cannot be read, or another
 * change has ended since.
 */
export async function endingOf(journal: Journal, id: string): Promise<Outcome | undefined> {
  const known = await recorded(journal, id)
  if (known !== undefined) return known
  const state = await journal.state()
  // Both wait for whoever is at work on it, and find nothing left to do then.
  if (state.ok && state.value.kind === 'confirming') await journal.complete()
  else if (state.ok && state.value.kind === 'undoing') await journal.undo('stale')
  return recorded(journal, id)
}

async function recorded(journal: Journal, id: string): Promise<Outcome | undefined> {
  const outcome = await journal.outcome()
  return outcome.ok && outcome.value?.id === id ? outcome.value : undefined
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
export function endedWords(outcome: Outcome): string {
  const why = WHY[outcome.why] ?? printable(outcome.why)
  switch (outcome.result) {
    case 'confirmed':
      return `Confirmed at ${clock(outcome.at)} by ${printable(outcome.by)}`
    case 'undone':
      return `Undone at ${clock(outcome.at)}, ${why}: the previous rules are in force`
    case 'rescued':
      return `Undone at ${clock(outcome.at)}, ${why}; the previous rules did not load: ${lastResortWords(outcome.lastResort)}`
    case 'failed':
      return `The undo at ${clock(outcome.at)} (${why}) could load no rules at all`
    default:
      return outcome.result satisfies never
  }
}

/** What is in force where the previous rules did not come back; undefined where it was not written down. */
export function lastResortWords(lastResort: LastResort | undefined): string {
  switch (lastResort) {
    case 'admins-only':
      return 'the admins-only rules are in force: admins reach SSH, nobody else reaches anything'
    case 'confirmed':
      return 'the rules last confirmed are in force'
    case undefined:
      return 'the last resort is in force: the admins-only rules, or else the rules last confirmed'
    default:
      return lastResort satisfies never
  }
}

/** What to do where an undo could load nothing: its journal waits for the next one. */
export function notUndoneWords(statePath: string): string {
  return (
    'Look at `nft list table inet admit`. The next admit command tries again, and so does the boot. ' +
    `To give the previous rules up: rm -r ${printable(statePath)}/undoing, then \`admit apply\`.`
  )
}

/** What follows where the previous rules are back, and the journal could not be removed. */
export function unclearedWords(statePath: string): string {
  return (
    `The record of the change could not be removed from ${printable(statePath)}: look at the disk. Until it is, the change counts as ` +
    'in flight, and every other one is refused; the next admit command tries again, and so does the boot.'
  )
}

/** `Confirmed by root (alice): these rules stay, and come back after a reboot.` */
export async function confirmedWords(
  context: Context,
  entry: Pick<JournalEntry, 'kind'>,
  { by }: Pick<Outcome, 'by'>,
): Promise<string> {
  return `Confirmed by ${printable(by)}: ${await keptWords(context, entry)}`
}

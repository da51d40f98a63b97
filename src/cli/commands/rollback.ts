import type { JournalEntry, RestorePoint } from '../../apply/journal.ts'
import { same } from '../../apply/transact.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { ChangeOptions } from '../change.ts'
import { makeChange } from '../change.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { endedWords, endingOf, lastResortWords, notUndoneWords, unclearedWords } from '../ending.ts'
import { systemRefused } from '../prepare.ts'
import { knownPolicy } from '../prove.ts'
import { journalRefused, refuseWhilePending, settle } from '../settle.ts'

/**
 * `admit rollback`: undoes the pending change now; where none is pending, goes back to a restore point (the one before
 * the present, if none is named), which is itself to be confirmed.
 */
export async function rollback(
  context: Context,
  named: string | undefined,
  options: ChangeOptions,
): Promise<ExitCode> {
  const state = await settle(context)
  if (!state.ok) return journalRefused(context, 'rollback', state.error)
  if (named === undefined && (state.value.kind === 'pending' || state.value.kind === 'damaged')) {
    if (state.value.kind === 'damaged') return undoPending(context, undefined)
    if (state.value.here === 'here') return undoPending(context, state.value.entry)
  }
  const waiting = await refuseWhilePending(context, 'rollback')
  if (waiting !== undefined) return waiting
  const points = await context.system.journal(context.statePath).points()
  if (!points.ok) return journalRefused(context, 'rollback', points.error)
  const point = named === undefined ? points.value.at(-2) : findPoint(points.value, named)
  if (point === undefined) return noSuchPoint(context, 'rollback', named, points.value)
  return toPoint(context, point, options)
}

/** By number, or by the name that `admit save` gave. */
export function findPoint(points: readonly RestorePoint[], text: string): RestorePoint | undefined {
  return (
    points.find((point) => String(point.number) === text) ?? points.findLast((point) => point.name === text)
  )
}

export function noSuchPoint(
  { output }: Context,
  command: string,
  named: string | undefined,
  points: readonly RestorePoint[],
): ExitCode {
  const words =
    named === undefined
      ? 'nothing is pending, and there is no restore point before the present one'
      : `there is no restore point ${printable(named)}`
  const known = points.map((point) => printable(point.name ?? String(point.number))).join(', ')
  output.warn(`admit: ${words}. ${known === '' ? 'There are none yet.' : `There are: ${known}.`}`)
  output.document(command, { result: 'no-point', message: words })
  return EXIT.usage
}

/** Of a damaged journal nobody knows whose it is. */
async function undoPending(context: Context, entry: JournalEntry | undefined): Promise<ExitCode> {
  const { output, system, statePath } = context
  const journal = system.journal(statePath)
  await system.onStep?.('rollback-undo')
  const undone = await journal.undo('asked')
  if (!undone.ok) return journalRefused(context, 'rollback', undone.error)
  output.document('rollback', { result: undone.value })
  switch (undone.value) {
    case 'undone':
      output.say('Undone: the rules from before the change are in force.')
      return EXIT.done
    case 'uncleared':
      output.warn(
        `admit: undone: the rules from before the change are in force.\n${unclearedWords(statePath)}`,
      )
      return EXIT.repair
    case 'nothing': {
      const ended = entry === undefined ? undefined : await endingOf(journal, entry.id)
      const words = ended === undefined ? '`admit status` tells what is in force' : endedWords(ended)
      output.warn(`admit: somebody else has just ended the change. ${words}.`)
      return EXIT.no
    }
    case 'rescued': {
      const outcome = await journal.outcome()
      const lastResort = outcome.ok ? outcome.value?.lastResort : undefined
      output.warn(
        `admit: the rules from before the change could not be brought back: ${lastResortWords(lastResort)}.\n` +
          'Correct the cause, then `admit apply`.',
      )
      return EXIT.repair
    }
    case 'failed':
      output.warn(`admit: no rules could be loaded at all. ${notUndoneWords(statePath)}`)
      return EXIT.repair
    default:
      return undone.value satisfies never
  }
}

async function toPoint(context: Context, point: RestorePoint, options: ChangeOptions): Promise<ExitCode> {
  const { output, system, statePath } = context
  const files = await system.journal(statePath).point(point.number)
  if (!files.ok) return journalRefused(context, 'rollback', files.error)
  const observed = await system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return systemRefused(context, 'rollback', observed.error)
  const { rules, rescue, policy } = files.value
  const name = printable(point.name ?? String(point.number))
  const confirmed = await system.journal(statePath).confirmed()
  const inForce = confirmed.ok && same(confirmed.value?.rules, rules) && same(observed.value, rules)
  if (inForce) {
    output.say(`Nothing to change: the rules of restore point ${name} are in force already.`)
    output.document('rollback', { result: 'unchanged', point: point.number })
    return EXIT.done
  }
  const request = {
    command: 'rollback',
    kind: 'rollback',
    observed: observed.value,
    candidate: rules,
    known: await knownPolicy(context, policy),
    rescue,
    keeps: true,
    document: { point: point.number },
    done: `The rules of restore point ${name} are in force. The policy file is as it was: \`admit history ${name} --text\` prints the one they come from.`,
  } as const
  return makeChange(context, request, options)
}

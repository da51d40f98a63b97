import { applyTable } from '../../apply/apply.ts'
import { printable } from '../../base/terminal.ts'
import type { Table } from '../../ruleset/ruleset.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { prepare, systemRefused } from '../prepare.ts'
import { plannedChanges, printChanges } from './plan.ts'

export interface ApplyOptions {
  /** `--no-confirm`. Until confirmation is built both forms do the same, and say so. */
  readonly confirm: boolean
}

/**
 * `admit apply`: makes the kernel hold what the policy says, in one transaction, reads it back and compares, and
 * stores the rules for `admit start`. Asks nothing before it changes.
 */
export async function apply(context: Context, options: ApplyOptions): Promise<ExitCode> {
  const prepared = await prepare(context, 'apply')
  if (prepared.kind === 'failed') return prepared.exit
  const ready = await context.system.prepareState(context.statePath)
  if (!ready.ok) {
    context.output.warn(
      `admit: the rules could not be stored for \`admit start\`: ${printable(ready.error.message)}\nNothing was changed.`,
    )
    context.output.document('apply', { result: 'no-state', message: ready.error.message })
    return EXIT.system
  }
  const changes = plannedChanges(prepared)
  printChanges(context, changes, prepared.loaded.policy)
  const outcome = await applyTable(context.system.kernel, prepared.observed, prepared.wanted)
  switch (outcome.kind) {
    case 'refused':
      return systemRefused(context, 'apply', outcome.error)
    case 'mismatch':
      return repairNeeded(context, 'apply')
    case 'unchanged':
    case 'applied': {
      const stored = await storeRules(context, 'apply', prepared.wanted)
      if (stored !== undefined) return stored
      context.output.say(
        outcome.kind === 'unchanged'
          ? 'Nothing to change: the kernel holds these rules already.'
          : appliedWords(options),
      )
      context.output.document('apply', {
        result: outcome.kind,
        changes,
        confirmation: 'not-available',
      })
      return EXIT.done
    }
    default:
      return outcome satisfies never
  }
}

function appliedWords(options: ApplyOptions): string {
  const both = options.confirm ? 'with or without --no-confirm' : 'with --no-confirm as without'
  return [
    'Applied: the kernel was read back and holds exactly these rules.',
    `There is no automatic undo yet (${both}): keep this session open and try a new one now.`,
    'If it does not get in: `admit stop --open` here removes the rules.',
  ].join('\n')
}

/** Stores the rules for `admit start`; the exit code where that fails. The kernel has them by then. */
export async function storeRules(
  context: Context,
  command: string,
  table: Table,
): Promise<ExitCode | undefined> {
  const stored = await context.system.storeRules(context.statePath, table)
  if (stored.ok) return undefined
  context.output.warn(
    `admit: the rules are in force, but they could not be stored for \`admit start\`: ${printable(stored.error.message)}`,
  )
  context.output.document(command, { result: 'not-stored', message: stored.error.message })
  return EXIT.repair
}

/** The kernel took a change and holds something else. */
export function repairNeeded(context: Context, command: string): ExitCode {
  context.output.warn(
    'admit: the kernel took the change, but what it holds now is not what was asked for. Somebody else may be\n' +
      'changing `table inet admit` at the same time. Look at it with `nft list table inet admit`, then `admit apply` again.',
  )
  context.output.document(command, { result: 'repair-needed' })
  return EXIT.repair
}

import type { ChangeOptions } from '../change.ts'
import { isConfirmedAlready, makeChange } from '../change.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { prepare } from '../prepare.ts'
import { journalRefused, refuseWhilePending } from '../settle.ts'
import { plannedChanges, printChanges } from './plan.ts'

/**
 * `admit apply`: makes the kernel hold what the policy says, as a transaction that undoes itself unless it is
 * confirmed from a new connection.
 */
export async function apply(context: Context, options: ChangeOptions): Promise<ExitCode> {
  const { output, system, statePath } = context
  const waiting = await refuseWhilePending(context, 'apply')
  if (waiting !== undefined) return waiting
  const prepared = await prepare(context, 'apply', { force: options.force })
  if (prepared.kind === 'failed') return prepared.exit
  const { loaded, observed, wanted } = prepared
  const confirmed = await system.journal(statePath).confirmed()
  // Rules that are damaged are written anew by this very apply.
  if (!confirmed.ok && confirmed.error.kind !== 'damaged') {
    return journalRefused(context, 'apply', confirmed.error)
  }
  const last = confirmed.ok ? confirmed.value : undefined
  const changes = plannedChanges(prepared)
  printChanges(context, changes, loaded.policy)
  const inForce = isConfirmedAlready(observed, wanted, last?.rules)
  if (inForce && last?.policy === loaded.text) {
    output.say('Nothing to change: the kernel holds these rules already.')
    output.document('apply', { result: 'unchanged', changes })
    return EXIT.done
  }
  const request = {
    command: 'apply',
    kind: 'apply',
    observed,
    candidate: wanted,
    known: { policy: loaded.policy, facts: loaded.facts, text: loaded.text },
    keeps: true,
    document: { changes },
    done: 'Applied: the kernel was read back and holds exactly these rules.',
  } as const
  // What is in force and confirmed already is not put on trial again for another word in the policy.
  return makeChange(context, request, inForce ? { ...options, confirm: false } : options)
}

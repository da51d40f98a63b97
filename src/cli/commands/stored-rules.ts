import { removeTable } from '../../apply/apply.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import { same } from '../../apply/transact.ts'
import type { ChangeOptions } from '../change.ts'
import { makeChange } from '../change.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { knownPolicy } from '../prove.ts'
import { refuseWhilePending } from '../settle.ts'

/** `admit start` and `admit reload`: puts the rules that were last confirmed back into the kernel. Needs no policy. */
export async function loadStored(
  context: Context,
  command: 'start' | 'reload',
  options: ChangeOptions,
): Promise<ExitCode> {
  const { system, output, statePath } = context
  const waiting = await refuseWhilePending(context, command)
  if (waiting !== undefined) return waiting
  const stored = await system.journal(statePath).confirmed()
  if (!stored.ok) {
    output.warn(
      `admit: ${printable(stored.error.message)}\nNothing was changed. \`admit apply\` writes it anew; \`admit history\` lists restore points.`,
    )
    output.document(command, { result: 'stored-rules-unusable', message: stored.error.message })
    return EXIT.system
  }
  if (stored.value === undefined) {
    output.warn(
      `admit: there are no confirmed rules in ${printable(statePath)} yet. \`admit apply\` and \`admit confirm\` put them there.`,
    )
    output.document(command, { result: 'no-stored-rules' })
    return EXIT.system
  }
  const { rules, rescue, policy } = stored.value
  const observed = await system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return systemRefused(context, command, observed.error)
  if (same(observed.value, rules)) {
    output.say('Nothing to change: the rules last confirmed are in force already.')
    output.document(command, { result: 'unchanged' })
    return EXIT.done
  }
  const request = {
    command,
    kind: command,
    observed: observed.value,
    candidate: rules,
    known: await knownPolicy(context, policy),
    rescue,
    keeps: false,
    done: 'The rules last confirmed are in force.',
  } as const
  return makeChange(context, request, options)
}

/** `admit stop` and `admit flush`: removes admit's table, and nothing of anyone else's. Refused without `--open`. */
export async function removeRules(
  context: Context,
  command: 'stop' | 'flush',
  options: ChangeOptions & { readonly open: boolean },
): Promise<ExitCode> {
  const { output, system, statePath } = context
  if (!options.open) {
    output.warn(
      `admit: \`admit ${command}\` removes every rule of admit: strangers get in wherever nobody else refuses them.\n` +
        `If that is what you want: admit ${command} --open`,
    )
    output.document(command, { result: 'refused', needs: '--open' })
    return EXIT.unsafe
  }
  const waiting = await refuseWhilePending(context, command)
  if (waiting !== undefined) return waiting
  const observed = await system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok && observed.error.kind !== 'unreadable') {
    return systemRefused(context, command, observed.error)
  }
  if (!observed.ok) return removeUnreadable(context, command, options)
  if (observed.value === undefined) {
    output.say('There were no rules of admit in the kernel.')
    output.document(command, { result: 'absent' })
    return EXIT.done
  }
  const stored = await system.journal(statePath).confirmed()
  const last = stored.ok ? stored.value : undefined
  const request = {
    command,
    kind: command,
    observed: observed.value,
    candidate: undefined,
    known: await knownPolicy(context, last?.policy),
    rescue: last?.rescue,
    keeps: false,
    done: `${GONE}\n\`admit start\` brings the rules last confirmed back. Rules of others were not touched.`,
  } as const
  return makeChange(context, request, options)
}

const GONE = "admit's rules are gone: this host is as open as the other rules on it leave it."

/**
 * The way out where somebody put something into the table that admit cannot read: what cannot be read cannot be put
 * back, so there is no undo, and it must be asked for as such.
 */
async function removeUnreadable(
  context: Context,
  command: 'stop' | 'flush',
  options: ChangeOptions,
): Promise<ExitCode> {
  const { output, system } = context
  if (options.confirm) {
    output.warn(
      'admit: the table holds something that admit did not make and cannot put back, so this could not be undone.\n' +
        `If that is what you want: admit ${command} --open --no-confirm`,
    )
    output.document(command, { result: 'refused', needs: '--no-confirm' })
    return EXIT.unsafe
  }
  const outcome = await removeTable(system.kernel)
  switch (outcome.kind) {
    case 'refused':
      return systemRefused(context, command, outcome.error)
    case 'still-there':
      output.warn(
        'admit: the kernel took the change, and the table is there still. Look at `nft list table inet admit`.',
      )
      output.document(command, { result: 'repair-needed' })
      return EXIT.repair
    case 'absent':
    case 'removed':
      output.say(GONE)
      output.document(command, { result: outcome.kind })
      return EXIT.done
    default:
      return outcome satisfies never
  }
}

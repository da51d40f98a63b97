import { applyTable, removeTable } from '../../apply/apply.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { repairNeeded } from './apply.ts'

/** `admit start` and `admit reload`: puts the rules that were last applied back into the kernel. Needs no policy. */
export async function loadStored(context: Context, command: 'start' | 'reload'): Promise<ExitCode> {
  const { system, output, statePath } = context
  const stored = await system.readStoredRules(statePath)
  if (!stored.ok) {
    output.warn(
      `admit: ${printable(stored.error.message)}\nNothing was changed. \`admit apply\` writes it anew.`,
    )
    output.document(command, { result: 'stored-rules-unusable', message: stored.error.message })
    return EXIT.system
  }
  if (stored.value === undefined) {
    output.warn(
      `admit: there are no stored rules in ${printable(statePath)} yet. \`admit apply\` stores them.`,
    )
    output.document(command, { result: 'no-stored-rules' })
    return EXIT.system
  }
  const observed = await system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return systemRefused(context, command, observed.error)
  const outcome = await applyTable(system.kernel, observed.value, stored.value)
  switch (outcome.kind) {
    case 'refused':
      return systemRefused(context, command, outcome.error)
    case 'mismatch':
      return repairNeeded(context, command)
    case 'unchanged':
    case 'applied':
      output.say(
        outcome.kind === 'applied'
          ? 'The rules last applied are in force.'
          : 'Nothing to change: the rules last applied are in force already.',
      )
      output.document(command, { result: outcome.kind })
      return EXIT.done
    default:
      return outcome satisfies never
  }
}

/** `admit stop` and `admit flush`: removes admit's table, and nothing of anyone else's. Refused without `--open`. */
export async function removeRules(
  context: Context,
  command: 'stop' | 'flush',
  options: { readonly open: boolean },
): Promise<ExitCode> {
  const { output } = context
  if (!options.open) {
    output.warn(
      `admit: \`admit ${command}\` removes every rule of admit: strangers get in wherever nobody else refuses them.\n` +
        `If that is what you want: admit ${command} --open`,
    )
    output.document(command, { result: 'refused', needs: '--open' })
    return EXIT.unsafe
  }
  const outcome = await removeTable(context.system.kernel)
  switch (outcome.kind) {
    case 'refused':
      return systemRefused(context, command, outcome.error)
    case 'still-there':
      return repairNeeded(context, command)
    case 'absent':
      output.say('There were no rules of admit in the kernel.')
      break
    case 'removed':
      output.say("admit's rules are gone: this host is as open as the other rules on it leave it.")
      output.say('`admit start` brings the rules last applied back. Rules of others were not touched.')
      break
    default:
      return outcome satisfies never
  }
  output.document(command, { result: outcome.kind })
  return EXIT.done
}

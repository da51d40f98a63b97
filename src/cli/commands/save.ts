import { same } from '../../apply/transact.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { journalRefused, refuseWhilePending } from '../settle.ts'

/** `admit save [NAME]`: names the present confirmed state as a restore point, which is then kept for good. */
export async function save(context: Context, named: string | undefined): Promise<ExitCode> {
  const { output, system, statePath } = context
  const waiting = await refuseWhilePending(context, 'save')
  if (waiting !== undefined) return waiting
  const journal = system.journal(statePath)
  const [confirmed, points] = [await journal.confirmed(), await journal.points()]
  if (!confirmed.ok) return journalRefused(context, 'save', confirmed.error)
  if (!points.ok) return journalRefused(context, 'save', points.error)
  const newest = points.value.at(-1)
  if (confirmed.value === undefined || newest === undefined) {
    return no(
      context,
      'nothing-confirmed',
      'nothing is confirmed yet: first `admit apply` and `admit confirm`',
    )
  }
  const observed = await system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return systemRefused(context, 'save', observed.error)
  if (!same(observed.value, confirmed.value.rules)) {
    return no(
      context,
      'drifted',
      'the kernel does not hold what was confirmed last: `admit reload` brings that back, `admit apply` what the policy says',
    )
  }
  const name = named ?? `saved-${newest.number}`
  const taken = points.value.find((point) => point.name === name && point.number !== newest.number)
  if (taken !== undefined) {
    return no(context, 'name-taken', `restore point ${taken.number} has the name ${printable(name)} already`)
  }
  const saved = await journal.name(newest.number, name)
  if (!saved.ok) return journalRefused(context, 'save', saved.error)
  output.say(
    `Saved: restore point ${newest.number} is ${printable(name)}, and is kept for good. \`admit rollback ${printable(name)}\` goes back to it.`,
  )
  output.document('save', { result: 'saved', point: newest.number, name })
  return EXIT.done
}

function no({ output }: Context, result: string, words: string): ExitCode {
  output.warn(`admit: ${words}`)
  output.document('save', { result, message: words })
  return EXIT.unsafe
}

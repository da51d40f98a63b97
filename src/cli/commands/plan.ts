import type { Change } from '../../apply/changes.ts'
import { changesBetween } from '../../apply/changes.ts'
import { printable } from '../../base/terminal.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import type { Prepared } from '../prepare.ts'
import { prepare } from '../prepare.ts'
import { counted } from './check.ts'

/** `admit plan`: what an apply would change, by where in the policy it comes from. 0: nothing, 1: changes pending. */
export async function plan(context: Context): Promise<ExitCode> {
  const prepared = await prepare(context, 'plan')
  if (prepared.kind === 'failed') return prepared.exit
  const changes = plannedChanges(prepared)
  printChanges(context, changes, prepared.loaded.policy)
  context.output.say(
    changes.length === 0
      ? 'The kernel holds these rules already: nothing to change.'
      : `\n${counted(changes.length, 'change')} pending. \`admit apply\` makes them.`,
  )
  context.output.document('plan', {
    result: changes.length === 0 ? 'nothing-to-change' : 'changes-pending',
    changes: changes.map((change) => changeJson(change, prepared.loaded.policy)),
  })
  return changes.length === 0 ? EXIT.done : EXIT.no
}

export function plannedChanges({ observed, wanted, loaded }: Prepared): readonly Change[] {
  return changesBetween(observed, wanted, loaded.policy)
}

const MOST_ELEMENTS = 20

/** One line a change; of many elements only the first are named. */
export function printChanges(context: Context, changes: readonly Change[], policy: Policy | undefined): void {
  const { output } = context
  const elements = changes.filter((change) => change.what === 'element')
  const hidden = new Set(elements.slice(MOST_ELEMENTS))
  for (const sign of ['added', 'removed'] as const) {
    const own = changes.filter((change) => change.sign === sign && isOfTheLanguage(change))
    if (own.length > 0)
      printLine(context, sign, `what the language says of every packet (${counted(own.length, 'rule')})`, '')
  }
  for (const change of changes) {
    if (hidden.has(change) || isOfTheLanguage(change)) continue
    const line = lineOf(change, policy)
    const where = line === undefined ? (change.origin ?? '') : `${change.origin}, line ${line}`
    printLine(context, change.sign, change.words, where)
  }
  if (hidden.size > 0) output.say(`  … and ${hidden.size} more elements (all of them with --json)`)
}

function printLine({ output }: Context, sign: Change['sign'], words: string, where: string): void {
  const mark = sign === 'added' ? output.paint('green', '+') : output.paint('red', '-')
  output.say(
    `${mark} ${printable(words)}${where === '' ? '' : output.paint('dim', `   ${printable(where)}`)}`,
  )
}

/** Rules that come from no line of the policy: replies, neighbour discovery and so on, the same in every policy. */
function isOfTheLanguage(change: Change): boolean {
  return change.origin?.startsWith('meaning.') === true
}

function lineOf(change: Change, policy: Policy | undefined): number | undefined {
  // What goes comes from a policy of before, whose lines nobody knows any more.
  if (policy === undefined || change.origin === undefined || change.sign === 'removed') return undefined
  const line = linesOf(policy).get(change.origin)
  return line === 0 ? undefined : line
}

/** Asked once for each change, built once for each policy: 100,000 devices make as many changes. */
const indexes = new WeakMap<Policy, ReadonlyMap<string, number>>()

/** Lines by path. No two of these places share one. */
function linesOf(policy: Policy): ReadonlyMap<string, number> {
  const known = indexes.get(policy)
  if (known !== undefined) return known
  const places = [...policy.grants, ...policy.devices, policy.host].map((part) => part.place)
  const fresh = new Map(places.map((place) => [place.path, place.line]))
  indexes.set(policy, fresh)
  return fresh
}

function changeJson(change: Change, policy: Policy): unknown {
  return { ...change, line: lineOf(change, policy) }
}

import { changesBetween } from '../../apply/changes.ts'
import type { RestorePoint } from '../../apply/journal.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { Table } from '../../ruleset/ruleset.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { journalRefused } from '../settle.ts'
import { isoInstant } from '../times.ts'
import { knownPolicy } from '../prove.ts'
import { printChanges } from './plan.ts'
import { findPoint, noSuchPoint } from './rollback.ts'

export interface HistoryOptions {
  /** Print the policy's text. */
  readonly policy: boolean
  /** Show what a rollback to it would change; true: against the kernel; a text: against another point. */
  readonly diff: string | true | undefined
}

/** `admit history`: the restore points, or one of them. */
export async function history(
  context: Context,
  named: string | undefined,
  options: HistoryOptions,
): Promise<ExitCode> {
  const { output, system, statePath } = context
  const points = await system.journal(statePath).points()
  if (!points.ok) return journalRefused(context, 'history', points.error)
  if (named === undefined) return list(context, points.value)
  const point = findPoint(points.value, named)
  if (point === undefined) return noSuchPoint(context, 'history', named, points.value)
  if (options.diff !== undefined) return diff(context, points.value, point, options.diff)
  const files = await system.journal(statePath).point(point.number)
  if (!files.ok) return journalRefused(context, 'history', files.error)
  output.document('history', { result: 'shown', point: pointJson(point), policy: files.value.policy })
  if (options.policy) {
    if (files.value.policy === undefined) {
      output.warn('admit: no policy is kept with this restore point')
      return EXIT.no
    }
    sayPolicy(context, files.value.policy)
    return EXIT.done
  }
  for (const line of pointWords(point)) output.say(line)
  output.say(`rules      ${sizes(files.value.rules)}`)
  output.say(
    `policy     ${files.value.policy === undefined ? 'not kept' : `\`admit history ${point.number} --text\` prints it`}`,
  )
  return EXIT.done
}

/** To be redirected into a file it must be exact; to a terminal it must be harmless. Nearly always it is both. */
function sayPolicy({ output }: Context, text: string): void {
  const lines = text.replace(/\n$/, '').split('\n')
  const shown = lines.map((line) => line.split('\t').map(printable).join('\t'))
  output.say(shown.join('\n'))
  if (shown.some((line, index) => line !== lines[index])) {
    output.warn(
      'admit: characters that a terminal would obey are escaped here; with --json the text is exact',
    )
  }
}

function list({ output }: Context, points: readonly RestorePoint[]): ExitCode {
  output.document('history', { result: 'listed', points: points.map(pointJson) })
  if (points.length === 0) {
    output.say('No restore points yet: each confirmed apply makes one.')
    return EXIT.done
  }
  const rows = points.map((point) => [
    String(point.number),
    isoInstant(point.at),
    point.kind,
    printable(point.by),
    printable(point.from),
    HOW_WORDS[point.how],
    point.name === undefined ? '' : printable(point.name),
  ])
  for (const row of rows.toReversed()) output.say(columns(row, rows).trimEnd())
  return EXIT.done
}

function columns(row: readonly string[], rows: readonly (readonly string[])[]): string {
  return row
    .map((cell, index) => cell.padEnd(Math.max(...rows.map((other) => other[index]?.length ?? 0))))
    .join('  ')
}

const HOW_WORDS: Readonly<Record<RestorePoint['how'], string>> = {
  connection: 'confirmed over a new connection',
  token: 'confirmed by its token',
  console: 'confirmed from a console',
  unproven: 'unproven',
}

function pointWords(point: RestorePoint): readonly string[] {
  return [
    `point      ${point.number}${point.name === undefined ? '' : ` (${printable(point.name)})`}`,
    `made       ${isoInstant(point.at)}, by \`admit ${point.kind}\``,
    `by         ${printable(point.by)}, from ${printable(point.from)}`,
    `proof      ${HOW_WORDS[point.how]}, by ${printable(point.confirmedBy)}, from ${printable(point.confirmedFrom)}`,
  ]
}

function sizes(table: Table): string {
  const rules = table.chains.reduce((sum, chain) => sum + chain.rules.length, 0)
  const elements = table.sets.reduce((sum, set) => sum + set.elements.length, 0)
  return `${rules} rules, ${elements} elements in ${table.sets.length} sets`
}

/** What a rollback to the point would change: 0 nothing, 1 something. */
async function diff(
  context: Context,
  points: readonly RestorePoint[],
  point: RestorePoint,
  against: string | true,
): Promise<ExitCode> {
  const { output, system, statePath } = context
  const journal = system.journal(statePath)
  const to = await journal.point(point.number)
  if (!to.ok) return journalRefused(context, 'history', to.error)
  let from: Table | undefined
  if (against === true) {
    const observed = await system.kernel.observe(ADMIT_TABLE)
    if (!observed.ok) return systemRefused(context, 'history', observed.error)
    from = observed.value
  } else {
    const other = findPoint(points, against)
    if (other === undefined) return noSuchPoint(context, 'history', against, points)
    const files = await journal.point(other.number)
    if (!files.ok) return journalRefused(context, 'history', files.error)
    from = files.value.rules
  }
  // Its lines are another file's than the policy's: only the names of its devices are used.
  const known = await knownPolicy(context, to.value.policy)
  const changes = changesBetween(from, to.value.rules, known?.policy)
  printChanges(context, changes, undefined)
  if (changes.length === 0) output.say('No difference.')
  output.document('history', {
    result: changes.length === 0 ? 'same' : 'differs',
    point: point.number,
    changes,
  })
  return changes.length === 0 ? EXIT.done : EXIT.no
}

function pointJson(point: RestorePoint): unknown {
  const { at, ...rest } = point
  return { ...rest, at: isoInstant(at) }
}

import { characterWidth } from '../base/display-width.ts'
import type { Place } from '../base/place.ts'
import { printable } from '../base/terminal.ts'
import type { Diagnostic, Severity } from './diagnostic.ts'

/** The file that diagnostics are about. */
export interface Source {
  /** Its name, as the user gave it. */
  readonly file: string
  readonly text: string
}

/** Colours parts of the output; the default leaves them plain. */
export type Paint = (colour: 'red' | 'yellow' | 'cyan' | 'dim', text: string) => string

const COLOURS = { error: 'red', warning: 'yellow' } as const

const TAB = '    '
/** Columns of a line that are shown; longer ones are cut around the caret. */
const WINDOW = 96
/** Columns before the caret that a cut line keeps. */
const BEFORE = 40

/** All diagnostics as text for a terminal, each with its line, a caret and its fix; they end with a count. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  source: Source,
  paint: Paint = plain,
): string {
  if (diagnostics.length === 0) return ''
  const blocks = diagnostics.map((diagnostic) =>
    renderDiagnostic(diagnostic, source.file, source.text, paint),
  )
  return `${blocks.join('\n\n')}\n\n${summary(diagnostics)}\n`
}

/**
 * One diagnostic: `FILE:LINE:COLUMN: error: MESSAGE [CODE]`, the line, the caret, the fix; without a line end after
 * it. `text` is the whole file.
 */
export function renderDiagnostic(
  diagnostic: Diagnostic,
  file: string,
  text: string,
  paint: Paint = plain,
): string {
  const { place, severity, code, message, fix } = diagnostic
  const colour = COLOURS[severity]
  const position = place.line === 0 ? '' : `:${place.line}:${place.column}`
  const head = `${printable(file)}${position}: ${paint(colour, severity)}: ${printable(message)} [${code}]`
  const tail = `  ${paint('cyan', 'fix:')} ${printable(fix)}`
  if (place.line === 0) return `${head}\n${tail}`
  const { shown, before, width } = excerpt(text, place)
  const number = String(place.line)
  const line = `${paint('dim', `  ${number} |`)} ${shown}`
  const carets = `${' '.repeat(before)}${paint(colour, '^'.repeat(width))}`
  return `${head}\n${line}\n${paint('dim', `  ${' '.repeat(number.length)} |`)} ${carets}\n${tail}`
}

function plain(_colour: string, text: string): string {
  return text
}

/** A diagnostic as plain data, for `--json`. */
export function diagnosticJson(diagnostic: Diagnostic, file: string, text: string): DiagnosticJson {
  const { code, severity, place, message, fix } = diagnostic
  const { path, line, column } = place
  const shown = line === 0 ? '' : excerpt(text, place).shown
  return { code, severity, file, path, line, column, excerpt: shown, message, fix }
}

export interface DiagnosticJson {
  readonly code: string
  readonly severity: Severity
  readonly file: string
  /** Where in the policy, such as `grants[0].on`. */
  readonly path: string
  /** 1-based; 0 where the diagnostic is about nothing that is written. */
  readonly line: number
  /** 1-based, in UTF-16 units. */
  readonly column: number
  /** The line as a terminal may show it, cut where it is long. */
  readonly excerpt: string
  readonly message: string
  readonly fix: string
}

function summary(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length
  const warnings = diagnostics.length - errors
  const parts = [count(errors, 'error'), count(warnings, 'warning')].filter((part) => part !== undefined)
  return parts.join(', ')
}

function count(number: number, word: string): string | undefined {
  return number === 0 ? undefined : `${number} ${word}${number === 1 ? '' : 's'}`
}

/** The line as it is shown, the columns before the caret, and how many carets. */
function excerpt(text: string, place: Place): { shown: string; before: number; width: number } {
  const lineStart = place.start - place.column + 1
  const line = text.slice(lineStart, lineEnd(text, place.start))
  const at = place.column - 1
  const length = place.end - place.start
  // Only the neighbourhood is looked at: a line may have ten million characters.
  const from = Math.max(0, at - 4 * WINDOW)
  const to = Math.min(line.length, at + 4 * WINDOW)
  const left = cells(line.slice(from, at))
  const marked = cells(line.slice(at, Math.min(to, at + Math.max(1, length))))
  const right = cells(line.slice(at + Math.max(1, length), to))
  const all = columns(left) + columns(marked) + columns(right)
  if (from === 0 && to === line.length && all <= WINDOW) {
    const shown = [...left, ...marked, ...right].map((cell) => cell.text).join('')
    return { shown, before: columns(left), width: Math.max(1, columns(marked)) }
  }
  const kept = columns(left) <= BEFORE && from === 0 ? left : takeLast(left, BEFORE)
  const cutLeft = kept.length < left.length || from > 0
  const room = WINDOW - columns(kept)
  const rest = takeFirst([...marked, ...right], room)
  const cutRight = rest.length < marked.length + right.length || to < line.length
  const shown = `${cutLeft ? '…' : ''}${[...kept, ...rest].map((cell) => cell.text).join('')}${cutRight ? '…' : ''}`
  const width = Math.max(1, columns(rest.slice(0, marked.length)))
  return { shown, before: columns(kept) + (cutLeft ? 1 : 0), width }
}

function lineEnd(text: string, offset: number): number {
  const next = text.indexOf('\n', offset)
  const end = next < 0 ? text.length : next
  return text.charAt(end - 1) === '\r' ? end - 1 : end
}

interface Cell {
  readonly text: string
  readonly width: number
}

function cells(text: string): readonly Cell[] {
  return Array.from(text, (character) => {
    if (character === '\t') return { text: TAB, width: TAB.length }
    const safe = printable(character)
    return { text: safe, width: safe === character ? characterWidth(character) : safe.length }
  })
}

function columns(some: readonly Cell[]): number {
  return some.reduce((sum, cell) => sum + cell.width, 0)
}

function takeFirst(some: readonly Cell[], room: number): readonly Cell[] {
  let used = 0
  const end = some.findIndex((cell) => {
    used += cell.width
    return used > room
  })
  return end < 0 ? some : some.slice(0, end)
}

function takeLast(some: readonly Cell[], room: number): readonly Cell[] {
  return takeFirst(some.toReversed(), room).toReversed()
}

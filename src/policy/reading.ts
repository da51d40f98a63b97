import type { Place } from '../base/place.ts'
import { nearest } from '../base/suggest.ts'
import type { DiagnosticCode } from './codes.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { Lines } from './yaml/lines.ts'

/** One pass over one file: where things stand, and what was found wrong so far. */
export interface Reading {
  /** In the order of the file. */
  diagnostics(): readonly Diagnostic[]
  /** How many errors so far; compared before and after to know whether a part was read whole. */
  readonly errors: number
  place(path: string, span: Span): Place
  error(code: DiagnosticCode, place: Place, message: string, fix: string): void
  warning(code: DiagnosticCode, place: Place, message: string, fix: string): void
  /** The known name nearest to a typed one. Gives up once the whole file has cost too many comparisons. */
  suggest(typed: string, known: readonly string[]): string | undefined
}

/** Problems of one file that are kept. */
const MAX_DIAGNOSTICS = 1000
/** Name comparisons spent on suggestions in one file: about a tenth of a second. */
const SUGGESTION_BUDGET = 300_000

export interface Span {
  readonly start: number
  readonly end: number
}

export function beginReading(lines: Lines): Reading {
  const diagnostics: Diagnostic[] = []
  let errors = 0
  let found = 0
  let budget = SUGGESTION_BUDGET
  const keep = (diagnostic: Diagnostic): void => {
    found++
    if (diagnostics.length < MAX_DIAGNOSTICS) diagnostics.push(diagnostic)
  }
  return {
    diagnostics() {
      const sorted = diagnostics.toSorted((a, b) => a.place.start - b.place.start)
      const dropped = found - sorted.length
      const last = sorted.at(-1)
      if (dropped > 0 && last !== undefined) sorted.push(tooMany(dropped, last.place))
      return sorted
    },
    get errors() {
      return errors
    },
    place(path, span) {
      const { line, column } = lines.at(span.start)
      return { path, line, column, start: span.start, end: span.end }
    },
    error(code, place, message, fix) {
      errors++
      keep({ code, severity: 'error', place, message: short(message), fix: short(fix) })
    },
    warning(code, place, message, fix) {
      keep({ code, severity: 'warning', place, message: short(message), fix: short(fix) })
    },
    suggest(typed, known) {
      budget -= known.length
      return budget < 0 ? undefined : nearest(typed, known)
    },
  }
}

/** Messages quote the user's text, which may be ten million characters long. */
function short(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 200)}…${text.slice(-80)}`
}

function tooMany(dropped: number, place: Place): Diagnostic {
  const message = `${dropped} more problems are not shown`
  return { code: 'too-many-problems', severity: 'error', place, message, fix: 'solve these first' }
}

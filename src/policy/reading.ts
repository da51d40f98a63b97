import type { Place } from '../base/place.ts'
import { nearest } from '../base/suggest.ts'
import type { DiagnosticCode } from './codes.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { Lines } from './yaml/lines.ts'

/** One pass over one file: where things stand, and what was found wrong so far. */
export interface Reading {
  readonly diagnostics: readonly Diagnostic[]
  /** How many errors so far; compared before and after to know whether a part was read whole. */
  readonly errors: number
  place(path: string, span: Span): Place
  error(code: DiagnosticCode, place: Place, message: string, fix: string): void
  warning(code: DiagnosticCode, place: Place, message: string, fix: string): void
  /** The known name nearest to a typed one. Gives up once the whole file has cost too many comparisons. */
  suggest(typed: string, known: readonly string[]): string | undefined
}

/** Name comparisons spent on suggestions in one file: about a tenth of a second. */
const SUGGESTION_BUDGET = 300_000

export interface Span {
  readonly start: number
  readonly end: number
}

export function beginReading(lines: Lines): Reading {
  const diagnostics: Diagnostic[] = []
  let errors = 0
  let budget = SUGGESTION_BUDGET
  return {
    diagnostics,
    get errors() {
      return errors
    },
    place(path, span) {
      const { line, column } = lines.at(span.start)
      return { path, line, column, start: span.start, end: span.end }
    },
    error(code, place, message, fix) {
      errors++
      diagnostics.push({ code, severity: 'error', place, message: short(message), fix: short(fix) })
    },
    warning(code, place, message, fix) {
      diagnostics.push({ code, severity: 'warning', place, message: short(message), fix: short(fix) })
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

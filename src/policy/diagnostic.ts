import type { Place } from '../base/place.ts'
import type { DiagnosticCode } from './codes.ts'

export type Severity = 'error' | 'warning'

/** Something wrong, or doubtful, in the user's text. Collected, never thrown. */
export interface Diagnostic {
  readonly code: DiagnosticCode
  readonly severity: Severity
  readonly place: Place
  /** One sentence: what is wrong. May hold the user's text as it is: rendering makes it printable. */
  readonly message: string
  /** One sentence: what to write instead. */
  readonly fix: string
}

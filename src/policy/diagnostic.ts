import type { Place } from '../base/place.ts'
import type { DiagnosticCode } from './codes.ts'

/** Something wrong, or doubtful, in the user's text. Collected, never thrown. */
export interface Diagnostic {
  readonly code: DiagnosticCode
  readonly severity: 'error' | 'warning'
  readonly place: Place
  /** One sentence: what is wrong. */
  readonly message: string
  /** One sentence: what to write instead. */
  readonly fix: string
}

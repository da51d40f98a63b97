/** How a command ends, the same everywhere (design section 3; `admit help exit-codes`). */
export const EXIT = {
  /** Done, yes, nothing to change. */
  done: 0,
  /** No: differs, refused, a finding, changes pending. */
  no: 1,
  /** The command line or the policy is wrong. */
  usage: 2,
  /** Refused for safety. */
  unsafe: 3,
  /** The system refused; nothing changed. */
  system: 4,
  /** Changed and not as meant: repair needed. */
  repair: 5,
  /** A bug of admit's own. */
  bug: 70,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

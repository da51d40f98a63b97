/**
 * Where in the policy something stands: a path a person would say (`grants[0]`, `devices.laptop.mac`),
 * and the 1-based line and column of its first character. `start` and `end` are offsets in UTF-16 units.
 */
export interface Place {
  readonly path: string
  readonly line: number
  readonly column: number
  readonly start: number
  readonly end: number
}

/** A place for things that stand in no file: defaults, and policies built in memory. */
export function nowhere(path: string): Place {
  return { path, line: 0, column: 0, start: 0, end: 0 }
}

import { readFile } from 'node:fs/promises'
import type { Reading } from '../host/reading.ts'

/** How a finished command ended. `code` is null where a signal ended it. */
export interface RunOutcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
  /** The program is not installed. */
  readonly missing?: boolean
}

/** Runs one command to its end, without a shell; `timeout` in milliseconds. Rejects only on a bug. */
export type Run = (
  name: string,
  args: readonly string[],
  options?: { readonly stdin?: string; readonly timeout?: number },
) => Promise<RunOutcome>

/** One reading of the host under way: how to run commands, and what could not be read so far. */
export interface Reader {
  readonly run: Run
  readonly notes: string[]
}

/** Milliseconds after which a tool is given up: they answer within 30 even on busy hosts. */
const PATIENCE = 5000

/**
 * Runs a command and reads its output, even where it failed in the middle. Whatever goes wrong becomes a note.
 * `expectFailures` keeps a failing exit code quiet, where some questions are expected to have no answer.
 */
export async function ask<T>(
  reader: Reader,
  name: string,
  args: readonly string[],
  read: (text: string) => Reading<T>,
  options: { readonly stdin?: string; readonly expectFailures?: boolean } = {},
): Promise<T> {
  const { stdin, expectFailures = false } = options
  const outcome = await reader.run(name, args, {
    timeout: PATIENCE,
    ...(stdin === undefined ? {} : { stdin }),
  })
  const problem = problemOf(outcome, expectFailures)
  if (problem !== undefined) reader.notes.push(`\`${[name, ...args].join(' ')}\`: ${problem}`)
  const reading = read(outcome.stdout)
  // Output that was cut off is not JSON any more; the first note says why.
  if (problem === undefined) reader.notes.push(...reading.notes)
  return reading.value
}

function problemOf(outcome: RunOutcome, expectFailures: boolean): string | undefined {
  if (outcome.missing === true) return 'the program is not installed; what it tells stays unknown'
  if (outcome.timedOut) return `no answer within ${PATIENCE / 1000} s; what it tells stays unknown`
  if (outcome.code === 0 || expectFailures) return undefined
  const said = outcome.stderr.trim().split('\n')[0] ?? ''
  return said === '' ? `it failed with exit code ${outcome.code ?? 'none'}` : said
}

/** The text of a small system file, or undefined where it is not there or may not be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

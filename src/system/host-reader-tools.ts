import { readFile } from 'node:fs/promises'
import type { Reading } from '../host/reading.ts'
import type { CommandResult, RunCommand } from './command.ts'

/** One reading of the host under way: how to run commands, and what could not be read so far. */
export interface Reader {
  readonly run: RunCommand
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
  const reading = read(outcome.kind === 'ran' ? outcome.stdout : '')
  // Output that was cut off is not JSON any more; the first note says why.
  if (problem === undefined) reader.notes.push(...reading.notes)
  return reading.value
}

function problemOf(outcome: CommandResult, expectFailures: boolean): string | undefined {
  switch (outcome.kind) {
    case 'missing':
      return 'the program is not installed; what it tells stays unknown'
    case 'failed':
      return `it could not be started: ${outcome.reason}`
    case 'ran':
      if (outcome.timedOut) return `no answer within ${PATIENCE / 1000} s; what it tells stays unknown`
      if (outcome.truncated) return 'its output is too long and was cut off; what it tells stays unknown'
      if (outcome.code === 0 || expectFailures) return undefined
      return outcome.stderr.trim().split('\n')[0] || `it failed with exit code ${outcome.code ?? 'none'}`
    default:
      return outcome satisfies never
  }
}

/** The text of a small system file, or undefined where it is not there or may not be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

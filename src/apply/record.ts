import type { Sha256 } from '../backends/nftables/stored.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'

/**
 * A small file of `key value` lines that both admit and a plain shell script can read: a first line that says what it
 * is, the lines, and a last line with the SHA-256 of all before it. Whatever is cut short, changed or another's is
 * recognised and never obeyed.
 */
export interface RecordFile {
  /** `journal`, `window`, `outcome`, `point`, `proof`: what the first line names. */
  readonly what: string
  readonly lines: readonly RecordLine[]
}

/** Keys are words of `a-z` and `-`; values one line of printable text. A key may come more than once. */
export type RecordLine = readonly [key: string, value: string]

const VERSION = 1

export function renderRecord(record: RecordFile, sha256: Sha256): string {
  const lines = record.lines.map(([key, value]) => `${key} ${printable(value)}\n`)
  const body = `admit-${record.what} ${VERSION}\n${lines.join('')}`
  return `${body}sha256 ${sha256(body)}\n`
}

/** Reads what `renderRecord` wrote; `file` is named in the errors. */
export function parseRecord(
  text: string,
  what: string,
  file: string,
  sha256: Sha256,
): Result<RecordFile, string> {
  const first = `admit-${what} `
  const version = text.startsWith(first) ? /^\d+\n/.exec(text.slice(first.length))?.[0].trim() : undefined
  if (version === undefined) {
    return first.startsWith(text.slice(0, first.length)) && !text.includes('\n')
      ? fail(`${file} is cut short`)
      : fail(`${file} was not written by admit`)
  }
  if (version !== String(VERSION)) {
    return fail(`${file} is of version ${version}; this admit reads version ${VERSION}`)
  }
  const end = /sha256 ([0-9a-f]{64})\n$/.exec(text)
  if (end === null) return fail(`${file} is cut short`)
  const body = text.slice(0, end.index)
  if (sha256(body) !== end[1]) return fail(`${file} was changed since admit wrote it`)
  const lines = body
    .split('\n')
    .slice(1, -1)
    .map((line): RecordLine => {
      const space = line.indexOf(' ')
      return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)]
    })
  return ok({ what, lines })
}

/** The first value of a key. */
export function valueOf(record: RecordFile, key: string): string | undefined {
  return record.lines.find(([name]) => name === key)?.[1]
}

/** All values of a key, in order. */
export function valuesOf(record: RecordFile, key: string): readonly string[] {
  return record.lines.flatMap(([name, value]) => (name === key ? [value] : []))
}

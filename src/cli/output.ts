/** Where a command writes. Text for people and JSON for programs never mix: with `json` only the one document goes out. */
export interface Output {
  readonly json: boolean
  /** Paints with ANSI colours, or leaves text as it is. */
  readonly paint: Paint
  /** A line for the user on standard output; nothing with `json`. */
  say(line?: string): void
  /** A line on standard error: warnings, progress, errors. */
  warn(line: string): void
  /** Writes over the last such line on a terminal's standard error; without text clears it. */
  progress(text?: string): void
  /** The command's document on standard output; nothing without `json`. */
  document(command: string, body: Readonly<Record<string, unknown>>): void
}

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold'
export type Paint = (colour: Colour, text: string) => string

const ANSI: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
}

export const plain: Paint = (_, text) => text

export const coloured: Paint = (colour, text) => {
  const [on, off] = ANSI[colour]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

export interface Streams {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

export function createOutput(
  streams: Streams,
  options: { readonly json: boolean; readonly paint: Paint },
): Output {
  const { json, paint } = options
  return {
    json,
    paint,
    say: (line = '') => {
      if (!json) streams.out(`${line}\n`)
    },
    warn: (line) => streams.err(`${line}\n`),
    progress: (text = '') => streams.err(`\r${text}\u001b[K`),
    document: (command, body) => {
      if (json) streams.out(`${documentText(command, body)}\n`)
    },
  }
}

/**
 * One JSON document, without the newline at its end. It may be read on a terminal: what JSON itself leaves as it is
 * and a terminal obeys (DEL, C1, bidirectional marks) is escaped, which changes no value.
 */
export function documentText(command: string, body: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ admit: 1, command, ...body }, jsonValue, 2).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** IPv6 values are bigints in the model: JSON carries them as decimal strings. */
function jsonValue(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

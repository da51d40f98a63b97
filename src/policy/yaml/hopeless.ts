import { Lexer } from 'yaml'
import type { YamlProblem } from './tree.ts'

/** Deeper nesting than any policy has; the composer recurses, and its stack must never overflow. */
const MAX_DEPTH = 64
/** Columns of indentation before a line's first token outside brackets; block nesting needs them. */
const MAX_INDENT = 2 * MAX_DEPTH

/** Tokens of the lexer that stand for no text: a document begins, brackets are given up, a scalar follows. */
const DOCUMENT = '\x02'
const FLOW_END = '\x18'
const SCALAR = '\x1f'

interface Open {
  readonly bracket: string
  readonly offset: number
}

/**
 * Finds what the composer would overflow on or be wordy about: nesting without end, and brackets that do not match.
 * The lexer alone is linear and not recursive. Flow collections nest by brackets; block collections cannot nest
 * deeper than a line is indented (a list may stand in its map's column).
 */
export function findHopeless(text: string): YamlProblem | undefined {
  const open: Open[] = []
  let offset = 0
  let indent = 0
  let lineStart = true
  for (const token of new Lexer().lex(text)) {
    const last = open.at(-1)
    if (token === FLOW_END) return last === undefined ? undefined : unclosed(last)
    if (token === DOCUMENT || token === SCALAR) {
      lineStart = token === DOCUMENT
      continue
    }
    if (token === '\n' || token === '\r\n') {
      lineStart = true
      indent = 0
    } else if (token === '[' || token === '{') {
      open.push({ bracket: token, offset })
    } else if (token === ']' || token === '}') {
      const mismatch = checkClosing(token, offset, last)
      if (mismatch !== undefined) return mismatch
      open.pop()
    } else if (open.length === 0 && lineStart) {
      if (/^([ ]+|[-?:])$/.test(token)) indent += token.length
      else lineStart = false
    }
    if (open.length > MAX_DEPTH || (indent > MAX_INDENT && token.trim() !== '')) return tooDeep(offset)
    offset += token.length
  }
  const never = open.at(-1)
  return never === undefined ? undefined : unclosed(never)
}

function closing(bracket: string): string {
  return bracket === '[' ? ']' : '}'
}

function checkClosing(bracket: string, offset: number, last: Open | undefined): YamlProblem | undefined {
  if (last === undefined) {
    return problem(
      `nothing is open that this ${bracket} could close`,
      'remove it, or put the value in quotes',
      offset,
    )
  }
  if (closing(last.bracket) === bracket) return undefined
  const message = `this ${bracket} comes before the ${closing(last.bracket)} that a ${last.bracket} before it needs`
  return problem(message, `write ${closing(last.bracket)} first`, offset)
}

function unclosed(open: Open): YamlProblem {
  const needed = closing(open.bracket)
  const fix = `write ${needed} where it ends; lines inside brackets are indented more than the key before them`
  return problem(`this ${open.bracket} is never closed`, fix, open.offset)
}

function tooDeep(start: number): YamlProblem {
  const message = `lists and maps are nested deeper than ${MAX_DEPTH} levels here`
  const fix =
    'a policy is never more than six levels deep: look for brackets that are not closed above this line'
  return { code: 'yaml-depth', message, fix, start, end: start + 1 }
}

function problem(message: string, fix: string, start: number): YamlProblem {
  return { code: 'yaml-syntax', message, fix, start, end: start + 1 }
}

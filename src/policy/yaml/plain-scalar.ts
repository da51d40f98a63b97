import type { YamlScalar } from './tree.ts'

const NEWLINE = 10
const RETURN = 13
const SPACE = 32
const HASH = 35
const COLON = 58

/** Characters that mean something where a scalar begins (YAML 1.2, c-indicator); `.` may begin a document's end. */
const INDICATORS = new Set('-?:,[]{}#&*!|>\'"%@` \r\n.')
const FLOW_INDICATORS = new Set(',[]{}')

/** A scalar without quotes that begins here and ends in the same line. It may stop before `: `, `,`, a bracket or a comment. */
export function scanPlain(text: string, start: number, inFlow: boolean): YamlScalar | undefined {
  if (start >= text.length || INDICATORS.has(text.charAt(start))) return undefined
  let end = start
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === NEWLINE || code === RETURN) break
    if (code === SPACE) continue
    if (code === HASH && at > end) break
    if (code === COLON && endsKey(text, at + 1, inFlow)) break
    if (inFlow && isFlowIndicator(code)) break
    end = at + 1
  }
  return { kind: 'scalar', text: text.slice(start, end), style: 'plain', start, end }
}

function endsKey(text: string, next: number, inFlow: boolean): boolean {
  if (next >= text.length) return true
  const code = text.charCodeAt(next)
  return (
    code === SPACE ||
    code === NEWLINE ||
    code === RETURN ||
    (inFlow && FLOW_INDICATORS.has(text.charAt(next)))
  )
}

/** One of , [ ] { } */
function isFlowIndicator(code: number): boolean {
  return code === 44 || code === 91 || code === 93 || code === 123 || code === 125
}

/** A scalar in quotes that begins here and ends in the same line. */
export function scanQuoted(text: string, start: number): YamlScalar | undefined {
  const found = text.charAt(start) === '"' ? scanDouble(text, start) : scanSingle(text, start)
  return found === undefined
    ? undefined
    : { kind: 'scalar', text: found.value, style: 'quoted', start, end: found.end }
}

function scanDouble(text: string, start: number): { value: string; end: number } | undefined {
  let escaped = false
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '\n') return undefined
    if (character === '\\') {
      escaped = true
      at++
    } else if (character === '"') {
      if (!escaped) return { value: text.slice(start + 1, at), end: at + 1 }
      const value = unescape(text.slice(start, at + 1))
      return value === undefined ? undefined : { value, end: at + 1 }
    }
  }
  return undefined
}

/** JSON's escapes are a part of YAML's and mean the same. */
function unescape(quoted: string): string | undefined {
  if (!/^"([^\\]|\\(["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"$/.test(quoted)) return undefined
  const value: unknown = JSON.parse(quoted)
  return typeof value === 'string' ? value : undefined
}

function scanSingle(text: string, start: number): { value: string; end: number } | undefined {
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '\n') return undefined
    if (character !== "'") continue
    if (text.charAt(at + 1) !== "'")
      return { value: text.slice(start + 1, at).replaceAll("''", "'"), end: at + 1 }
    at++
  }
  return undefined
}

import { Composer, isAlias, isMap, isScalar, isSeq, Parser } from 'yaml'
import type { Document, YAMLError } from 'yaml'
import { findHopeless } from './hopeless.ts'
import type { ParsedYaml, YamlEntry, YamlNode, YamlProblem, YamlScalar } from './tree.ts'
import { emptyScalar, NOT_PRINTABLE } from './tree.ts'

/** Problems shown of one file: after the first few they follow from one another. */
const MAX_PROBLEMS = 20

/**
 * Reads any YAML 1.2 text with the `yaml` package into a tree. Directives other than `%YAML 1.2`, several documents,
 * tags, anchors and aliases are problems: a policy needs none of them, and an alias can stand for a billion values.
 */
export function parseFullYaml(text: string): ParsedYaml {
  const hopeless = findControl(text) ?? findHopeless(text)
  if (hopeless !== undefined) return { root: undefined, problems: [hopeless] }
  return withoutStacks(() => compose(text))
}

/** Characters outside of YAML's printable ones; the lexer uses some of them as marks of its own. */
function findControl(text: string): YamlProblem | undefined {
  const start = text.search(NOT_PRINTABLE)
  if (start < 0) return undefined
  const code = text.charCodeAt(start).toString(16).padStart(4, '0')
  const message = `the control character U+${code.toUpperCase()} stands here`
  const fix = `remove it, or write it in double quotes as \\u${code}`
  return { code: 'yaml-syntax', message, fix, start, end: start + 1 }
}

/**
 * The package makes an Error of every mistake, and a file may hold hundreds of thousands: with a stack each takes
 * 40 µs, without one 5 µs.
 */
function withoutStacks<T>(work: () => T): T {
  const before: unknown = Reflect.get(Error, 'stackTraceLimit')
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return work()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', before)
  }
}

function compose(text: string): ParsedYaml {
  const composer = new Composer({
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  let document: Document.Parsed | undefined
  for (const next of composer.compose(new Parser().parse(text), true, text.length)) {
    if (document !== undefined) return { root: undefined, problems: [severalDocuments(next, text)] }
    document = next
  }
  if (document === undefined) return { root: undefined, problems: [] }
  const problems = firstOfEachLine(document.errors, text).map((error) => fromYamlError(error, text))
  const version = wrongVersion(document, text)
  if (version !== undefined) problems.unshift(version)
  if (problems.length > 0) return { root: undefined, problems }
  const contents = document.contents
  if (contents === null) return { root: undefined, problems }
  const root = convert(contents, 0, problems)
  return problems.length > 0
    ? { root: undefined, problems: problems.slice(0, MAX_PROBLEMS) }
    : { root, problems }
}

function convert(node: unknown, at: number, problems: YamlProblem[]): YamlNode {
  if (isAlias(node)) {
    problems.push(aliasProblem(node.range?.[0] ?? at, node.range?.[1] ?? at))
    return emptyScalar(at)
  }
  if (isScalar(node) || isMap(node) || isSeq(node)) {
    const start = node.range?.[0] ?? at
    const end = node.range?.[1] ?? at
    if (node.anchor !== undefined) problems.push(aliasProblem(start, end))
    if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org')) problems.push(tagProblem(start, end))
    if (isScalar(node)) return convertScalar(node.value, node.type, start, end, at)
    if (isSeq(node)) {
      const items = node.items.map((item) => convert(item, start, problems))
      // The package ends a block collection after the blank lines that follow it.
      return { kind: 'list', items, start, end: node.flow === true ? end : (items.at(-1)?.end ?? end) }
    }
    const entries = node.items.map((pair) => convertPair(pair, start, problems))
    return { kind: 'map', entries, start, end: node.flow === true ? end : (entries.at(-1)?.value.end ?? end) }
  }
  return emptyScalar(at)
}

function convertPair(pair: { key: unknown; value: unknown }, at: number, problems: YamlProblem[]): YamlEntry {
  const key = convert(pair.key, at, problems)
  if (key.kind !== 'scalar') {
    problems.push({
      code: 'yaml-syntax',
      message: 'a key must be a plain word, not a list or a map',
      fix: 'write one word before the colon',
      start: key.start,
      end: key.end,
    })
    return { key: emptyScalar(key.start), value: emptyScalar(key.end) }
  }
  return { key, value: convert(pair.value, key.end, problems) }
}

function convertScalar(
  value: unknown,
  type: string | undefined,
  start: number,
  end: number,
  at: number,
): YamlScalar {
  const text = typeof value === 'string' ? value : ''
  if (type === 'PLAIN' || type === undefined) {
    return text === '' ? emptyScalar(at) : { kind: 'scalar', text, style: 'plain', start, end }
  }
  const style = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE' ? 'quoted' : 'block'
  return { kind: 'scalar', text, style, start, end }
}

/** What goes wrong in one place makes the parser stumble over the rest of the line. */
function firstOfEachLine(errors: readonly YAMLError[], text: string): readonly YAMLError[] {
  const kept: YAMLError[] = []
  let lineEnd = -1
  for (const error of errors) {
    if (error.pos[0] <= lineEnd) continue
    kept.push(error)
    const next = text.indexOf('\n', error.pos[0])
    lineEnd = next < 0 ? text.length : next
    if (kept.length === MAX_PROBLEMS) break
  }
  return kept
}

function severalDocuments(next: Document.Parsed, text: string): YamlProblem {
  const at = next.range?.[0] ?? 0
  const marker = text.lastIndexOf('---', at + 3)
  const start = marker < 0 ? at : marker
  return {
    code: 'yaml-documents',
    message: 'the file holds more than one YAML document',
    fix: 'remove the line --- and everything that belongs to another policy',
    start,
    end: start + 3,
  }
}

function wrongVersion(document: Document.Parsed, text: string): YamlProblem | undefined {
  const directive = /^%.*$/m.exec(text)
  if (directive === null || document.directives?.docStart !== true) return undefined
  if (/^%YAML[ \t]+1\.2[ \t]*(#.*)?\r?$/.test(directive[0]) && document.directives.yaml.version === '1.2')
    return undefined
  return {
    code: 'yaml-version',
    message: 'directives are not allowed: in YAML 1.1 the MAC address 12:34:56:10:20:30 is a number',
    fix: 'remove the line that begins with %',
    start: directive.index,
    end: directive.index + directive[0].length,
  }
}

function aliasProblem(start: number, end: number): YamlProblem {
  return {
    code: 'yaml-alias',
    message: 'anchors (&name) and aliases (*name) are not part of the policy language',
    fix: 'write the value out, or name the devices once under groups:',
    start,
    end,
  }
}

function tagProblem(start: number, end: number): YamlProblem {
  return {
    code: 'yaml-tag',
    message: 'tags (!name) are not part of the policy language',
    fix: 'remove the tag; every value is read as its key says',
    start,
    end,
  }
}

function fromYamlError(error: YAMLError, text: string): YamlProblem {
  const start = Math.min(error.pos[0], text.length)
  const end = Math.max(start, Math.min(error.pos[1], text.length))
  const [message, fix] = explain(error, text, start)
  const code =
    error.code === 'TAB_AS_INDENT'
      ? 'yaml-tab'
      : error.code === 'TAG_RESOLVE_FAILED'
        ? 'yaml-tag'
        : 'yaml-syntax'
  return { code, message, fix, start, end }
}

function explain(error: YAMLError, text: string, start: number): readonly [message: string, fix: string] {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return ['a tab stands where YAML wants spaces', 'indent with spaces']
    case 'BAD_INDENT':
      return [
        'this line is not indented like the lines it belongs to',
        'give all entries of one list or map the same indentation',
      ]
    case 'BAD_SCALAR_START':
      return [
        `a value cannot begin with ${text.charAt(start)}`,
        `put the value in quotes: "${text.charAt(start)}…"`,
      ]
    case 'BAD_DQ_ESCAPE':
      return [
        'this backslash begins no escape that YAML knows',
        'write \\\\ for a backslash, or use single quotes',
      ]
    case 'BAD_DIRECTIVE':
      return ['this line beginning with % is no directive', 'remove the line']
    case 'BLOCK_AS_IMPLICIT_KEY':
      return [
        'a second colon makes this line two maps',
        'put the value in quotes, or begin a new line after the first colon',
      ]
    case 'MULTILINE_IMPLICIT_KEY':
      return ['a key must end with a colon on its own line', 'write `key: value`, with a colon and a space']
    case 'KEY_OVER_1024_CHARS':
      return ['a key is longer than 1024 characters', 'names have at most 63 characters']
    case 'TAG_RESOLVE_FAILED':
      return [
        'tags (!name) are not part of the policy language',
        'remove the tag, or put the value in quotes',
      ]
    default:
      return [
        plainWords(error.message),
        'look for a missing quote, comma, colon or bracket here or just above',
      ]
  }
}

function plainWords(message: string): string {
  const words = message.replace('flow-collection', 'collection').replace(/ at node end$/, ' here')
  return words.charAt(0).toLowerCase() + words.slice(1)
}

import type { Result } from '../../base/result.ts'
import { fail, ok } from '../../base/result.ts'
import { scanPlain, scanQuoted } from './plain-scalar.ts'
import type { YamlEntry, YamlMap, YamlNode, YamlScalar } from './tree.ts'
import { emptyScalar, NOT_PRINTABLE } from './tree.ts'

/** No policy is longer: 100,000 devices with a note each are about 15 million characters. */
export const MAX_PLAIN_LENGTH = 64 * 1024 * 1024
/** Deeper nesting is left to the full reader, which refuses it. */
const MAX_DEPTH = 48
/** YAML's own limit for keys that are not marked with `?`. */
const MAX_KEY = 1024

/** Tabs, byte order marks, and CR without LF; characters that are in no YAML. */
const NOT_PLAIN = new RegExp(`[\\t\\ufeff]|\\r(?!\\n)|${NOT_PRINTABLE.source}`)

const NEWLINE = 10
/** Only ever before a NEWLINE: the text was searched for others. */
const RETURN = 13
const SPACE = 32
const HASH = 35
const DASH = 45
const COMMA = 44
const COLON = 58

/**
 * Reads YAML that is plainly written: block and bracket lists and maps, scalars on one line, comments. Whatever else
 * begins, or is wrong, makes it give up at that offset, and the full reader has its say. A text that is read here
 * means the same to the full reader; that is a law with a test.
 */
export function parsePlainYaml(text: string): Result<YamlNode | undefined, number> {
  if (text.length > MAX_PLAIN_LENGTH) return fail(0)
  const control = text.search(NOT_PLAIN)
  if (control >= 0) return fail(control)
  const reader = new PlainReader(text)
  reader.nextContent()
  if (reader.at >= text.length) return ok(undefined)
  const root = reader.root()
  return root === undefined || reader.at < text.length ? fail(reader.at) : ok(root)
}

/** A place in the text. Every method gives undefined where the text is not plain; `at` then says where. */
class PlainReader {
  readonly #text: string
  #at = 0
  #lineStart = 0

  constructor(text: string) {
    this.#text = text
  }

  get at(): number {
    return this.#at
  }

  get #column(): number {
    return this.#at - this.#lineStart
  }

  /** Skips blank lines and comments; must be called at the beginning or the end of a line. */
  nextContent(): void {
    const text = this.#text
    for (;;) {
      while (text.charCodeAt(this.#at) === SPACE) this.#at++
      if (text.charCodeAt(this.#at) === HASH) this.#skipLine()
      if (text.charCodeAt(this.#at) === RETURN) this.#at++
      if (text.charCodeAt(this.#at) !== NEWLINE) return
      this.#at++
      this.#lineStart = this.#at
    }
  }

  /** The whole text's value: a block, or brackets with nothing after them. */
  root(): YamlNode | undefined {
    const first = this.#text.charAt(this.#at)
    if (first !== '[' && first !== '{') return this.#blockNode(0)
    const value = this.#flowNode(false, 0, 0)
    if (value === undefined || !this.#endLine()) return undefined
    this.nextContent()
    return value
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end < 0 ? this.#text.length : end
  }

  /** Skips what may stand after a value: spaces, and a comment with a space before it. */
  #endLine(): boolean {
    const text = this.#text
    const before = this.#at
    while (text.charCodeAt(this.#at) === SPACE) this.#at++
    if (text.charCodeAt(this.#at) === HASH && this.#at > before) this.#skipLine()
    if (text.charCodeAt(this.#at) === RETURN) this.#at++
    return this.#at >= text.length || text.charCodeAt(this.#at) === NEWLINE
  }

  /** A list or map that begins here, the first content of its line or after `- `. */
  #blockNode(depth: number): YamlNode | undefined {
    if (depth > MAX_DEPTH) return undefined
    return this.#atDash() ? this.#blockList(depth) : this.#blockMap(depth)
  }

  #atDash(): boolean {
    if (this.#text.charCodeAt(this.#at) !== DASH) return false
    return this.#endsToken(this.#at + 1)
  }

  /** Whether a space, a line end or the end of the text is here. */
  #endsToken(offset: number): boolean {
    const code = this.#text.charCodeAt(offset)
    return code === SPACE || code === NEWLINE || code === RETURN || offset >= this.#text.length
  }

  #blockMap(depth: number): YamlMap | undefined {
    const indent = this.#column
    const entries: YamlEntry[] = []
    const start = this.#at
    let end = start
    do {
      const key = this.#key()
      if (key === undefined) return undefined
      const value = this.#blockValue(key, indent, depth)
      if (value === undefined) return undefined
      entries.push({ key, value })
      end = value.end
      if (this.#at >= this.#text.length || this.#column < indent) break
    } while (this.#column === indent && !this.#atDash())
    if (this.#at < this.#text.length && this.#column >= indent) return undefined
    return { kind: 'map', entries, start, end }
  }

  /** A word or quoted text with `:` and a space or line end right after it; `at` is then after the colon. */
  #key(): YamlScalar | undefined {
    const key = this.#scalar(false)
    if (key === undefined || key.end - key.start > MAX_KEY) return undefined
    if (this.#text.charCodeAt(this.#at) !== COLON || !this.#endsToken(this.#at + 1)) return undefined
    this.#at++
    return key
  }

  /** What belongs to a key; `at` is then at the next content, or the end of the text. */
  #blockValue(key: YamlScalar, indent: number, depth: number): YamlNode | undefined {
    if (!this.#endLine()) {
      const value = this.#flowNode(false, indent + 1, depth + 1)
      return value !== undefined && this.#endOfInline(indent) ? value : undefined
    }
    this.nextContent()
    if (this.#at >= this.#text.length) return emptyScalar(key.end)
    if (this.#column > indent) return this.#blockNode(depth + 1)
    if (this.#column === indent && this.#atDash()) return this.#blockList(depth + 1)
    return emptyScalar(key.end)
  }

  /** After a value on its key's line: only a comment, and no deeper line that would continue it. */
  #endOfInline(indent: number): boolean {
    if (!this.#endLine()) return false
    this.nextContent()
    return this.#at >= this.#text.length || this.#column <= indent
  }

  #blockList(depth: number): YamlNode | undefined {
    if (depth > MAX_DEPTH) return undefined
    const indent = this.#column
    const items: YamlNode[] = []
    const start = this.#at
    let end = start
    do {
      this.#at++
      const item = this.#blockItem(indent, depth)
      if (item === undefined) return undefined
      items.push(item)
      end = item.end
      if (this.#at >= this.#text.length || this.#column < indent) break
    } while (this.#column === indent && this.#atDash())
    if (this.#at < this.#text.length && this.#column > indent) return undefined
    return { kind: 'list', items, start, end }
  }

  #blockItem(indent: number, depth: number): YamlNode | undefined {
    if (this.#endLine()) {
      this.nextContent()
      return this.#at < this.#text.length && this.#column > indent ? this.#blockNode(depth + 1) : undefined
    }
    const start = this.#at
    const item = this.#flowNode(false, indent + 1, depth + 1)
    if (item === undefined) return undefined
    if (item.kind === 'scalar' && this.#text.charCodeAt(this.#at) === COLON) {
      this.#at = start
      return this.#blockMap(depth + 1)
    }
    return this.#endOfInline(indent) ? item : undefined
  }

  /** A scalar or bracket collection. `least` is the first column that a line inside brackets may begin in. */
  #flowNode(inFlow: boolean, least: number, depth: number): YamlNode | undefined {
    if (depth > MAX_DEPTH) return undefined
    const first = this.#text.charAt(this.#at)
    if (first === '[') return this.#flowList(least, depth)
    if (first === '{') return this.#flowMap(least, depth)
    return this.#scalar(inFlow)
  }

  #scalar(inFlow: boolean): YamlScalar | undefined {
    const first = this.#text.charAt(this.#at)
    const found =
      first === '"' || first === "'"
        ? scanQuoted(this.#text, this.#at)
        : scanPlain(this.#text, this.#at, inFlow)
    if (found !== undefined) this.#at = found.end
    return found
  }

  #flowList(least: number, depth: number): YamlNode | undefined {
    const start = this.#at
    const items: YamlNode[] = []
    this.#at++
    for (;;) {
      if (!this.#flowSpace(least)) return undefined
      if (this.#text.charAt(this.#at) === ']') break
      const item = this.#flowNode(true, least, depth + 1)
      if (item === undefined || !this.#flowSpace(least)) return undefined
      items.push(item)
      if (this.#text.charCodeAt(this.#at) === COMMA) this.#at++
      else if (this.#text.charAt(this.#at) !== ']') return undefined
    }
    this.#at++
    return { kind: 'list', items, start, end: this.#at }
  }

  #flowMap(least: number, depth: number): YamlNode | undefined {
    const start = this.#at
    const entries: YamlEntry[] = []
    this.#at++
    for (;;) {
      if (!this.#flowSpace(least)) return undefined
      if (this.#text.charAt(this.#at) === '}') break
      const entry = this.#flowEntry(least, depth)
      if (entry === undefined || !this.#flowSpace(least)) return undefined
      entries.push(entry)
      if (this.#text.charCodeAt(this.#at) === COMMA) this.#at++
      else if (this.#text.charAt(this.#at) !== '}') return undefined
    }
    this.#at++
    return { kind: 'map', entries, start, end: this.#at }
  }

  #flowEntry(least: number, depth: number): YamlEntry | undefined {
    const key = this.#scalar(true)
    if (key === undefined || key.end - key.start > MAX_KEY) return undefined
    if (this.#text.charCodeAt(this.#at) !== COLON || !this.#endsToken(this.#at + 1)) return undefined
    this.#at++
    if (!this.#flowSpace(least)) return undefined
    const value = this.#flowNode(true, least, depth + 1)
    return value === undefined ? undefined : { key, value }
  }

  /** Skips spaces, line ends and comments inside brackets; false where a line is not indented enough. */
  #flowSpace(least: number): boolean {
    const text = this.#text
    for (;;) {
      const before = this.#at
      while (text.charCodeAt(this.#at) === SPACE) this.#at++
      if (text.charCodeAt(this.#at) === RETURN) this.#at++
      const code = text.charCodeAt(this.#at)
      if (code === HASH && (this.#at > before || this.#column === 0)) this.#skipLine()
      else if (code === NEWLINE) {
        this.#at++
        this.#lineStart = this.#at
        while (text.charCodeAt(this.#at) === SPACE) this.#at++
        const inside = text.charCodeAt(this.#at)
        if (inside === NEWLINE || inside === RETURN) continue
        if (this.#column < least) return false
        if (inside === HASH) this.#skipLine()
      } else return this.#at < text.length
    }
  }
}

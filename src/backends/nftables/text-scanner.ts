/** Where reading a text stopped and why; lines and columns count from 1. */
export interface TextError {
  readonly line: number
  readonly column: number
  readonly message: string
}

/** Thrown inside the text reader only, and caught at its door. */
export class TextProblem extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

export interface Token {
  readonly kind: 'word' | 'string' | 'mark' | 'end-of-line' | 'end'
  /** A string's without its quotes; a newline's and a semicolon's is `;`. */
  readonly text: string
  readonly offset: number
}

// A word is what nft writes without spaces: names, numbers, addresses, ranges, `@set`, `.`, `/`, `-`.
const TOKEN = /[ \t]*(?:(#[^\n]*)|(\r?\n|;)|"([^"\n]*)"|([{}(),|&]|==|!=|=|!)|([^\s{}(),;"=!&|#]+))/y

/** Splits nft's text into tokens, one look ahead. Comments (`# …`) are left out. */
export class TextScanner {
  readonly #text: string
  #position = 0
  #next: Token

  constructor(text: string) {
    this.#text = text
    TOKEN.lastIndex = 0
    this.#next = this.#scan(0)
  }

  get next(): Token {
    return this.#next
  }

  take(): Token {
    const token = this.#next
    this.#next = this.#scan(this.#position)
    return token
  }

  /** Takes the next token if it is this word or mark. */
  skip(text: string): boolean {
    const { kind } = this.#next
    if (this.#next.text !== text || (kind !== 'word' && kind !== 'mark')) return false
    this.take()
    return true
  }

  expect(text: string): void {
    if (!this.skip(text)) throw this.unexpected(`\`${text}\``)
  }

  word(what: string): string {
    if (this.#next.kind !== 'word') throw this.unexpected(what)
    return this.take().text
  }

  string(what: string): string {
    if (this.#next.kind !== 'string') throw this.unexpected(what)
    return this.take().text
  }

  skipLines(): void {
    while (this.#next.kind === 'end-of-line') this.take()
  }

  unexpected(wanted: string): TextProblem {
    const { kind, text, offset } = this.#next
    const found = kind === 'end' ? 'the end' : kind === 'end-of-line' ? 'the end of the line' : `\`${text}\``
    return new TextProblem(`expected ${wanted}, found ${found}`, offset)
  }

  /** The line and column of an offset, both from 1. */
  place(offset: number): { readonly line: number; readonly column: number } {
    const before = this.#text.slice(0, offset)
    return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
  }

  #scan(start: number): Token {
    let from = start
    for (;;) {
      TOKEN.lastIndex = from
      const match = TOKEN.exec(this.#text)
      if (match === null) return this.#scanRest(from)
      this.#position = TOKEN.lastIndex
      const [all, comment, line, string, mark, word] = match
      if (comment !== undefined) {
        from = this.#position
        continue
      }
      if (word !== undefined) return { kind: 'word', text: word, offset: this.#position - word.length }
      if (mark !== undefined) return { kind: 'mark', text: mark, offset: this.#position - mark.length }
      if (line !== undefined) return { kind: 'end-of-line', text: ';', offset: this.#position - line.length }
      const text = string ?? ''
      return { kind: 'string', text, offset: from + all.indexOf('"') }
    }
  }

  #scanRest(from: number): Token {
    const rest = /^[ \t\r]*/.exec(this.#text.slice(from, from + 1000))?.[0].length ?? 0
    const offset = from + rest
    if (offset < this.#text.length) {
      throw new TextProblem(
        `unreadable from ${JSON.stringify(this.#text.slice(offset, offset + 20))} on`,
        offset,
      )
    }
    this.#position = offset
    return { kind: 'end', text: '', offset }
  }
}

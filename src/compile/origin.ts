/** The longest comment that nft keeps with a rule: 128 bytes of user data with its NUL (NFTNL_UDATA_COMMENT_MAXLEN). */
export const MAX_COMMENT_BYTES = 127

/**
 * A rule's comment: where in the policy it comes from, and in words. `grants[0]: from family to ssh, ping`. Paths
 * that begin with `meaning.` are what the language itself says of every packet (docs/language.md).
 */
export function originComment(path: string, words: string): string {
  return cut(`${path}: ${words.replace(/["\\\u0000-\u001f\u007f]/g, '?')}`)
}

/** The path of a comment that `originComment` made; undefined for a stranger's. */
export function originPath(comment: string): string | undefined {
  return /^((?:grants\[\d+\]|host(?:\.\w+)?|meaning\.[\w-]+)): /.exec(comment)?.[1]
}

function cut(text: string): string {
  if (utf8Length(text) <= MAX_COMMENT_BYTES) return text
  let kept = ''
  let bytes = 3
  for (const character of text) {
    bytes += utf8Length(character)
    if (bytes > MAX_COMMENT_BYTES) break
    kept += character
  }
  return `${kept}…`
}

function utf8Length(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

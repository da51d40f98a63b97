/**
 * Makes text of unknown origin harmless on a terminal: control characters (C0, C1, DEL), line and paragraph
 * separators and the bidirectional marks that reorder what follows (Trojan Source, CVE-2021-42574) become
 * visible escapes such as `\u{1b}`; everything else stays.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu,
    (character) => {
      const code = character.codePointAt(0) ?? 0
      return `\\u{${code.toString(16)}}`
    },
  )
}

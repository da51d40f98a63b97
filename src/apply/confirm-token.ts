/** No letter that could be a digit or another letter: no i, l, o, u, and neither 0 nor 1. */
export const TOKEN_ALPHABET = '23456789abcdefghjkmnpqrstvwxyz'
/** Characters of a token without its dashes: 58 bits. */
export const TOKEN_LENGTH = 12

const GROUP = 4

/** How a token is shown: `k7wq-3mzt-9fhx`. */
export function formatToken(characters: string): string {
  return (characters.match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? []).join('-')
}

/** A token as it is hashed: without dashes and spaces, in lower case. Undefined where the text is none. */
export function parseToken(text: string): string | undefined {
  const plain = text.replace(/[-\s]/g, '').toLowerCase()
  if (plain.length !== TOKEN_LENGTH) return undefined
  return [...plain].every((character) => TOKEN_ALPHABET.includes(character)) ? plain : undefined
}

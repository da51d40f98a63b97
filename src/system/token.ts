import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { formatToken, parseToken, TOKEN_ALPHABET, TOKEN_LENGTH } from '../apply/confirm-token.ts'

/** A new token as it is shown, once (`k7wq-3mzt-9fhx`), and its SHA-256 in hex, which is all that is kept. */
export function newToken(): { readonly shown: string; readonly hash: string } {
  const characters = Array.from(
    { length: TOKEN_LENGTH },
    () => TOKEN_ALPHABET[randomInt(TOKEN_ALPHABET.length)],
  ).join('')
  return { shown: formatToken(characters), hash: sha256(characters) }
}

/** What a typed token is to the journal's hash, in constant time; `none` where nothing was typed. */
export function judgeToken(typed: string | undefined, tokenHash: string): 'none' | 'right' | 'wrong' {
  if (typed === undefined) return 'none'
  const token = parseToken(typed)
  if (token === undefined) return 'wrong'
  const [mine, theirs] = [Buffer.from(sha256(token)), Buffer.from(tokenHash)]
  return mine.length === theirs.length && timingSafeEqual(mine, theirs) ? 'right' : 'wrong'
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

import type { Brand } from '../base/brand.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'

/** A 48-bit MAC address in lower-case, colon-separated form: `00:1b:44:11:3a:b7`. Canonical, so `===` is equality. */
export type MacAddress = Brand<string, 'MacAddress'>

const CANONICAL = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const SPELLINGS = [CANONICAL, /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/, /^[0-9a-f]{4}(\.[0-9a-f]{4}){2}$/]

/**
 * Reads a MAC address written with colons, with dashes, or in Cisco's dotted form, in either case.
 * Any six octets are a MAC address here; whether one can be a sender's is `macKind`'s question.
 */
export function parseMacAddress(text: string): Result<MacAddress, string> {
  if (CANONICAL.test(text)) return ok(text as MacAddress)
  const lower = text.toLowerCase()
  if (!SPELLINGS.some((spelling) => spelling.test(lower))) {
    return fail('a MAC address is six pairs of hex digits, such as 00:1b:44:11:3a:b7')
  }
  const digits = lower.replace(/[:.-]/g, '')
  return ok((digits.match(/../g) ?? []).join(':') as MacAddress)
}

/** What the bits of a MAC address say (RFC 9542 section 2.1). Only `global` and `local` can be a frame's source. */
export type MacKind = 'zero' | 'broadcast' | 'group' | 'local' | 'global'

export function macKind(mac: MacAddress): MacKind {
  if (mac === '00:00:00:00:00:00') return 'zero'
  if (mac === 'ff:ff:ff:ff:ff:ff') return 'broadcast'
  const first = Number.parseInt(mac.slice(0, 2), 16)
  if ((first & 1) !== 0) return 'group'
  return (first & 2) !== 0 ? 'local' : 'global'
}

/** The address as a 48-bit number, exact in a JavaScript number. Asked for every packet: ten times parseInt's speed. */
export function macToNumber(mac: MacAddress): number {
  let value = 0
  for (let index = 0; index < mac.length; index++) {
    const code = mac.charCodeAt(index)
    if (code !== COLON) value = value * 16 + (code < COLON ? code - ZERO : code - A + 10)
  }
  return value
}

const [ZERO, COLON, A] = [0x30, 0x3a, 0x61]

export function macFromNumber(value: number): MacAddress {
  const digits = value.toString(16).padStart(12, '0')
  return (digits.match(/../g) ?? []).join(':') as MacAddress
}

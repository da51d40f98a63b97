import type { Brand } from '../base/brand.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'

/** A port from 1 to 65535. Port 0 is reserved (RFC 6335) and no packet of a normal program carries it. */
export type Port = Brand<number, 'Port'>

export function parsePort(text: string): Result<Port, string> {
  if (!/^\d{1,6}$/.test(text)) return fail('a port is a whole number from 1 to 65535')
  if (text.length > 1 && text.startsWith('0')) return fail('a port must not begin with 0')
  const value = Number(text)
  if (value === 0) return fail('port 0 is reserved: nothing can listen on it')
  if (value > 65535) return fail('a port is a whole number from 1 to 65535')
  return ok(value as Port)
}

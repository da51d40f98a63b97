import { inspect } from 'node:util'
import type { Result } from '../../src/base/result.ts'

/** The value of a result that a test counts on. */
export function expectOk<T>(result: Result<T, unknown>, what: string): T {
  if (!result.ok) throw new Error(`${what}: ${inspect(result.error, { depth: 5 })}`)
  return result.value
}

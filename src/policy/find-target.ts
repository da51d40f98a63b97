import { nowhere } from '../base/place.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { nearest } from '../base/suggest.ts'
import type { Policy, Target } from './policy.ts'
import { beginReading } from './reading.ts'
import { serviceBook } from './services.ts'
import type { SystemServices } from './system-services.ts'
import { linesOf } from './yaml/lines.ts'

/**
 * What a word on the command line reaches, in the language's order: the policy's own service, a built-in one, the
 * system's, `PORT/PROTO`, or `everything`. An error is one sentence with the fix.
 */
export function findTarget(
  word: string,
  policy: Policy,
  systemServices: SystemServices | undefined,
): Result<Target, string> {
  const own = policy.services.find((service) => service.name === word)
  if (own !== undefined) return ok({ kind: 'service', service: own })
  const reading = beginReading(linesOf(''))
  const target = serviceBook([], systemServices, reading).target({ value: word, place: nowhere('--to') })
  if (target !== undefined) return ok(target)
  const near = nearest(
    word,
    policy.services.map((service) => service.name),
  )
  const problem = reading.diagnostics()[0]
  const fix = near === undefined ? (problem?.fix ?? 'name a service') : `did you mean ${near}?`
  return fail(`${problem?.message ?? 'no such service'}; ${fix}`)
}

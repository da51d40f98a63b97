import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type { ReachFailure, Who } from './reach.ts'

/** What `--force` overrides: exactly what it names. */
export interface ForceWords {
  /** `tests`: the policy's own. */
  readonly tests: boolean
  /** `me`: whoever applies. */
  readonly me: boolean
  /** `admin NAME`. */
  readonly admins: ReadonlySet<string>
  /** As they were given, for the journal. */
  readonly words: readonly string[]
}

/** Reads `admin laptop,me,tests`. An error is one sentence with the fix. */
export function parseForce(text: string): Result<ForceWords, string> {
  const words = text.split(',').map((word) => word.trim().replace(/\s+/g, ' '))
  const admins = new Set<string>()
  for (const word of words) {
    if (word === 'tests' || word === 'me') continue
    const name = /^admin (\S+)$/.exec(word)?.[1]
    if (name === undefined) {
      const what = word === '' ? 'nothing stands between two commas, or at all' : `"${word}" names no check`
      return fail(`${what}: --force takes tests, me and admin NAME, joined by commas`)
    }
    admins.add(name)
  }
  return ok({ tests: words.includes('tests'), me: words.includes('me'), admins, words })
}

/** The name by which `--force` overrides a failure about someone. */
export function forceName(who: Who): string {
  return who.kind === 'admin' ? `admin ${who.device.name}` : 'me'
}

/** The failures that `--force` does not name. */
export function uncovered(
  failures: readonly ReachFailure[],
  force: ForceWords | undefined,
): readonly ReachFailure[] {
  if (force === undefined) return failures
  return failures.filter(({ who }) =>
    who.kind === 'applier' ? !force.me : !force.admins.has(who.device.name),
  )
}

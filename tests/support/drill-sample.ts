import { caseCount, drawnSeed } from './law-cases.ts'
import { randomFrom } from './random.ts'

/** Some of many drills, and what to say of them. */
export interface Sample<T> {
  readonly drills: readonly T[]
  /** `ADMIT_SEED=7: 60 of 280 drills`; a test prints it with the time that they took. */
  readonly words: string
}

/** Of all the drills: a few by hand, more in CI, all with `--long`; drawn anew each time, or again by ADMIT_SEED. */
export function sampleOf<T>(all: readonly T[], few: number, ci: number, seed = drawnSeed()): Sample<T> {
  const count = Math.min(all.length, caseCount(few, ci, all.length))
  const drills = randomFrom(seed).some(all, count, count)
  return { drills, words: `ADMIT_SEED=${seed}: ${drills.length} of ${all.length} drills` }
}

/** A source of chance that repeats itself for the same seed (mulberry32). */
export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  /** A whole number, both ends possible. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(values: readonly T[]): T
  /** Picks by weight: `[[3, a], [1, b]]`. */
  weighted<T>(choices: readonly (readonly [number, T])[]): T
  /** Some of the values, at least `least`, in their order. */
  some<T>(values: readonly T[], least: number, most: number): readonly T[]
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <T>(values: readonly T[]): T => {
    const index = below(values.length)
    if (index >= values.length) throw new Error('nothing to pick from')
    return values[index] as T
  }
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => next() < probability,
    pick,
    weighted: (choices) => {
      let left = next() * choices.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of choices) {
        left -= weight
        if (left < 0) return value
      }
      return pick(choices)[1]
    },
    some: (values, least, most) => {
      const count = Math.min(values.length, least + below(most - least + 1))
      const indices = values.map((_, index) => index)
      for (let index = indices.length - 1; index > 0; index--) {
        const other = below(index + 1)
        const swapped = indices[index] as number
        indices[index] = indices[other] as number
        indices[other] = swapped
      }
      return indices
        .slice(0, count)
        .sort((a, b) => a - b)
        .map((index) => values[index] as (typeof values)[number])
    },
  }
}

/** A seed for each part of a run, so that one policy can be repeated without those before it. */
export function seedFor(seed: number, index: number): number {
  return (Math.imul(seed ^ (index + 1), 0x9e3779b1) ^ (index * 0x85ebca6b)) >>> 0
}

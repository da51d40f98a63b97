/** A range of addresses, inclusive, and until when (seconds; Infinity for ever). */
export interface TimedRange {
  readonly low: bigint
  readonly high: bigint
  readonly until: number
}

/**
 * The same addresses with the same latest `until`, as ranges that do not overlap: nft's interval sets refuse
 * overlaps. The ranges given are networks, so any two are nested or apart. A network inside another that lasts as
 * long disappears; one that lasts longer is cut out of the wider one.
 */
export function disjoint(ranges: readonly TimedRange[]): readonly TimedRange[] {
  const sorted = [...ranges].sort(byStartThenWidth)
  const result: TimedRange[] = []
  /** The wider ranges around the present place; `next` is the first address not yet given out. */
  const open: { readonly range: TimedRange; next: bigint }[] = []
  const close = (before: bigint | undefined): void => {
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (before !== undefined && top.range.high >= before) return
      if (top.next <= top.range.high) result.push({ ...top.range, low: top.next })
      open.pop()
    }
  }
  for (const range of sorted) {
    close(range.low)
    const around = open.at(-1)
    if (around !== undefined) {
      if (range.until <= around.range.until) continue
      if (around.next < range.low) result.push({ ...around.range, low: around.next, high: range.low - 1n })
      around.next = range.high + 1n
    }
    open.push({ range, next: range.low })
  }
  close(undefined)
  return result.sort(byStartThenWidth)
}

function byStartThenWidth(a: TimedRange, b: TimedRange): number {
  if (a.low !== b.low) return a.low < b.low ? -1 : 1
  if (a.high !== b.high) return a.high > b.high ? -1 : 1
  return b.until - a.until
}

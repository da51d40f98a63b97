import type { Element, Interval, Scalar } from '../ruleset/ruleset.ts'

/** Is this combination of values an element, or inside one? Built once per set; a look-up costs a hash or a bisection. */
export type Membership = (values: readonly Scalar[]) => boolean

const built = new WeakMap<readonly Element[], Membership>()

export function membership(elements: readonly Element[]): Membership {
  const known = built.get(elements)
  if (known !== undefined) return known
  const fresh = build(elements)
  built.set(elements, fresh)
  return fresh
}

function build(elements: readonly Element[]): Membership {
  const exact = elements.every((element) => element[0] !== undefined && element[0].low === element[0].high)
  if (exact && elements.every((element) => element.length === 1)) return byValue(elements)
  if (exact) return byFirstValue(elements)
  if (elements.every((element) => element.length === 1)) return byBisection(elements)
  return (values) => elements.some((element) => contains(element, values))
}

function byValue(elements: readonly Element[]): Membership {
  const values = new Set(elements.map((element) => element[0]?.low))
  return ([value]) => value !== undefined && values.has(value)
}

function byFirstValue(elements: readonly Element[]): Membership {
  const index = new Map<Scalar, Element[]>()
  for (const element of elements) {
    const first = element[0]
    if (first === undefined) continue
    const bucket = index.get(first.low)
    if (bucket === undefined) index.set(first.low, [element])
    else bucket.push(element)
  }
  return (values) => {
    const first = values[0]
    return first !== undefined && (index.get(first)?.some((element) => contains(element, values)) ?? false)
  }
}

function byBisection(elements: readonly Element[]): Membership {
  const intervals = elements.flatMap((element) => element.slice(0, 1))
  intervals.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  const disjoint = intervals.every((interval, index) => {
    const before = intervals[index - 1]
    return before === undefined || before.high < interval.low
  })
  if (!disjoint) return (values) => elements.some((element) => contains(element, values))
  return (values) => {
    const value = values[0]
    return value !== undefined && bisect(intervals, value)
  }
}

function bisect(intervals: readonly Interval[], value: Scalar): boolean {
  let low = 0
  let high = intervals.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const interval = intervals[middle]
    if (interval === undefined) return false
    if (value < interval.low) high = middle - 1
    else if (value > interval.high) low = middle + 1
    else return true
  }
  return false
}

function contains(element: Element, values: readonly Scalar[]): boolean {
  return element.every((interval, index) => {
    const value = values[index]
    return value !== undefined && interval.low <= value && value <= interval.high
  })
}

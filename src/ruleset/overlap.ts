import type { Element } from './ruleset.ts'

/** Do two of these elements share a value in every part? Sorted by the first part, only neighbours can. */
export function overlap(elements: readonly Element[]): boolean {
  const sorted = elements.toSorted(([a], [b]) => {
    if (a === undefined || b === undefined) return 0
    return a.low < b.low ? -1 : a.low > b.low ? 1 : 0
  })
  let open: Element[] = []
  for (const element of sorted) {
    const [first] = element
    if (first === undefined) continue
    open = open.filter(([earlier]) => earlier !== undefined && earlier.high >= first.low)
    if (open.some((earlier) => earlier.every((part, index) => meets(part, element[index])))) return true
    open.push(element)
  }
  return false
}

function meets(a: Element[number], b: Element[number] | undefined): boolean {
  return b !== undefined && a.low <= b.high && b.low <= a.high
}

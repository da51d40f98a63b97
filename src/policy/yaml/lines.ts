/** Line and column of offsets in one text; lines end with LF (a CR before it belongs to the line). */
export interface Lines {
  /** 1-based line and column, the column in UTF-16 units. */
  at(offset: number): { readonly line: number; readonly column: number }
}

/** Finds lines only as far as they are asked for: a text may have millions, and its mistake stand in the first. */
export function linesOf(text: string): Lines {
  const starts = [0]
  let searched = 0
  const searchTo = (offset: number): void => {
    while (searched <= offset) {
      const next = text.indexOf('\n', searched)
      searched = next < 0 ? Number.POSITIVE_INFINITY : next + 1
      if (next >= 0) starts.push(searched)
    }
  }
  // Values are mostly asked about in the order of the file, so the last answer is where the next search begins.
  let last = 0
  return {
    at(offset) {
      searchTo(offset)
      const known = (starts[last] ?? 0) <= offset && offset < (starts[last + 1] ?? Number.POSITIVE_INFINITY)
      if (!known) last = offset === starts[last + 1] ? last + 1 : search(starts, offset)
      return { line: last + 1, column: offset - (starts[last] ?? 0) + 1 }
    },
  }
}

/** Index of the last start that is not beyond the offset. */
function search(starts: readonly number[], offset: number): number {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return low
}

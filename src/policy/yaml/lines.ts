/** Line and column of offsets in one text; lines end with LF (a CR before it belongs to the line). */
export interface Lines {
  readonly text: string
  /** 1-based line and column, the column in UTF-16 units. */
  at(offset: number): { readonly line: number; readonly column: number }
  /** The line without its line ending; empty beyond the last one. */
  line(number: number): string
}

export function linesOf(text: string): Lines {
  let starts: number[] | undefined
  const lineStarts = (): number[] => {
    starts ??= findStarts(text)
    return starts
  }
  // Values are mostly asked about in the order of the file, so the last answer is where the next search begins.
  let last = 0
  return {
    text,
    at(offset) {
      const all = lineStarts()
      if (!((all[last] ?? 0) <= offset && offset < (all[last + 1] ?? Number.POSITIVE_INFINITY))) {
        last = offset === all[last + 1] ? last + 1 : search(all, offset)
      }
      return { line: last + 1, column: offset - (all[last] ?? 0) + 1 }
    },
    line(number) {
      const all = lineStarts()
      const start = all[number - 1]
      if (start === undefined) return ''
      const next = all[number]
      const line = text.slice(start, next === undefined ? undefined : next - 1)
      return line.endsWith('\r') ? line.slice(0, -1) : line
    },
  }
}

function findStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
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

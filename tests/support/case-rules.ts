/**
 * What a policy adds to the rules of the emptiest policy: the sets, the chains and the rules that `smallest` does
 * not have, in their order. Both are texts of one table as `renderTable` writes them.
 */
export function fragmentOf(table: string, smallest: string): string {
  const known = new Map(blocksOf(smallest).map((block) => [block.head, new Set(block.lines)]))
  const kept = blocksOf(table).flatMap(({ head, lines }) => {
    const base = known.get(head)
    const fresh = base === undefined ? lines : lines.filter((line) => !base.has(line))
    return fresh.length === 0 ? [] : [[head, ...fresh, '}'].join('\n')]
  })
  const gone = [...known.keys()].filter((head) => !blocksOf(table).some((block) => block.head === head))
  return [...kept, ...gone.map((head) => `# no ${head.replace(' {', '')}`)].join('\n\n').concat('\n')
}

interface Block {
  /** `chain input {` */
  readonly head: string
  /** Indented by one tab. */
  readonly lines: readonly string[]
}

function blocksOf(table: string): readonly Block[] {
  const blocks: { head: string; lines: string[] }[] = []
  for (const line of table.split('\n')) {
    if (/^\t(set|chain) .*\{$/.test(line)) blocks.push({ head: line.slice(1), lines: [] })
    else if (line.startsWith('\t\t')) blocks.at(-1)?.lines.push(line.slice(1))
  }
  return blocks
}

/**
 * What a page of the documentation claims, taken out of its fenced blocks:
 *
 *   yaml            a whole policy: from here on it is the policy of the page's host, and must pass `admit check`
 *   yaml wrong CODE a policy that `admit check` refuses with these codes
 *   yaml fragment   part of a policy; nothing is claimed
 *   console         `$ command` or `# command` (as root), each with the output that follows it
 *   json            must parse
 *   text, nft, ts   nothing is claimed
 *
 * A console block says in an HTML comment above it where it runs (`<!-- run: vps -->`, a host of tests/docs/hosts),
 * with which status its last command ends if not 0 (`<!-- run: vps, exit: 1 -->`), on which other machine of that
 * host's network it is typed (`<!-- run: vps, at: client -->`, a network namespace), or why it cannot be run
 * (`<!-- not run: REASON -->`). A yaml block may be put elsewhere (`<!-- file: wrong.yaml -->`).
 */

export type Claim =
  | { readonly kind: 'policy'; readonly line: number; readonly text: string; readonly file: string }
  | {
      readonly kind: 'wrong-policy'
      readonly line: number
      readonly text: string
      readonly codes: readonly string[]
    }
  | { readonly kind: 'session'; readonly line: number; readonly commands: readonly Command[] }
  | { readonly kind: 'not-run'; readonly line: number; readonly reason: string }
  | { readonly kind: 'json'; readonly line: number; readonly text: string }
  | { readonly kind: 'unclear'; readonly line: number; readonly problem: string }

export interface Command {
  readonly line: number
  readonly text: string
  /** Lines of standard output and standard error as a terminal shows them; `…` stands for anything. */
  readonly output: readonly string[]
  readonly status: number
}

/** The claims of one page, by the host that they are true on; `lo`, which is no host in particular, for a page that names none. */
export interface Page {
  readonly hosts: ReadonlyMap<string, readonly Claim[]>
}

interface Block {
  readonly line: number
  readonly info: readonly string[]
  readonly lines: readonly string[]
  readonly notes: ReadonlyMap<string, string>
}

const SILENT: readonly string[] = ['text', 'nft', 'ts', 'ini', 'mermaid', 'diff']

export function readPage(markdown: string): Page {
  const blocks = readBlocks(markdown)
  const hosts = new Map<string, Claim[]>()
  let host = blocks.map((block) => block.notes.get('run')).find((name) => name !== undefined) ?? 'lo'
  for (const block of blocks) {
    host = block.notes.get('run') ?? host
    const claim = toClaim(block)
    if (claim !== undefined) hosts.set(host, [...(hosts.get(host) ?? []), claim])
  }
  return { hosts }
}

function toClaim(block: Block): Claim | undefined {
  const { line, notes } = block
  const [language = '', ...words] = block.info
  const text = `${block.lines.join('\n')}\n`
  switch (language) {
    case 'yaml':
      if (words[0] === 'fragment') return undefined
      if (words[0] === 'wrong') return { kind: 'wrong-policy', line, text, codes: words.slice(1) }
      return { kind: 'policy', line, text, file: notes.get('file') ?? '/etc/admit/policy.yaml' }
    case 'json':
      return { kind: 'json', line, text }
    case 'console': {
      const reason = notes.get('not run')
      if (reason !== undefined) return { kind: 'not-run', line, reason }
      if (notes.has('run')) return { kind: 'session', line, commands: readCommands(block) }
      return {
        kind: 'unclear',
        line,
        problem: 'a console block needs <!-- run: HOST --> or <!-- not run: REASON -->',
      }
    }
    default:
      if (SILENT.includes(language)) return undefined
      return {
        kind: 'unclear',
        line,
        problem: `a block of the language '${language}': see tests/support/doc-page.ts`,
      }
  }
}

/** The fenced blocks of a page, each with what the HTML comment above it says. */
function readBlocks(markdown: string): readonly Block[] {
  const blocks: Block[] = []
  let notes = new Map<string, string>()
  let open: { line: number; fence: string; indent: number; info: string[]; lines: string[] } | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(.*)$/.exec(line)
    if (open !== undefined) {
      if (fence?.[2]?.startsWith(open.fence) === true && fence[3] === '') {
        blocks.push({ line: open.line, info: open.info, lines: open.lines, notes })
        open = undefined
        notes = new Map()
      } else open.lines.push(line.slice(Math.min(open.indent, line.search(/\S|$/))))
    } else if (fence !== null) {
      const info = (fence[3] ?? '').split(/\s+/).filter((word) => word !== '')
      open = { line: index + 1, fence: fence[2] ?? '', indent: fence[1]?.length ?? 0, info, lines: [] }
    } else if (/^\s*<!--.*-->\s*$/.test(line)) notes = new Map([...notes, ...readNotes(line)])
    else if (line.trim() !== '') notes = new Map()
  }
  return blocks
}

/** `<!-- run: vps, exit: 1 -->` as pairs; a reason may hold commas. */
function readNotes(comment: string): readonly (readonly [string, string])[] {
  const inside = comment.replace(/^\s*<!--\s*/, '').replace(/\s*-->\s*$/, '')
  const reason = /^not run:\s*(.+)$/.exec(inside)
  if (reason !== null) return [['not run', reason[1] ?? '']]
  return [...inside.matchAll(/(run|exit|file|at):\s*([^,\s]+)/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ])
}

function readCommands(block: Block): readonly Command[] {
  const commands: { line: number; text: string; output: string[]; status: number }[] = []
  for (const [index, line] of block.lines.entries()) {
    const prompt = /^[$#] (.*)$/.exec(line)
    const last = commands.at(-1)
    if (prompt !== null) {
      commands.push({ line: block.line + 1 + index, text: prompt[1] ?? '', output: [], status: 0 })
    } else if (last === undefined) {
      return [
        {
          line: block.line,
          text: 'echo "the block does not begin with a command"; false',
          output: [],
          status: 0,
        },
      ]
    } else if (last.output.length === 0 && (line.startsWith('> ') || last.text.endsWith('\\'))) {
      // The shell's own prompt for more, or a line that a backslash carries on.
      last.text += `\n${line.replace(/^> /, '')}`
    } else last.output.push(line)
  }
  const last = commands.at(-1)
  if (last !== undefined) last.status = Number(block.notes.get('exit') ?? '0')
  const at = block.notes.get('at')
  return at === undefined
    ? commands
    : commands.map((command) => ({ ...command, text: typedAt(at, command.text) }))
}

/** A command as another machine of the network runs it. */
function typedAt(machine: string, command: string): string {
  return `ip netns exec ${machine} bash -c '${command.replaceAll("'", String.raw`'\''`)}'`
}

/** Does what was printed fit what the page shows? `…` alone on a line stands for any lines, within a line for any text. */
export function outputFits(shown: readonly string[], printed: readonly string[]): boolean {
  const [first, ...rest] = shown
  if (first === undefined) return printed.length === 0
  if (first.trim() === '…') {
    return printed.some((_, index) => outputFits(rest, printed.slice(index))) || outputFits(rest, [])
  }
  const [line, ...others] = printed
  return line !== undefined && lineFits(first, line) && outputFits(rest, others)
}

function lineFits(shown: string, printed: string): boolean {
  const parts = shown
    .trimEnd()
    .split('…')
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`, 'u').test(printed.trimEnd())
}

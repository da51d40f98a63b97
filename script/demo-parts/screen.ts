/** What the demo shows: scenes as they happen, and the table at the end. Colour on a terminal only. */
import type { Tried } from './stage.ts'
import { FAR_AWAY, MACS, SERVERS } from './stage.ts'

type Column = 'recipe' | 'admit'
const PROMPTS = { recipe: 'recipe#', admit: ' admit#', laptop: 'laptop$' } as const
interface Row {
  readonly what: string
  readonly wanted: readonly [string, string]
  readonly got: readonly [string, string]
}

const colours =
  process.stdout.isTTY && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb'
const paint = (code: string, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = (text: string): string => paint('1', text)
const dim = (text: string): string => paint('2', text)
const good = (text: string): string => paint('32', text)
const bad = (text: string): string => paint('1;31', text)

const TITLE = 'A server whose owner put a laptop, a desk and a phone on the list, by MAC address'

export class Screen {
  failed = false
  private readonly rows: Row[] = []
  private scenes = 0
  private headed = false

  intro(): void {
    print(
      bold('admit, next to the recipe that it replaces'),
      '',
      'Two servers of one owner, side by side on one link, as a provider sets them up. One is kept by the recipe,',
      'one by admit. All of it is a copy in network namespaces; nothing of this machine is touched.',
      '',
      `  laptop    ${MACS.laptop} ──┐`,
      `  desk      ${MACS.desk} ──┤        ┌── the recipe's server  ${SERVERS.recipe.ip}, ${SERVERS.recipe.ip6}`,
      `  phone     ${MACS.phone} ──┼─ link ─┤`,
      `  stranger  ${MACS.stranger} ──┤        └── admit's server       ${SERVERS.admit.ip}, ${SERVERS.admit.ip6}`,
      `  gateway   ${MACS.gateway} ──┘`,
      `     └──── the Internet, with somebody at ${FAR_AWAY}`,
    )
  }

  scene(title: string, story: string): void {
    this.headed = false
    print('', bold(`${++this.scenes}. ${title}`), story, '')
  }

  say(text: string): void {
    print(text)
  }

  /** A command as it was typed, where, and what it said. */
  typed(where: Column | 'laptop', line: string, output: string): void {
    print(`${dim(PROMPTS[where])} ${line}`)
    for (const said of shortened(output)) print(dim(`        ${said}`))
  }

  file(name: string, text: string): void {
    print(dim(`        ${name}:`))
    for (const line of text.trimEnd().split('\n')) print(`        ${line}`)
    print('')
  }

  /** What came of one machine's packets on both servers. */
  packets(who: string, tried: { readonly recipe: Tried; readonly admit: Tried } | undefined): void {
    if (tried === undefined) return
    const word = (what: string, answered: boolean): string =>
      answered ? good(`${what} answered`) : `${what} -`.padEnd(13)
    const words = ({ ping, dial }: Tried): string => `${word('ping', ping)}  ${word('dial', dial)}`
    if (!this.headed)
      print(dim(`${' '.repeat(26)}${"on the recipe's server".padEnd(28)}   |   on admit's server`))
    this.headed = true
    print(`  ${who.padEnd(23)} ${words(tried.recipe)}   |   ${words(tried.admit)}`)
  }

  /** A line of the last screen: what was claimed, and what the packets said. */
  row(what: string, wanted: readonly [string, string], got: readonly [string, string]): void {
    this.rows.push({ what, wanted, got })
    for (const index of [0, 1] as const) {
      if (wanted[index] !== got[index])
        this.fault(`${what}: the packets say "${got[index]}" and not "${wanted[index]}"`)
    }
  }

  fault(text: string): void {
    this.failed = true
    print(bad(`NOT AS CLAIMED: ${text}`))
  }

  /** Shows the table; returns it without colour. */
  last(tried: number, seconds: number): string {
    const width = Math.max(...this.rows.map((row) => row.what.length))
    const middle = Math.max(...this.rows.map((row) => row.got[0].length))
    const right = Math.max(...this.rows.map((row) => row.got[1].length))
    const rule = '─'.repeat(width + middle + right + 6)
    const line = (row: Row, colour: (index: 0 | 1, text: string) => string): string =>
      `${row.what.padEnd(width)}   ${colour(0, row.got[0].padEnd(middle))}   ${colour(1, row.got[1])}`.trimEnd()
    const table = (colour: (row: Row, index: 0 | 1, text: string) => string): string[] => [
      `${''.padEnd(width)}   ${'the recipe'.padEnd(middle)}   admit`,
      rule,
      ...this.rows.map((row) => line(row, (index, text) => colour(row, index, text))),
      rule,
    ]
    const end = this.failed
      ? 'Something was not as claimed: see above.'
      : `${tried} calls were made with real packets, in ${seconds.toFixed(1)} s. Nothing of this machine was touched.`
    // What is written in capitals is what nobody wanted.
    const colour = (_: Row, index: 0 | 1, text: string): string =>
      /[A-Z]{3}/.test(text) ? bad(text) : index === 1 ? good(text) : text
    print('', '', TITLE, ...table(colour), end)
    return `${[TITLE, ...table((_row, _index, text) => text), end].join('\n')}\n`
  }
}

/** A long list is told by its beginning and its end. */
function shortened(output: string): readonly string[] {
  const lines = output.split('\n').filter((line) => line !== '')
  if (lines.length <= 12) return lines
  return [...lines.slice(0, 2), `… ${lines.length - 9} more lines`, ...lines.slice(-7)]
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

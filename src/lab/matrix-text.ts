import { printable } from '../base/terminal.ts'
import type { LabCaller } from './lab-plan.ts'
import type { LabCell, LabMark, LabReport } from './lab-matrix.ts'

export interface MatrixStyle {
  /** Characters beyond ASCII may be used. */
  readonly unicode: boolean
  /** Columns of the terminal: more services than fit go into further blocks. */
  readonly width: number
  /** Colours a text without changing its width. */
  readonly paint: (colour: 'green' | 'red' | 'yellow' | 'dim' | 'bold', text: string) => string
}

const MARKS: Record<LabMark, { readonly unicode: string; readonly ascii: string }> = {
  admitted: { unicode: '●', ascii: '+' },
  refused: { unicode: '○', ascii: '-' },
  'ip-only': { unicode: '4', ascii: '4' },
  'ip6-only': { unicode: '6', ascii: '6' },
  'in-part': { unicode: '◐', ascii: '~' },
  unreached: { unicode: '?', ascii: '?' },
  none: { unicode: ' ', ascii: ' ' },
}

/** The report as a person reads it: the matrix, what the marks mean, and what was left out. */
export function matrixText(report: LabReport, style: MatrixStyle): string {
  const who: Column[] = [
    { heading: 'who', texts: report.rows.map((row) => printable(row.caller.title)) },
    { heading: 'seen as', texts: report.rows.map((row) => row.caller.looks) },
    { heading: 'on', texts: report.rows.map((row) => onText(row.caller, style)) },
  ]
  const services = report.services.map((service, index): Column => {
    const cells = report.rows.map((row) => row.cells[index])
    return {
      heading: printable(service.title),
      texts: cells.map((cell) => (cell === undefined ? '' : cellText(cell, style))),
      colours: cells.map((cell) => (cell === undefined ? undefined : colourOf(cell))),
    }
  })
  // How someone looks is said once; further blocks begin with who and where.
  const again = [who[0], who[2]].flatMap((column) => column ?? [])
  const room = (taken: readonly Column[]): number =>
    style.width - taken.reduce((sum, column) => sum + widthOf(column) + GAP, 0)
  const blocks = blocksThatFit(services, room(who), room(again)).map((block, index) =>
    blockText([...(index === 0 ? who : again), ...block], style),
  )
  return [
    blocks.join('\n\n'),
    '',
    legend(report, style),
    ...report.notes.map((note) => `note: ${printable(note)}`),
    summary(report),
  ].join('\n')
}

/** Where it arrives; and whom it calls where that is not the host. */
function onText({ on, routed, through }: LabCaller, style: MatrixStyle): string {
  const arrives = routed === true ? `${on}, routed` : on
  if (through === undefined) return arrives
  return `${arrives} ${style.unicode ? '→' : '>'} ${through.title}`
}

interface Column {
  readonly heading: string
  readonly texts: readonly string[]
  readonly colours?: readonly (Colour | undefined)[]
}
type Colour = 'green' | 'red' | 'yellow' | 'dim'

/** Spaces between two columns. */
const GAP = 2

function widthOf(column: Column): number {
  return Math.max(displayWidth(column.heading), ...column.texts.map(displayWidth))
}

function blocksThatFit(
  columns: readonly Column[],
  roomOfFirst: number,
  roomOfOthers: number,
): readonly (readonly Column[])[] {
  const blocks: Column[][] = [[]]
  let used = 0
  for (const column of columns) {
    const width = widthOf(column) + GAP
    const room = blocks.length === 1 ? roomOfFirst : roomOfOthers
    if (used > 0 && used + width > room) {
      blocks.push([])
      used = 0
    }
    blocks.at(-1)?.push(column)
    used += width
  }
  return blocks
}

function blockText(columns: readonly Column[], style: MatrixStyle): string {
  const line = (cell: (column: Column) => string, colour: (column: Column) => Colour | undefined): string =>
    columns
      .map((column, index) => {
        const text = cell(column)
        const last = index === columns.length - 1
        const padded = last ? text : text + ' '.repeat(widthOf(column) - displayWidth(text) + GAP)
        const wanted = colour(column)
        return wanted === undefined ? padded : style.paint(wanted, padded)
      })
      .join('')
  const rows = columns[0]?.texts.length ?? 0
  return [
    style.paint(
      'bold',
      line(
        (column) => column.heading,
        () => undefined,
      ),
    ),
    ...Array.from({ length: rows }, (_, row) =>
      line(
        (column) => column.texts[row] ?? '',
        (column) => column.colours?.[row],
      ),
    ),
  ].join('\n')
}

function colourOf(cell: LabCell): Colour | undefined {
  if (!cell.same) return 'red'
  switch (cell.got) {
    case 'admitted':
      return 'green'
    case 'refused':
      return 'dim'
    case 'ip-only':
    case 'ip6-only':
    case 'in-part':
    case 'unreached':
      return 'yellow'
    case 'none':
      return undefined
    default:
      return cell.got satisfies never
  }
}

/** What was got; where that is not all as expected, `got/expected`. */
function cellText(cell: LabCell, style: MatrixStyle): string {
  const got = mark(cell.got, style)
  return cell.same ? got : `${got}/${mark(cell.expected, style)}`
}

function mark(meaning: LabMark, style: MatrixStyle): string {
  return style.unicode ? MARKS[meaning].unicode : MARKS[meaning].ascii
}

function legend(report: LabReport, style: MatrixStyle): string {
  const cells = report.rows.flatMap((row) => row.cells)
  const used = (meaning: LabMark): boolean =>
    cells.some((cell) => cell.got === meaning || (!cell.same && cell.expected === meaning))
  const words: readonly (readonly [LabMark, string])[] = [
    ['admitted', 'admitted'],
    ['refused', 'refused'],
    ['ip-only', 'admitted over IPv4 only'],
    ['ip6-only', 'admitted over IPv6 only'],
    ['in-part', 'some ports admitted'],
    ['unreached', 'not reached even without rules'],
  ]
  const shown = words
    .filter(([meaning]) => used(meaning))
    .map(([meaning, text]) => `${mark(meaning, style)} ${text}`)
  if (cells.some((cell) => !cell.same)) shown.push('x/y got x, explain says y')
  return shown.join('   ')
}

function summary(report: LabReport): string {
  const sent = `${report.sent} real packets in ${report.seconds.toFixed(1)} s`
  const lost =
    report.unreached > 0
      ? `\n${report.unreached} of them got nowhere even without rules: nothing is known of those.`
      : ''
  if (report.differences.length === 0) return `${sent}: what was sent fared as explain says.${lost}`
  return `${sent}: ${report.differences.length} fared otherwise than explain says.${lost}`
}

/** Columns that a text takes on a terminal: two for East Asian wide characters, none for combining ones. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{Mn}|\p{Me}/u.test(character)) continue
    width += WIDE.test(character) ? 2 : 1
  }
  return width
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

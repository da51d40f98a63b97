import { printable } from '../base/terminal.ts'
import type { LabCell, LabMark, LabReport, LabRow } from './lab-matrix.ts'
import { explainDifference } from './lab-matrix.ts'

export interface MatrixStyle {
  /** Marks that every terminal has. */
  readonly ascii: boolean
  /** Colours a cell by its meaning; must not change its width. */
  readonly paint?: (meaning: LabMark | 'difference', text: string) => string
}

const MARKS: Record<LabMark, { readonly plain: string; readonly ascii: string }> = {
  admitted: { plain: '●', ascii: '+' },
  refused: { plain: '○', ascii: '-' },
  'in-part': { plain: '◐', ascii: '~' },
  unreached: { plain: '?', ascii: '?' },
  none: { plain: ' ', ascii: ' ' },
}

/** The report as a person reads it: the matrix, what the marks mean, what differs, what was left out. */
export function matrixText(report: LabReport, style: MatrixStyle): string {
  const heading = ['who', 'seen as', 'on', ...report.services.map((service) => printable(service.title))]
  const rows = report.rows.map((row) => [
    printable(row.caller.title),
    row.caller.looks,
    row.caller.on,
    ...row.cells.map((cell) => cellText(cell, style)),
  ])
  const widths = heading.map((title, column) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[column] ?? ''))),
  )
  const line = (texts: readonly string[], row?: LabRow): string =>
    texts
      .map((text, column) => {
        const padded = text + ' '.repeat((widths[column] ?? 0) - displayWidth(text))
        const cell = row?.cells[column - 3]
        if (cell === undefined || style.paint === undefined) return padded
        return style.paint(cell.same ? cell.got : 'difference', padded)
      })
      .join('  ')
      .trimEnd()
  return [
    line(heading),
    ...report.rows.map((row, index) => line(rows[index] ?? [], row)),
    '',
    legend(report, style),
    ...report.notes.map((note) => `note: ${printable(note)}`),
    summary(report),
    '',
  ].join('\n')
}

/** What was got; where that is not all as expected, `got/expected`. */
function cellText(cell: LabCell, style: MatrixStyle): string {
  const got = mark(cell.got, style)
  return cell.same ? got : `${got}/${mark(cell.expected, style)}`
}

function mark(meaning: LabMark, style: MatrixStyle): string {
  return style.ascii ? MARKS[meaning].ascii : MARKS[meaning].plain
}

function legend(report: LabReport, style: MatrixStyle): string {
  const cells = report.rows.flatMap((row) => row.cells)
  const used = (meaning: LabMark): boolean =>
    cells.some((cell) => cell.got === meaning || (!cell.same && cell.expected === meaning))
  const words: readonly (readonly [LabMark, string])[] = [
    ['admitted', 'admitted'],
    ['refused', 'refused'],
    ['in-part', 'in part'],
    ['unreached', 'not reached even without rules'],
  ]
  const shown = words
    .filter(([meaning]) => used(meaning))
    .map(([meaning, text]) => `${mark(meaning, style)} ${text}`)
  if (cells.some((cell) => !cell.same)) shown.push('x/y got x, explain says y')
  return shown.join('   ')
}

function summary(report: LabReport): string {
  const [first] = report.differences
  const sent = `${report.sent} real packets in ${report.seconds.toFixed(1)} s`
  const lost =
    report.unreached > 0 ? `${report.unreached} could not be sent at all; nothing is known of them. ` : ''
  if (first === undefined) return `${lost}${sent}: all that was sent fared as explain says.`
  return `${lost}${sent}: ${report.differences.length} fared otherwise than explain says.\nfirst: ${explainDifference(first)}`
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

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuSeconds } from '../../tests/support/cpu-time.ts'
import { displayWidth } from '../base/display-width.ts'
import type { Diagnostic } from './diagnostic.ts'
import { diagnosticJson, renderDiagnostic, renderDiagnostics } from './render-diagnostic.ts'
import { linesOf } from './yaml/lines.ts'

/** A diagnostic about the first place of `marked` in the text. */
function about(text: string, marked: string, message = 'wrong'): Diagnostic {
  const start = text.indexOf(marked)
  const { line, column } = linesOf(text).at(start)
  const place = { path: 'devices.x', line, column, start, end: start + marked.length }
  return { code: 'bad-mac', severity: 'error', place, message, fix: 'right' }
}

function render(text: string, marked: string, message?: string): readonly string[] {
  return renderDiagnostic(about(text, marked, message), 'p.yaml', text).split('\n')
}

/** What stands above the carets, by columns of a terminal. */
function pointedAt(lines: readonly string[]): string {
  const carets = lines[2] ?? ''
  const from = carets.indexOf('^')
  const to = carets.lastIndexOf('^') + 1
  let column = 0
  let found = ''
  for (const character of lines[1] ?? '') {
    if (column >= from && column < to) found += character
    column += displayWidth(character)
  }
  return found
}

test('a diagnostic shows place, line, caret, code and fix', () => {
  assert.deepEqual(render('admit: 1\nx: bad # c\n', 'bad'), [
    'p.yaml:2:4: error: wrong [bad-mac]',
    '  2 | x: bad # c',
    '    |    ^^^',
    '  fix: right',
  ])
})

const LINES: readonly (readonly [what: string, text: string, marked: string])[] = [
  ['after a tab', 'a:\n\tb: bad\n', 'bad'],
  ['after wide characters', '日本語: bad\n', 'bad'],
  ['on wide characters', 'x: 日本語, y\n', '日本語'],
  ['after combining marks', 'ge\u0308ra\u0308t: bad\n', 'bad'],
  ['after an emoji', '\u{1f4a9}\u{1f4a9}: bad\n', 'bad'],
  ['at the end of a line without an end', 'x: bad', 'bad'],
  ['before CR LF', 'x: bad\r\ny: 1\r\n', 'bad'],
]

for (const [what, text, marked] of LINES) {
  test(`the caret is right ${what}`, () => {
    assert.equal(pointedAt(render(text, marked)), marked)
  })
}

test('control characters in line, message and fix are shown as escapes, and the caret still fits', () => {
  const lines = render('a\u001b[2J\u202e: bad\n', 'bad', 'say \u001b]0;title\u0007')
  assert.equal(lines[0], 'p.yaml:1:9: error: say \\u{1b}]0;title\\u{7} [bad-mac]')
  assert.equal(lines[1], '  1 | a\\u{1b}[2J\\u{202e}: bad')
  assert.equal(pointedAt(lines), 'bad')
})

test('a line of ten million characters is cut around the caret', () => {
  const text = `${'x'.repeat(5_000_000)} bad ${'家'.repeat(5_000_000)}`
  let lines: readonly string[] = []
  const took = cpuSeconds(() => {
    lines = render(text, 'bad')
  })
  assert.ok(took < 2, `${took} s`)
  assert.equal(pointedAt(lines), 'bad')
  assert.ok(displayWidth(lines[1] ?? '') < 120, lines[1])
})

test('something that is nowhere in the file has no line', () => {
  const diagnostic = { ...about('x', 'x'), place: { path: 'safety', line: 0, column: 0, start: 0, end: 0 } }
  const text = renderDiagnostic(diagnostic, 'p.yaml', 'x')
  assert.equal(text, 'p.yaml: error: wrong [bad-mac]\n  fix: right')
})

test('several diagnostics end with their count', () => {
  const error = about('x: bad\n', 'bad')
  const text = renderDiagnostics([error, { ...error, severity: 'warning' }], {
    file: 'p.yaml',
    text: 'x: bad\n',
  })
  assert.match(text, /\n1 error, 1 warning\n$/)
  assert.equal(renderDiagnostics([], { file: 'p.yaml', text: '' }), '')
})

test('as data a diagnostic has its file and place', () => {
  const text = 'x: bad\n'
  assert.deepEqual(diagnosticJson(about(text, 'bad'), 'p.yaml', text), {
    code: 'bad-mac',
    severity: 'error',
    file: 'p.yaml',
    path: 'devices.x',
    line: 1,
    column: 4,
    excerpt: 'x: bad',
    message: 'wrong',
    fix: 'right',
  })
})

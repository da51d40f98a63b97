/** docs/decisions/007 tells of each step what is on disk, what is in the kernel, and who repairs it. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ENDING_STEPS, STEPS } from '../src/apply/machine.ts'

const root = new URL('..', import.meta.url).pathname
const page = readFileSync(`${root}docs/decisions/007-apply-protocol.md`, 'utf8')

/** Rows of the page's tables whose first cell is a step, by that step. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = page.split(`### ${heading}\n`)
  const [table = ''] = section.split(/\n#/)
  return [...table.matchAll(/^\| `([a-z-]+)` \|(.*)\|$/gm)].map(([, step = '', rest = '']) => [
    step,
    ...rest.split(' | ').map((cell) => cell.trim()),
  ])
}

function stepsOfGuard(): readonly string[] {
  const guard = readFileSync(`${root}packaging/admit-guard`, 'utf8')
  return [...guard.matchAll(/^\s*step ([a-z-]+)$/gm)].map(([, name = '']) => name)
}

describe('the crash table', () => {
  for (const [heading, steps] of [
    ['In admit', [...STEPS, ...ENDING_STEPS]],
    ['In the guard', stepsOfGuard()],
  ] as const) {
    const rows = rowsOf(heading)

    test(`${heading}: one row for every step, and for nothing else`, () => {
      assert.ok(steps.length > 5)
      const told = rows.map(([step]) => step ?? '')
      assert.equal(new Set(told).size, told.length)
      assert.deepEqual(new Set(told), new Set(steps))
    })

    test(`${heading}: every row says what is on disk, what is in the kernel, and who repairs it`, () => {
      for (const row of rows) {
        assert.equal(row.length, 4, row.join(' | '))
        assert.ok(
          row.every((cell) => cell !== ''),
          row.join(' | '),
        )
      }
    })
  }
})

test('every test and source that docs/safety.md names is there', () => {
  const safety = readFileSync(`${root}docs/safety.md`, 'utf8')
  const named = [...safety.matchAll(/\b(?:tests|src|packaging|script|docs)\/[\w/*.-]*[\w/*]/g)].map(
    ([path]) => path,
  )
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter((path) => globSync(path, { cwd: root }).length === 0),
    [],
  )
})

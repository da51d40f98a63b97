import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { linesOf } from './lines.ts'

test('line and column are those that counting gives, whatever the order of the questions', () => {
  const text = fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', '家')).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(60)), (some, offsets) => {
      const lines = linesOf(some)
      for (const wanted of offsets) {
        const offset = Math.min(wanted, some.length)
        const before = some.slice(0, offset).split('\n')
        const column = (before.at(-1) ?? '').length + 1
        assert.deepEqual(lines.at(offset), { line: before.length, column })
      }
    }),
  )
})

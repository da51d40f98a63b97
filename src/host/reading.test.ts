import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readRecords } from './reading.ts'

describe('records of a tool’s JSON', () => {
  it('survive control characters in an interface’s alias, which ip prints as they are', () => {
    const text = '[{"ifname":"eth0","ifalias":"a\u001b[31m\u0001"}]\n[{"dst":"default"}]\n'
    const { value, notes } = readRecords(text, 'ip')
    assert.deepEqual(value, [{ ifname: 'eth0', ifalias: 'a\u001b[31m\u0001' }, { dst: 'default' }])
    assert.deepEqual(notes, [])
  })

  it('are as many as could be read', () => {
    const { value, notes } = readRecords('[{"a":1}]\n[{]\n', 'ip')
    assert.deepEqual(value, [{ a: 1 }])
    assert.deepEqual(notes, ['`ip`: 1 of 2 lines of its output could not be read as JSON'])
  })
})

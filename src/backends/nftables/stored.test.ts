import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { FULL_TABLE } from '../../../tests/support/tables.ts'
import { readStored, renderStored } from './stored.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const whole = renderStored(FULL_TABLE, sha256)

function refusal(text: string): string {
  const read = readStored(text, 'rules.nft', sha256)
  assert.ok(!read.ok)
  return `${read.error.kind}: ${read.error.message}`
}

describe('stored rules', () => {
  it('are read back as they were, times of first application included', () => {
    const read = readStored(whole, 'rules.nft', sha256)
    assert.ok(read.ok)
    assert.deepEqual(read.value, FULL_TABLE)
    assert.match(whole, /^# admit rules, version 1, sha256 [0-9a-f]{64}, \d+ bytes\ntable inet admit \{\n/)
  })

  it('are known to be torn wherever they are cut', () => {
    for (let length = 0; length < whole.length; length += 7) {
      assert.match(refusal(whole.slice(0, length)), /^torn: rules\.nft is cut short/)
    }
  })

  it('are known to be edited, longer or of the same length', () => {
    assert.match(refusal(whole.replace('drop', 'pass')), /^edited: rules\.nft was changed since/)
    assert.match(refusal(`${whole}\n`), /^edited: /)
  })

  it('are known to be of another maker or time', () => {
    assert.match(
      refusal('#!/usr/sbin/nft -f\nflush ruleset\n'),
      /^foreign: rules\.nft was not written by admit/,
    )
    assert.match(refusal(whole.replace('version 1', 'version 2')), /^newer: rules\.nft is of version 2/)
    const body = 'table inet admit {\n\tmap m {\n\t}\n}\n'
    const forged = `# admit rules, version 1, sha256 ${sha256(body)}, ${body.length} bytes\n${body}`
    assert.equal(refusal(forged), 'edited: rules.nft:3:2: expected set, chain, found `map`')
  })
})

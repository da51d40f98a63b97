import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryPolicy } from '../../../tests/support/policy-arbitrary.ts'
import { parseFullYaml } from './full.ts'
import { parsePlainYaml } from './plain.ts'

/** Pieces of YAML, joined at random: what a careless hand or a hostile one would write. */
const PIECES = [
  'a',
  'bc',
  'key: ',
  'x:',
  ':',
  ': ',
  ' ',
  '  ',
  '    ',
  '\n',
  '\n',
  '\n  ',
  '\n    ',
  '- ',
  '-',
  '\n- ',
  '\n  - ',
  '[',
  ']',
  '{',
  '}',
  ', ',
  ',',
  '#',
  ' # c',
  '"q"',
  "'s'",
  '"a\\n"',
  '"\\x41"',
  '"',
  "'",
  "''",
  '\\',
  '00:11:22:33:44:55',
  '2001:db8::/64',
  '::',
  '80/tcp',
  '---',
  '\n---\n',
  '...',
  '|',
  '>',
  '&a ',
  '*a',
  '!t ',
  '%',
  '@',
  '`',
  '?',
  '? ',
  '~',
  '<<: ',
  '日本',
  '\t',
  '\r\n',
  '\ufeff',
  '\u2028',
  'a b',
  'c#d',
  'e:f',
]

const yamlish = fc.array(fc.constantFrom(...PIECES), { maxLength: 24 }).map((pieces) => pieces.join(''))

/** Texts that are mostly right, with a piece put in somewhere. */
const almostPolicy = fc
  .tuple(arbitraryPolicy({ maxDevices: 2, maxGrants: 2 }), fc.nat(), fc.constantFrom(...PIECES), fc.nat(3))
  .map(([{ text }, at, piece, drop]) => {
    const offset = at % (text.length + 1)
    return text.slice(0, offset) + piece + text.slice(offset + drop)
  })

function agree(text: string): void {
  const plain = parsePlainYaml(text)
  if (!plain.ok) return
  const full = parseFullYaml(text)
  assert.deepEqual(full.problems, [], JSON.stringify(text))
  assert.deepEqual(plain.value, full.root, JSON.stringify(text))
}

test('what the short way reads, the full reader reads alike', () => {
  fc.assert(fc.property(yamlish, agree), { numRuns: 20_000 })
  fc.assert(fc.property(almostPolicy, agree), { numRuns: 600 })
})

test('the short way takes the files that people write', () => {
  fc.assert(
    fc.property(arbitraryPolicy(), ({ text }) => {
      assert.ok(parsePlainYaml(text).ok, text)
    }),
    { numRuns: 100 },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPolicy } from '../src/policy/format.ts'
import { readPolicy } from '../src/policy/read.ts'
import { renderDiagnostics } from '../src/policy/render-diagnostic.ts'
import { cpuSeconds } from './support/cpu-time.ts'
import { arbitraryPolicy, GENERATED_NOW, GENERATED_SERVICES } from './support/policy-arbitrary.ts'

const OPTIONS = { systemServices: GENERATED_SERVICES, now: GENERATED_NOW }

/** Reading gives a policy or an error, never neither; everything about it can be shown. */
function readAnything(text: string): void {
  const { policy, diagnostics } = readPolicy(text, OPTIONS)
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  assert.equal(policy === undefined, errors.length > 0)
  for (const { place } of diagnostics) {
    assert.ok(
      place.line >= 1 && place.column >= 1 && place.start <= place.end && place.end <= text.length + 1,
    )
  }
  const shown = renderDiagnostics(diagnostics.slice(0, 50), { file: 'policy.yaml', text })
  assert.doesNotMatch(shown, /[\0-\t\v-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
  if (policy !== undefined) formatPolicy(policy)
}

test('any bytes give a policy or diagnostics', () => {
  const bytes = fc.uint8Array({ maxLength: 400 }).map((some) => new TextDecoder().decode(some))
  fc.assert(fc.property(bytes, readAnything), { numRuns: 2000 })
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), readAnything), { numRuns: 2000 })
})

test('a policy in which something was cut out, doubled or put in gives a policy or diagnostics', () => {
  const change = fc.record({
    at: fc.nat(),
    drop: fc.nat(8),
    put: fc.oneof(
      fc.string({ maxLength: 4 }),
      fc.constantFrom(
        '\t',
        '"',
        "'",
        '[',
        '}',
        ': ',
        '- ',
        '&a ',
        '*a',
        '!!int ',
        '|',
        '%',
        '\n',
        '\u202e',
        '\0',
      ),
    ),
  })
  const changed = fc
    .tuple(arbitraryPolicy(), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([{ text }, changes]) =>
      changes.reduce((before, { at, drop, put }) => {
        const offset = at % (before.length + 1)
        return before.slice(0, offset) + put + before.slice(offset + drop)
      }, text),
    )
  fc.assert(fc.property(changed, readAnything), { numRuns: 1000 })
})

const MEGABYTE = 1024 * 1024
const lol = Array.from(
  { length: 20 },
  (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}*l${i}]\n`,
).join('')

/** Texts made to exhaust a reader, and the codes that they end with. Each within the seconds that follow. */
const BOMBS: readonly (readonly [what: string, text: () => string, code: string, seconds: number])[] = [
  ['an alias bomb', () => `admit: 1\nl0: &l0 lol\n${lol}`, 'yaml-alias', 2],
  ['a merge key', () => 'admit: 1\na: &a { b: c }\nhost: { <<: *a }\n', 'yaml-alias', 1],
  [
    'a line of 10 MB',
    () => `admit: 1\ndevices:\n  a: { note: ${'x'.repeat(10 * MEGABYTE)} }\n`,
    'note-too-long',
    3,
  ],
  ['a key of 10 MB', () => `admit: 1\n${'x'.repeat(10 * MEGABYTE)}: 1\n`, 'yaml-size', 3],
  [
    'a quoted line of 10 MB that never ends',
    () => `admit: 1\nhost: "${'x'.repeat(10 * MEGABYTE)}`,
    'yaml-size',
    3,
  ],
  ['10 MB of nothing but line ends', () => '\n'.repeat(10 * MEGABYTE), 'empty-policy', 3],
  ['100,000 open brackets', () => `admit: 1\ndevices: ${'['.repeat(100_000)}`, 'yaml-depth', 3],
  ['100,000 open braces with keys', () => `admit: 1\ndevices: ${'{a: '.repeat(100_000)}`, 'yaml-depth', 3],
  ['100,000 dashes', () => `admit: 1\ndevices:\n  ${'- '.repeat(100_000)}x\n`, 'yaml-depth', 3],
  [
    '1,000 levels of keys',
    () => `admit: 1\n${Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')}`,
    'yaml-depth',
    3,
  ],
  ['half a megabyte of colons', () => ':\n'.repeat(200_000), 'unknown-key', 20],
  ['half a megabyte of closing brackets', () => '}'.repeat(500_000), 'yaml-syntax', 3],
  ['half a megabyte of anchors', () => `admit: 1\nx: ${'a: &x b\n'.repeat(60_000)}`, 'yaml-syntax', 20],
  ['a file beyond every limit', () => `admit: 1\n#${'x'.repeat(65 * MEGABYTE)}`, 'yaml-size', 3],
  [
    'YAML 1.1',
    () => '%YAML 1.1\n---\nadmit: 1\ndevices: { a: { mac: 12:34:56:10:20:30 } }\n',
    'yaml-version',
    1,
  ],
  ['100,000 documents', () => '---\nadmit: 1\n'.repeat(30_000), 'yaml-documents', 3],
  ['100,000 equal keys', () => `admit: 1\n${'host: {}\n'.repeat(100_000)}`, 'duplicate-key', 3],
  [
    '100,000 unknown devices',
    () => `admit: 1\ngroups: { a: [${Array.from({ length: 100_000 }, (_, i) => `d${i}`).join(', ')}] }\n`,
    'unknown-device',
    5,
  ],
]

for (const [what, text, code, seconds] of BOMBS) {
  test(`${what} is refused in time`, () => {
    const bomb = text()
    let result = readPolicy('', OPTIONS)
    const took = cpuSeconds(() => {
      result = readPolicy(bomb, OPTIONS)
    })
    const { policy, diagnostics } = result
    assert.equal(policy, undefined)
    assert.ok(
      diagnostics.some((diagnostic) => diagnostic.code === code),
      diagnostics[0]?.code,
    )
    assert.ok(diagnostics.length <= 1001)
    assert.ok(took < seconds, `${took} s`)
    readAnything(bomb.length > MEGABYTE ? '' : bomb.slice(0, 10_000))
  })
}

/** Pieces that open, nest or mark something; one of them repeated is how readers are brought down. */
const OPENERS = [
  'a',
  'a: ',
  '- ',
  '? ',
  ': ',
  '[',
  '{',
  ']',
  '}',
  ',',
  '\n',
  ' ',
  '  ',
  '&a ',
  '*a',
  '!t ',
  '"',
  "'",
  '|\n',
  '>',
  ' #',
  '\t',
  '\r\n',
  '---\n',
  '...\n',
  '%Y',
  '\n- ',
  '\n? ',
  '\u0018',
  '\u001f',
]

test('whatever is repeated, reading ends', () => {
  const unit = fc
    .array(fc.constantFrom(...OPENERS), { minLength: 1, maxLength: 5 })
    .map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(fc.constantFrom('', 'admit: 1\nx: ', 'admit: 1\ndevices:\n  '), unit, (before, piece) => {
      readAnything(before + piece.repeat(Math.ceil(6000 / piece.length)))
    }),
    { numRuns: 300 },
  )
})

test('ten times the devices take about ten times the time', () => {
  const policyOf = (count: number): string => {
    const lines = Array.from(
      { length: count },
      (_, i) =>
        `  d${i}: { mac: 00:16:3e:${(i + 0x1000000)
          .toString(16)
          .slice(1)
          .replace(/..(?=.)/g, '$&:')}, note: of the office }\n`,
    )
    return `admit: 1\nsafety: { admins: 0 }\ndevices:\n${lines.join('')}grants:\n  - { from: d1, to: everything }\n`
  }
  const seconds = (count: number): number => {
    const text = policyOf(count)
    return cpuSeconds(() => assert.equal(readPolicy(text, OPTIONS).policy?.devices.length, count))
  }
  seconds(1000)
  const ten = seconds(10_000)
  const hundred = seconds(100_000)
  assert.ok(ten < 2, `10,000 devices took ${ten} s`)
  assert.ok(hundred < 30 * Math.max(ten, 0.1), `10,000 devices took ${ten} s, 100,000 took ${hundred} s`)
})

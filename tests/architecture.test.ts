import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { CORE, FOLDERS, forbiddenImports, importCycles } from './support/architecture.ts'
import type { SourceTree } from './support/architecture.ts'

const root = new URL('..', import.meta.url).pathname
const read = (file: string): string => readFileSync(root + file, 'utf8')
const sources: SourceTree = new Map(
  globSync('{src,tests,bench,script}/**/*.ts', { cwd: root }).map((file) => [file, read(file)]),
)

describe('this checkout', () => {
  test('every import goes down the order of folders', () => {
    assert.ok(sources.size > 20)
    assert.deepEqual(forbiddenImports(sources), [])
  })

  test('no file needs itself, by way of others, to be loaded', () => {
    assert.deepEqual(importCycles(sources), [])
  })

  test('the program depends on commander and yaml and on nothing else', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    assert.deepEqual(Object.keys(dependencies).toSorted(), ['commander', 'yaml'])
  })

  test('every core folder compiles without Node types', () => {
    const config = JSON.parse(read('tsconfig.core.json')) as {
      compilerOptions: { types: string[] }
      include: string[]
    }
    const there = new Set([...sources.keys()].map((file) => file.split('/').slice(0, 2).join('/')))
    const expected = CORE.map((folder) => `src/${folder}`).filter((folder) => there.has(folder))
    assert.deepEqual(config.compilerOptions.types, [])
    assert.deepEqual(
      config.include.filter((folder) => there.has(folder)),
      expected,
    )
  })
})

describe('the checker itself', () => {
  const findings = (files: Readonly<Record<string, string>>): readonly string[] =>
    forbiddenImports(new Map(Object.entries(files)))

  test('every edge against the order is found, with a reason', () => {
    for (const [low, from] of FOLDERS.entries()) {
      for (const to of FOLDERS.slice(low + 1)) {
        const [finding = '', ...others] = findings({
          [`src/${from}/a.ts`]: `import { b } from '../${to}/b.ts'\n`,
        })
        assert.match(finding, /^src\/\w+\/a\.ts may not import \S+, because .{20}/, `${from} → ${to}`)
        assert.deepEqual(others, [])
      }
    }
  })

  test('an edge down the order is fine', () => {
    assert.deepEqual(
      findings({ 'src/apply/a.ts': `import { b } from '../base/b.ts'\nimport './c.ts'\n` }),
      [],
    )
    assert.deepEqual(findings({ 'src/main.ts': `import { b } from './system/b.ts'\nimport 'node:fs'\n` }), [])
  })

  for (const [what, text] of Object.entries({
    'a type': `import type { P } from '../policy/policy.ts'`,
    'several lines': `import {\n  a,\n  b,\n} from '../policy/policy.ts'`,
    'a re-export': `export * from '../policy/policy.ts'`,
    'a side effect': `import '../policy/policy.ts'`,
    'a call': `const { a } = await import('../policy/policy.ts')`,
    'a second import': `import { a } from '../ruleset/a.ts'\nimport { b } from '../policy/b.ts'`,
  })) {
    test(`analysis may not import policy, written as ${what}`, () => {
      const [finding = ''] = findings({ 'src/analysis/a.ts': text })
      assert.match(finding, /because it must be able to judge any host's rules/)
    })
  }

  test('a comment or a text about an import is none', () => {
    const text = ` * import { a } from '../policy/a.ts'\nexport const help = 'see from'\nexport const name = 'node:fs'\n`
    assert.deepEqual(findings({ 'src/analysis/a.ts': text }), [])
  })

  test('effects and packages stay in their rooms', () => {
    assert.equal(findings({ 'src/cli/a.ts': `import { readFileSync } from 'node:fs'` }).length, 1)
    assert.equal(findings({ 'src/compile/a.ts': `import { parse } from 'yaml'` }).length, 1)
    assert.equal(findings({ 'src/system/a.ts': `import koffi from 'koffi'` }).length, 1)
    assert.equal(findings({ 'src/policy/a.test.ts': `import { test } from 'node:test'` }).length, 0)
  })

  test('src needs nothing outside of src, and every folder has its place', () => {
    assert.equal(findings({ 'src/cli/a.ts': `import { x } from '../../tests/support/x.ts'` }).length, 1)
    assert.equal(findings({ 'src/newroom/a.ts': `import { x } from '../base/x.ts'` }).length, 1)
    assert.equal(findings({ 'src/cli/a.ts': `import { x } from '../main.ts'` }).length, 1)
  })

  test('a circle of values is found, a circle of types is not', () => {
    const circle = (keyword: string): SourceTree =>
      new Map([
        ['src/net/a.ts', `import { b } from './b.ts'\n`],
        ['src/net/b.ts', `${keyword} { a } from './a.ts'\n`],
      ])
    assert.deepEqual(importCycles(circle('import')), ['src/net/a.ts → src/net/b.ts → src/net/a.ts'])
    assert.deepEqual(importCycles(circle('import type')), [])
  })
})

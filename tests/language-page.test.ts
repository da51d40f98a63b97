import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BUILT_IN_NAMES, builtInService } from '../src/policy/built-in-services.ts'
import { formatServicePart } from '../src/policy/inline-service.ts'
import { LANGUAGE } from '../src/policy/language.ts'
import { readPolicy } from '../src/policy/read.ts'

/** The page, its table cells without the spaces that align them. */
const page = readFileSync(new URL('../docs/language.md', import.meta.url), 'utf8').replace(/ +\|/g, ' |')

/** The section of one map of the language. */
const HEADINGS = {
  policy: '## The file',
  host: '## Host',
  device: '## Devices',
  bound: '### bound',
  grant: '## Grants',
  safety: '## Safety',
  test: '## Tests',
} as const

function section(heading: string): string {
  const start = page.indexOf(`\n${heading}\n`)
  assert.ok(start >= 0, heading)
  const level = heading.slice(0, heading.indexOf(' ') + 1)
  const end = page.indexOf(`\n${level}`, start + heading.length)
  return page.slice(start, end < 0 ? undefined : end)
}

test('the language page has every key of the language, with its default', () => {
  for (const [map, fields] of Object.entries(LANGUAGE)) {
    if (map === 'bound') continue
    const heading = Object.entries(HEADINGS).find(([name]) => name === map)?.[1] ?? ''
    const rows = section(heading).split('\n')
    for (const [key, field] of Object.entries(fields)) {
      const row = rows.find((line) => line.startsWith(`| \`${key}\` |`))
      assert.ok(row, `${map}.${key} has a row under ${heading}`)
      const fallback: unknown = 'default' in field ? field.default : undefined
      if (fallback !== undefined) {
        const written = JSON.stringify(fallback).replaceAll('"', '')
        assert.ok(row.trimEnd().endsWith(`| \`${written}\` |`), `${row} ends with ${written}`)
      }
    }
  }
})

test('the language page has every built-in service with its parts', () => {
  for (const name of BUILT_IN_NAMES) {
    const parts = (builtInService(name) ?? []).map(formatServicePart)
    const entries =
      name === 'ping' ? 'echo requests, IPv4 and IPv6' : parts.map((part) => `\`${part}\``).join(', ')
    assert.ok(page.includes(`| \`${name}\` | ${entries} |`), name)
  }
})

test('every whole policy on the language page reads without an error', () => {
  const blocks = [...page.matchAll(/^```yaml policy\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
  assert.ok(blocks.length > 5)
  for (const text of blocks) {
    const { diagnostics } = readPolicy(text, { systemServices: undefined, now: Date.now() / 1000 })
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
    assert.deepEqual(errors, [], text)
  }
})

/** What tells the guard that rules are what they were. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { guardHost, load } from '../support/guard-host.ts'
import { digest, NO_TABLE } from '../support/guard-state.ts'
import { run } from '../support/run.ts'

const host = guardHost()

describe('digest', () => {
  test('no table, and an empty one, and each rule and element counts', () => {
    const seen = new Set([host.empty])
    for (const text of [
      'table inet admit {}',
      'table inet admit { flags dormant; }',
      'table inet admit { chain a { }; }',
      'table inet admit { chain a { tcp dport { 22, 80 } accept; }; }',
      'table inet admit { chain a { tcp dport { 22, 81 } accept; }; }',
      'table inet admit { chain a { accept comment "a, b"; }; }',
      'table inet admit { chain a { accept comment "b, a"; }; }',
      'table inet admit { chain a { accept comment "{ b, a }"; }; }',
      'table inet admit { chain a { accept comment "{ a, b }"; }; }',
      'table inet admit { chain a { ct state new; accept; }; }',
      'table inet admit { chain a { accept; ct state new; }; }',
      'table inet admit { set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }; }; }',
      'table inet admit { set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.3 }; }; }',
      'table inet admit { set s { type ipv4_addr; }; }',
      'table inet admit { set t { type ipv4_addr; }; }',
    ]) {
      load(`${NO_TABLE}${text}\n`)
      const said = digest()
      assert.ok(!seen.has(said), text)
      seen.add(said)
    }
  })

  test('the order of elements, sets and chains does not count, and the order of rules does', () => {
    const elements = Array.from({ length: 500 }, (_, index) => `10.1.${index % 7}.${index % 251}`)
    const text = (...blocks: readonly string[]): string =>
      `${NO_TABLE}table inet admit {\n${blocks.join('\n')}\n}\n`
    const set = (some: readonly string[]): string =>
      `set s { type ipv4_addr; elements = { ${[...new Set(some)].join(', ')} }; }`
    const chain = 'chain a { tcp dport { 22, 80, 443, 8080 } accept; tcp dport 1 drop; }'
    load(text(set(elements), chain, 'chain b { }'))
    const said = digest()
    load(text('chain b { }', set(elements.toReversed()), chain.replace('22, 80', '80, 22')))
    assert.equal(digest(), said)
    load(
      text(
        set(elements),
        'chain a { tcp dport 1 drop; tcp dport { 22, 80, 443, 8080 } accept; }',
        'chain b { }',
      ),
    )
    assert.notEqual(digest(), said)
  })

  test('every case of the compiler has its own, and has it again when its listing is loaded', () => {
    const files = globSync(new URL('../cases/*/rules*.nft', import.meta.url).pathname)
      .filter((file) => !file.includes('fragment'))
      .toSorted()
    assert.ok(files.length > 5)
    for (const file of files) {
      load(`${NO_TABLE}${readFileSync(file, 'utf8')}`)
      const said = digest()
      load(`${NO_TABLE}${run('nft', ['list', 'table', 'inet', 'admit'])}`)
      assert.equal(digest(), said, file)
    }
  })
})

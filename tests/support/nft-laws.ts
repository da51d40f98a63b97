import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { readJson } from '../../src/backends/nftables/read-json.ts'
import { readText } from '../../src/backends/nftables/read-text.ts'
import { renderTable } from '../../src/backends/nftables/render.ts'
import { normaliseTable } from '../../src/ruleset/normalise.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { runCommand } from '../../src/system/command.ts'
import { arbitraryTable } from './arbitrary-table.ts'
import { FULL_TABLE } from './tables.ts'

/** A command that is some version of nft. */
export type NftCommand = readonly [string, ...string[]]

/** What one nft was given and the other lists, as JSON and as text, says the same as the table. */
export function nftLaws(name: string, writer: NftCommand, reader: NftCommand, numRuns: number): void {
  describe(name, () => {
    it('keeps a table of everything through text, kernel and listings', () =>
      roundTrip(writer, reader, FULL_TABLE))

    it('keeps any table through text, kernel and listings', async () => {
      const property = fc.asyncProperty(arbitraryTable(), (table) => roundTrip(writer, reader, table))
      await fc.assert(property, { numRuns: process.env['ADMIT_LONG'] === undefined ? numRuns : numRuns * 10 })
    })
  })
}

async function roundTrip(writer: NftCommand, reader: NftCommand, table: Table): Promise<void> {
  const wanted = normaliseTable(table)
  await nft(writer, ['-f', '-'], `table inet admit\ndelete table inet admit\n${renderTable(table)}`)
  for (const flags of [['-j'], ['-j', '-n']]) {
    const json = readJson(await nft(reader, [...flags, 'list', 'ruleset']))
    assert.ok(json.ok, json.ok ? '' : json.error)
    assert.deepEqual(json.value.unread, [])
    assert.deepEqual(json.value.ruleset.tables.map(normaliseTable), [wanted])
  }
  const text = await nft(reader, ['list', 'table', 'inet', 'admit'])
  const read = readText(text)
  assert.ok(read.ok, read.ok ? '' : `${JSON.stringify(read.error)}\n${text}`)
  assert.deepEqual(normaliseTable(read.value), wanted)
}

async function nft(command: NftCommand, args: readonly string[], stdin = ''): Promise<string> {
  const [program, ...before] = command
  const output = await runCommand(program, [...before, ...args], { stdin, timeout: 20_000 })
  assert.ok(output.kind === 'ran' && output.code === 0, `${JSON.stringify(output)}\n${stdin}`)
  return output.stdout
}

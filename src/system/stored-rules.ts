import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readStored, renderStored } from '../backends/nftables/stored.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type { FileProblem } from '../cli/system.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { checkPrivateFolder, makePrivateFolder, readTextFile, writeTextFile } from './files.ts'

/** The rules last applied, as nft text that also loads without admit: `nft -f rules.nft`. */
const STORED_RULES = 'rules.nft'

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Undefined where none are stored; a file that is cut short, changed by hand or not admit's is `damaged`. */
export async function readStoredRules(folder: string): Promise<Result<Table | undefined, FileProblem>> {
  const path = join(folder, STORED_RULES)
  const file = await readTextFile(path, { follow: false })
  if (!file.ok) return file.error.kind === 'missing' ? ok(undefined) : file
  // Its checksum is no secret: whoever may write in the folder can write rules that let them in.
  const own = await checkPrivateFolder(folder)
  if (!own.ok) return own
  const table = readStored(file.value, path, sha256)
  return table.ok ? table : fail({ kind: 'damaged', message: table.error.message })
}

export async function storeRules(folder: string, table: Table): Promise<Result<void, FileProblem>> {
  const made = await makePrivateFolder(folder)
  if (!made.ok) return made
  return writeTextFile(join(folder, STORED_RULES), renderStored(table, sha256))
}

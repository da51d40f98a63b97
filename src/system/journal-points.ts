import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalError, Outcome, RestorePoint, RestorePointFiles } from '../apply/journal.ts'
import { readOutcome, readPoint } from '../apply/journal-text.ts'
import { readStored } from '../backends/nftables/stored.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { checkPrivateFolder, readTextFile } from './files.ts'
import { asJournal, readRecord, sha256 } from './journal-files.ts'

/** How the last transaction ended; undefined where there was none. */
export async function readOutcomeFile(folder: string): Promise<Result<Outcome | undefined, JournalError>> {
  const record = await readRecord(join(folder, 'outcome'), 'outcome')
  if (!record.ok) return record.error.kind === 'missing' ? ok(undefined) : record
  const outcome = readOutcome(record.value)
  return outcome.ok
    ? outcome
    : fail({ kind: 'damaged', message: `${printable(join(folder, 'outcome'))}: ${outcome.error}` })
}

/** The confirmed rules with what goes with them; undefined where nothing was ever confirmed. */
export async function readConfirmed(
  folder: string,
): Promise<Result<RestorePointFiles | undefined, JournalError>> {
  const rules = await readRules(folder, 'rules.nft')
  if (!rules.ok) return rules
  if (rules.value === undefined) return ok(undefined)
  return withCompanions(folder, rules.value)
}

/** All restore points that can be read, oldest first. One that is damaged is an error: it is not to be forgotten silently. */
export async function readPoints(folder: string): Promise<Result<readonly RestorePoint[], JournalError>> {
  const path = join(folder, 'points')
  const numbers = (await readdir(path).catch(() => [] as string[]))
    .filter((name) => /^[1-9]\d{0,8}$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b)
  const points: RestorePoint[] = []
  for (const number of numbers) {
    const point = await readPointRecord(folder, number)
    if (!point.ok) return point
    points.push(point.value)
  }
  return ok(points)
}

/** What a restore point holds; `missing` where there is none of that number. */
export async function readPointFiles(
  folder: string,
  number: number,
): Promise<Result<RestorePointFiles, JournalError>> {
  const path = join(folder, 'points', String(number))
  const rules = await readRules(path, 'rules.nft')
  if (!rules.ok) return rules
  if (rules.value === undefined) {
    return fail({ kind: 'missing', message: `there is no restore point ${number}` })
  }
  return withCompanions(path, rules.value)
}

async function readPointRecord(folder: string, number: number): Promise<Result<RestorePoint, JournalError>> {
  const path = join(folder, 'points', String(number))
  const record = await readRecord(join(path, 'point'), 'point')
  if (!record.ok) return record
  const point = readPoint(record.value)
  if (!point.ok) return fail({ kind: 'damaged', message: `${printable(path)}: ${point.error}` })
  const name = await readTextFile(join(path, 'name'), { follow: false })
  return ok({ number, ...(name.ok ? { name: name.value.trim() } : {}), ...point.value })
}

async function withCompanions(path: string, rules: Table): Promise<Result<RestorePointFiles, JournalError>> {
  const rescue = await readRules(path, 'rescue.nft')
  if (!rescue.ok) return rescue
  const policy = await readTextFile(join(path, 'policy.yaml'), { follow: false })
  if (!policy.ok && policy.error.kind !== 'missing') return asJournal(policy)
  return ok({ rules, rescue: rescue.value, policy: policy.ok ? policy.value : undefined })
}

/** Undefined where there is no such file; one that is cut short, changed by hand or not admit's is `damaged`. */
export async function readRules(
  folder: string,
  name: string,
): Promise<Result<Table | undefined, JournalError>> {
  const path = join(folder, name)
  const file = await readTextFile(path, { follow: false })
  if (!file.ok) return file.error.kind === 'missing' ? ok(undefined) : asJournal(file)
  // Its checksum is no secret: whoever may write in the folder can write rules that let them in.
  const own = await checkPrivateFolder(folder)
  if (!own.ok) return asJournal(own)
  const table = readStored(file.value, path, sha256)
  return table.ok ? table : fail({ kind: 'damaged', message: table.error.message })
}

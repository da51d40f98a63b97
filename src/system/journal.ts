import { randomBytes } from 'node:crypto'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  Journal,
  JournalEntry,
  JournalError,
  JournalFiles,
  Moment,
  Proof,
  UndoOutcome,
  UndoReason,
  Window,
} from '../apply/journal.ts'
import { journalRecord, proofRecord, windowRecord } from '../apply/journal-text.ts'
import { renderRecord } from '../apply/record.ts'
import { renderTable } from '../backends/nftables/render.ts'
import { renderStored } from '../backends/nftables/stored.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { RunCommand } from './command.ts'
import { runCommand } from './command.ts'
import { makePrivateFolder, moveFolder, readTextFile, removeFolder, writeTextFile } from './files.ts'
import { GUARD, guardProblem, runGuard, startWatchdog } from './guard.ts'
import { asJournal, sha256 } from './journal-files.ts'
import { readConfirmed, readOutcomeFile, readPointFiles, readPoints, readRules } from './journal-points.ts'
import { CLAIMED, findClaimed, readJournalIn, readState } from './journal-state.ts'
import { bootId, isAlive, networkNamespace, startTimeOf, uptime } from './process-identity.ts'

export interface JournalOptions {
  readonly run?: RunCommand
  /** The guard script; tests give an instrumented copy. */
  readonly guard?: string
  /** Milliseconds that the watchdog may take to report ready. */
  readonly patience?: number
}

/** The transaction on disk, in this state folder, with the guard script for all that must happen without Node. */
export function realJournal(folder: string, options: JournalOptions = {}): Journal {
  const { run = runCommand, guard = GUARD, patience = 30_000 } = options
  const context: JournalContext = { folder, run, guard, patience, pending: join(folder, 'pending') }
  return {
    moment,
    state: () => readState(folder),
    checkUndo: (previous) => checkUndo(context, previous),
    write: (entry, files) => write(context, entry, files),
    publish: (id) => publish(context, id),
    arm: (id) => arm(context, id),
    withdraw: (id) => withdraw(context, id),
    open: (id, window) => open(context, id, window),
    claim: (id, proof) => claim(context, id, proof),
    complete: () => complete(context),
    undo: (why) => undo(context, why),
    candidate: () => readRules(context.pending, 'candidate.nft'),
    outcome: () => readOutcomeFile(folder),
    confirmed: () => readConfirmed(folder),
    points: () => readPoints(folder),
    point: (number) => readPointFiles(folder, number),
    name: async (number, name) =>
      asJournal(await writeTextFile(join(folder, 'points', String(number), 'name'), `${printable(name)}\n`)),
  }
}

interface JournalContext {
  readonly folder: string
  readonly pending: string
  readonly run: RunCommand
  readonly guard: string
  readonly patience: number
}

async function moment(): Promise<Moment> {
  return { uptime: await uptime(), wall: Date.now() / 1000 }
}

/** Brings the previous state back whatever is there: the guard gives it to nft as it is. */
export function undoText(previous: Table | undefined): string {
  const { family, name } = ADMIT_TABLE
  const gone = `table ${family} ${name} {\n}\ndelete table ${family} ${name}\n`
  return previous === undefined ? gone : `${gone}${renderTable(previous)}`
}

async function checkUndo(
  { run }: JournalContext,
  previous: Table | undefined,
): Promise<Result<void, JournalError>> {
  const result = await run('nft', ['-c', '-f', '-'], { stdin: undoText(previous), timeout: 60_000 })
  if (result.kind === 'ran' && result.code === 0) return ok(undefined)
  const said = result.kind === 'ran' ? (result.stderr.trim().split('\n')[0] ?? '') : 'nft cannot be started'
  const message = `the present rules could not be loaded again, so a change could not be undone: ${printable(said)}`
  return fail({ kind: 'failed', message })
}

async function write(
  context: JournalContext,
  entry: JournalEntry,
  files: JournalFiles,
): Promise<Result<void, JournalError>> {
  const listing = await runGuard(context.run, ['digest'], context.guard)
  if (!listing.ok) return listing
  if (listing.value.code !== 0) return fail(guardProblem(listing.value))
  const made = await makePrivateFolder(context.folder)
  if (!made.ok) return asJournal(made)
  await removeOldPreparations(context.folder)
  const folder = preparing(context, entry.id)
  const folderMade = await makePrivateFolder(folder)
  if (!folderMade.ok) return asJournal(folderMade)
  const texts: Readonly<Record<string, string | undefined>> = {
    'previous.nft': undoText(files.previous),
    'candidate.nft': storedText(files.candidate),
    'rescue.nft': storedText(files.rescue),
    'policy.yaml': files.policy,
  }
  for (const [name, text] of Object.entries(texts)) {
    const written = text === undefined ? ok(undefined) : await writeTextFile(join(folder, name), text)
    if (!written.ok) return asJournal(written)
  }
  const hash = (name: string): string | undefined => {
    const text = texts[name]
    return text === undefined ? undefined : sha256(text)
  }
  const record = journalRecord(entry, {
    boot: await bootId(),
    netns: await networkNamespace(),
    applier: { pid: process.pid, start: (await startTimeOf('self')) ?? '0' },
    previous: sha256(undoText(files.previous)),
    candidate: hash('candidate.nft'),
    rescue: hash('rescue.nft'),
    policy: hash('policy.yaml'),
    listing: listing.value.stdout.trim(),
  })
  return asJournal(await writeTextFile(join(folder, 'journal'), renderRecord(record, sha256)))
}

/** What killed processes left half written; anything younger may be somebody's at work right now. */
async function removeOldPreparations(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[])
  for (const name of names.filter((one) => /^(preparing|withdrawn)\./.test(one))) {
    const found = await lstat(join(folder, name)).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > OLD) await removeFolder(join(folder, name))
  }
}

/** Milliseconds. */
const OLD = 600_000

function storedText(table: Table | undefined): string | undefined {
  return table === undefined ? undefined : renderStored(table, sha256)
}

function preparing({ folder }: JournalContext, id: string): string {
  return join(folder, `preparing.${id}`)
}

async function publish(context: JournalContext, id: string): Promise<Result<void, JournalError>> {
  const state = await readState(context.folder)
  if (!state.ok) return state
  if (state.value.kind !== 'idle') return fail(TAKEN)
  // A folder that is there and not empty is never replaced: of two at once, one wins.
  const moved = await moveFolder(preparing(context, id), context.pending)
  return moved === 'taken' ? fail(TAKEN) : moved === 'missing' ? fail(GONE) : asJournal(moved)
}

const TAKEN: JournalError = { kind: 'taken', message: 'another change is pending' }
const GONE: JournalError = { kind: 'missing', message: 'the transaction is not there any more' }

async function arm(context: JournalContext, id: string): Promise<Result<void, JournalError>> {
  const isGone = await startWatchdog(context.run, context.folder, id, context.guard)
  const end = performance.now() + context.patience
  while (performance.now() < end && !isGone()) {
    const ready = await readTextFile(join(context.pending, 'ready'), { follow: false })
    const [pid = '', start = ''] = ready.ok ? ready.value.trim().split(' ') : []
    if (await isAlive(Number(pid), start)) return ok(undefined)
    await sleep(5)
  }
  return fail({ kind: 'failed', message: 'the watchdog that would undo the change did not start' })
}

/** Also of one that was never published. */
async function withdraw(context: JournalContext, id: string): Promise<Result<void, JournalError>> {
  const aside = join(context.folder, `withdrawn.${id}`)
  if (await isPending(context, id)) await moveFolder(context.pending, aside)
  const removed = [await removeFolder(aside), await removeFolder(preparing(context, id))]
  const failed = removed.find((result) => !result.ok)
  return failed === undefined ? ok(undefined) : asJournal(failed)
}

async function open(
  context: JournalContext,
  id: string,
  window: Window,
): Promise<Result<void, JournalError>> {
  if (!(await isPending(context, id))) return fail(GONE)
  const path = join(context.pending, 'window')
  const written = await writeTextFile(path, renderRecord(windowRecord(window), sha256))
  if (written.ok && !(await isPending(context, id))) return fail(GONE)
  return asJournal(written)
}

async function claim(
  context: JournalContext,
  id: string,
  proof: Proof,
): Promise<Result<'claimed' | 'lost', JournalError>> {
  const other = await findClaimed(context.folder)
  if (!(await isPending(context, id))) return ok('lost')
  if (other !== undefined) return fail(TAKEN)
  // Several may write their proof before one of them renames: whose counts, the folder's new name says.
  const own = randomBytes(6).toString('hex')
  const path = join(context.pending, `proof.${own}`)
  const written = await writeTextFile(path, renderRecord(proofRecord(proof), sha256))
  if (!written.ok) return written.error.kind === 'missing' ? ok('lost') : asJournal(written)
  const claimed = join(context.folder, `${CLAIMED}${own}`)
  const moved = await moveFolder(context.pending, claimed)
  if (moved === 'missing') return ok('lost')
  if (moved === 'taken') return fail(TAKEN)
  // A rename that happened has decided, also where the disk could not promise that it lasts: completing it says more.
  const journal = await readJournalIn(claimed)
  if (journal.ok && journal.value.entry.id === id) return ok('claimed')
  if (!moved.ok) return asJournal(moved)
  // Between the look and the rename one transaction ended and another began: it is not ours to confirm.
  await moveFolder(claimed, context.pending)
  return ok('lost')
}

async function isPending(context: JournalContext, id: string): Promise<boolean> {
  const journal = await readJournalIn(context.pending)
  return journal.ok && journal.value.entry.id === id
}

async function complete({ run, guard, folder }: JournalContext): Promise<Result<void, JournalError>> {
  const result = await runGuard(run, ['complete', folder], guard)
  if (!result.ok) return result
  return result.value.code === 0 ? ok(undefined) : fail(guardProblem(result.value))
}

const UNDO_OUTCOMES: readonly UndoOutcome[] = ['undone', 'uncleared', 'rescued', 'failed', 'nothing']

async function undo(
  { run, guard, folder }: JournalContext,
  why: UndoReason,
): Promise<Result<UndoOutcome, JournalError>> {
  const result = await runGuard(run, ['undo', folder, why], guard)
  if (!result.ok) return result
  const word = UNDO_OUTCOMES.find((outcome) => outcome === result.value.stdout.trim())
  return word === undefined ? fail(guardProblem(result.value)) : ok(word)
}

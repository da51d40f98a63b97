import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalEntry, JournalError, JournalState, Window } from '../apply/journal.ts'
import type { JournalSeal } from '../apply/journal-text.ts'
import { readJournal, readWindow } from '../apply/journal-text.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import { checkPrivateFolder, readTextFile } from './files.ts'
import { asJournal, readRecord } from './journal-files.ts'
import { bootId, isAlive, networkNamespace } from './process-identity.ts'

/** What is in flight in this state folder: at most one thing. */
export async function readState(folder: string): Promise<Result<JournalState, JournalError>> {
  const own = await checkPrivateFolder(folder)
  if (!own.ok) return own.error.kind === 'missing' ? ok({ kind: 'idle' }) : asJournal(own)
  // What is pending may be claimed between two looks: those that claim are looked for once more.
  for (const kind of ['confirming', 'undoing', 'pending', 'undoing', 'confirming'] as const) {
    const name = kind === 'confirming' ? await findClaimed(folder) : kind
    if (name === undefined) continue
    const path = join(folder, name)
    if (!(await isThere(path))) continue
    const read = await readJournalIn(path)
    if (!read.ok) {
      // It may just have been claimed by somebody else.
      if (read.error.kind === 'missing' && !(await isThere(path))) continue
      return ok({ kind: 'damaged', folder: name, message: read.error.message })
    }
    if (kind !== 'pending') return ok({ kind, entry: read.value.entry })
    const pending = await pendingState(path, read.value)
    // Claimed while it was read: what was missing then is no sign of anything.
    if (await isThere(path)) return pending
  }
  return ok({ kind: 'idle' })
}

/** The folder that a confirmation has claimed, by its name: that of the claim which won. */
export async function findClaimed(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => [] as string[])
  return names.find((name) => name.startsWith(CLAIMED))
}

/** Before the name of the claim. */
export const CLAIMED = 'confirming.'

async function pendingState(
  path: string,
  { entry, seal }: { readonly entry: JournalEntry; readonly seal: JournalSeal },
): Promise<Result<JournalState, JournalError>> {
  const window = await readWindowIn(path)
  if (!window.ok) return ok({ kind: 'damaged', folder: 'pending', message: window.error.message })
  const ready = await readTextFile(join(path, 'ready'), { follow: false })
  const [pid = '', start = ''] = ready.ok ? ready.value.trim().split(' ') : []
  const here =
    seal.boot !== (await bootId())
      ? 'another-boot'
      : seal.netns !== (await networkNamespace())
        ? 'another-namespace'
        : 'here'
  return ok({
    kind: 'pending',
    entry,
    ...(window.value === undefined ? {} : { window: window.value }),
    here,
    watchdog: (await isAlive(Number(pid), start)) ? 'alive' : 'gone',
    applier: (await isAlive(seal.applier.pid, seal.applier.start)) ? 'alive' : 'gone',
  })
}

async function readWindowIn(path: string): Promise<Result<Window | undefined, JournalError>> {
  const record = await readRecord(join(path, 'window'), 'window')
  if (!record.ok) return record.error.kind === 'missing' ? ok(undefined) : record
  const window = readWindow(record.value)
  return window.ok ? window : damaged(join(path, 'window'), window.error)
}

/** The journal in a transaction's folder, whole and admit's, or why not. */
export async function readJournalIn(
  path: string,
): Promise<Result<{ readonly entry: JournalEntry; readonly seal: JournalSeal }, JournalError>> {
  const own = await checkPrivateFolder(path)
  if (!own.ok) return asJournal(own)
  const record = await readRecord(join(path, 'journal'), 'journal')
  if (!record.ok) return record
  const journal = readJournal(record.value)
  return journal.ok ? journal : damaged(join(path, 'journal'), journal.error)
}

function damaged(path: string, problem: string): Result<never, JournalError> {
  return fail({ kind: 'damaged', message: `${printable(path)}: ${problem}` })
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

import { createHash } from 'node:crypto'
import type { JournalError } from '../apply/journal.ts'
import type { RecordFile } from '../apply/record.ts'
import { parseRecord } from '../apply/record.ts'
import type { Result } from '../base/result.ts'
import { fail } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { FileError } from './files.ts'
import { readTextFile } from './files.ts'

/** In lower-case hex, of the text's UTF-8. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A record file of admit's in the state folder. */
export async function readRecord(path: string, what: string): Promise<Result<RecordFile, JournalError>> {
  const text = await readTextFile(path, { follow: false, largest: 16 * 1024 * 1024 })
  if (!text.ok) return asJournal(text)
  const record = parseRecord(text.value, what, printable(path), sha256)
  return record.ok ? record : fail({ kind: 'damaged', message: record.error })
}

/** What is wrong with a file is what is wrong with the journal. */
export function asJournal<T>(result: Result<T, FileError>): Result<T, JournalError> {
  if (result.ok) return result
  const { kind, message } = result.error
  switch (kind) {
    case 'missing':
    case 'not-permitted':
    case 'not-private':
    case 'symlink':
      return fail({ kind, message })
    case 'not-a-file':
    case 'too-large':
    case 'not-utf8':
      return fail({ kind: 'damaged', message })
    case 'failed':
      return fail({ kind: 'failed', message })
    default:
      return kind satisfies never
  }
}

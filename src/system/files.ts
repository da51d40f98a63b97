import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { chmod, lstat, mkdir, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'

/** Why a file could not be read or written. */
export interface FileError {
  readonly kind:
    | 'missing'
    | 'not-permitted'
    | 'not-a-file'
    | 'too-large'
    | 'not-utf8'
    | 'symlink'
    | 'not-private'
    | 'failed'
  /** One sentence for the user, without control characters; it names the path. */
  readonly message: string
}

/** Bytes: ten times the policy of 100,000 devices on lines of their own. */
const LARGEST = 64 * 1024 * 1024

export interface ReadOptions {
  /** Bytes; more is an error. 64 MB by default. */
  readonly largest?: number
  /** False refuses a symbolic link at the path: for files that only admit itself writes. */
  readonly follow?: boolean
}

/**
 * Reads a whole text file, strictly as UTF-8: a byte that is none is an error, not U+FFFD; a byte order mark is left
 * out. Folders, devices and pipes are refused: reading those may never end.
 */
export async function readTextFile(
  path: string,
  options: ReadOptions = {},
): Promise<Result<string, FileError>> {
  const { largest = LARGEST, follow = true } = options
  let handle: FileHandle | undefined
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW)
    handle = await open(path, flags)
    const { size } = await regular(handle)
    if (size > largest) return fail(tooLarge(path, largest))
    const bytes = await handle.readFile()
    // Files in /proc say size 0, and a file may grow while it is read.
    if (bytes.length > largest) return fail(tooLarge(path, largest))
    const text = decode(bytes)
    return text === undefined ? fail(notUtf8(path, bytes)) : ok(text)
  } catch (error) {
    return fail(fileError('read', path, error))
  } finally {
    await handle?.close()
  }
}

export interface WriteOptions {
  /** Permission bits of the file, whatever the umask; 0600 by default. */
  readonly mode?: number
}

/**
 * Writes a whole file so that, whenever power or process ends, the path holds the old text or the new, never a part:
 * a temporary file in the same folder, fsync, rename, fsync of the folder. A symbolic link at the path is refused
 * rather than replaced or followed: in a folder of root's nobody else puts one there by mistake.
 */
export async function writeTextFile(
  path: string,
  text: string,
  options: WriteOptions = {},
): Promise<Result<void, FileError>> {
  const { mode = 0o600 } = options
  // A name of its own each time: two writers at once must not share one, and O_EXCL refuses one put there before.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    if (await isSymlink(path)) return fail(symlink(path))
    await writeNew(temporary, text, mode)
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return ok(undefined)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    return fail(fileError('write', path, error))
  }
}

/**
 * Makes a folder (and those above it) for its owner alone, 0700 whatever the umask. One that is there is taken as it
 * is, unless it is a symbolic link or others may write in it: they could then replace what admit loads at boot.
 */
export async function makePrivateFolder(path: string): Promise<Result<void, FileError>> {
  try {
    const made = await makeFolders(path, 0o700)
    if (made !== undefined) {
      await chmod(path, 0o700)
      await syncFolder(dirname(made))
      return ok(undefined)
    }
    return await checkPrivateFolder(path)
  } catch (error) {
    return fail(fileError('make the folder', path, error))
  }
}

/** Can only root or this user have put there what is in this folder? Asked before what is in it is believed, too. */
export async function checkPrivateFolder(path: string): Promise<Result<void, FileError>> {
  try {
    const found = await lstat(path)
    if (found.isSymbolicLink()) return fail(symlink(path))
    const strange = found.uid !== 0 && found.uid !== process.geteuid?.()
    if ((found.mode & 0o022) === 0 && !strange) return ok(undefined)
    const who = strange ? `it belongs to user ${found.uid}` : 'others may write in it'
    return fail({ kind: 'not-private', message: `the folder ${printable(path)} is not private: ${who}` })
  } catch (error) {
    return fail(fileError('look at', path, error))
  }
}

/**
 * Makes a folder and those above it; the first one made, or undefined where it was there. Node's own `recursive` never
 * ends where a folder can be made nowhere (in /proc, or in a current folder that was removed).
 */
export async function makeFolders(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode })
    return path
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined
    const above = dirname(path)
    if (code !== 'ENOENT' || above === path) throw error
    const first = await makeFolders(above, mode)
    await mkdir(path, { mode })
    return first ?? path
  }
}

/** Removes a file and makes that last; a file that is not there is removed already. */
export async function removeFile(path: string): Promise<Result<void, FileError>> {
  try {
    await unlink(path)
    await syncFolder(dirname(path))
    return ok(undefined)
  } catch (error) {
    const reason = fileError('remove', path, error)
    return reason.kind === 'missing' ? ok(undefined) : fail(reason)
  }
}

/**
 * Renames a folder, durably. `taken` where a folder that is not empty has that name already: of two that rename to one
 * name, or from one name, exactly one succeeds (rename(2)). `missing` where there is nothing to rename.
 */
export async function moveFolder(
  from: string,
  to: string,
): Promise<Result<void, FileError> | 'taken' | 'missing'> {
  try {
    await rename(from, to)
    await syncFolder(dirname(to))
    return ok(undefined)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return 'taken'
    return code === 'ENOENT' ? 'missing' : fail(fileError('rename', from, error))
  }
}

/** Removes a folder and what is in it; one that is not there is removed already. No symbolic link is followed. */
export async function removeFolder(path: string): Promise<Result<void, FileError>> {
  try {
    await rm(path, { recursive: true, force: true })
    return ok(undefined)
  } catch (error) {
    return fail(fileError('remove', path, error))
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(path, flags, mode)
  try {
    // The umask took bits from the mode that open was given.
    await handle.chmod(mode)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a rename, creation or removal in a folder survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function regular(handle: FileHandle): Promise<{ readonly size: number }> {
  const found = await handle.stat()
  if (found.isDirectory()) throw new NotAFile('a folder')
  if (!found.isFile()) throw new NotAFile('a device or a pipe')
  return found
}

class NotAFile extends Error {}

async function isSymlink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink()
  } catch {
    return false
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function notUtf8(path: string, bytes: Buffer): FileError {
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start)
    const end = newline < 0 ? bytes.length : newline
    if (decode(bytes.subarray(start, end)) === undefined) break
    start = end + 1
  }
  return { kind: 'not-utf8', message: `${printable(path)}:${line} is not UTF-8 text` }
}

function tooLarge(path: string, largest: number): FileError {
  const message = `${printable(path)} is larger than ${Math.floor(largest / 1024 / 1024)} MB`
  return { kind: 'too-large', message }
}

function symlink(path: string): FileError {
  return { kind: 'symlink', message: `${printable(path)} is a symbolic link: remove it, or name its target` }
}

/** What the system said, in a sentence; `doing` as in "could not read". */
function fileError(doing: string, path: string, error: unknown): FileError {
  const shown = printable(path)
  if (error instanceof NotAFile) {
    return { kind: 'not-a-file', message: `${shown} is ${error.message}, not a file` }
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const could = `could not ${doing} ${shown}`
  switch (code) {
    case 'ENOENT':
      return { kind: 'missing', message: `${could}: there is no such file or folder` }
    case 'ENOTDIR':
      return { kind: 'missing', message: `${could}: a part of the path is not a folder` }
    case 'EACCES':
    case 'EPERM':
      return { kind: 'not-permitted', message: `${could}: permission denied (are you root?)` }
    case 'EISDIR':
      return { kind: 'not-a-file', message: `${shown} is a folder, not a file` }
    case 'EEXIST':
      return { kind: 'not-a-file', message: `${could}: something that is no folder is in the way` }
    case 'ELOOP':
      return symlink(path)
    case 'ENOSPC':
    case 'EDQUOT':
      return { kind: 'failed', message: `${could}: the disk is full` }
    case 'EROFS':
      return { kind: 'failed', message: `${could}: the file system is mounted read-only` }
    default:
      return {
        kind: 'failed',
        message: `${could}: ${printable(error instanceof Error ? error.message : String(error))}`,
      }
  }
}

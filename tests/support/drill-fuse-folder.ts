import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import type { Request } from './drill-fuse-wire.ts'
import {
  attributesReply,
  entryReply,
  folderReply,
  initReply,
  openReply,
  statfsReply,
  texts,
  writeReply,
} from './drill-fuse-wire.ts'

// Node's rename knows no flags, and `mv -n` asks not to replace.
const renameat2 = koffi
  .load('libc.so.6')
  .func(
    'int renameat2(int oldFolder, const char *oldPath, int newFolder, const char *newPath, unsigned int flags)',
  )
const AT_FDCWD = -100
const ENOENT = 2
const EIO = 5
const ENOSYS = 38

/** The folder that is shown; one process shows one. */
let backing = ''

/** A node is a path within it; `''` is the folder itself, and node 0 the file system as a whole. */
const paths = new Map<bigint, string>([
  [0n, ''],
  [1n, ''],
])
const nodes = new Map<string, bigint>([['', 1n]])
let lastNode = 1n

export function showFolder(path: string): void {
  backing = path
}

class Refused extends Error {
  readonly errno: number
  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

/** Does what is asked, for real: an errno, 0 where it was done, and the body of the reply. */
export function serve(request: Request): [errno: number, body: Buffer | undefined] {
  try {
    return [0, answer(request)]
  } catch (error) {
    if (error instanceof Refused) return [error.errno, undefined]
    const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : EIO
    return [Math.abs(errno), undefined]
  }
}

/** The paths that an operation is about, for the record. */
export function operands({ opcode, node, body }: Request): readonly string[] {
  // A node that is gone is the request's own trouble, when it is served.
  const path = paths.get(node) ?? '?'
  switch (opcode) {
    case 'create':
      return [join(path, texts(body, 16)[0] ?? '')]
    case 'mkdir':
      return [join(path, texts(body, 8)[0] ?? '')]
    case 'unlink':
    case 'rmdir':
    case 'symlink':
      return [join(path, texts(body, 0)[0] ?? '')]
    case 'link':
      return [join(path, texts(body, 8)[0] ?? '')]
    case 'rename':
    case 'rename2': {
      const [from = '', to = ''] = texts(body, opcode === 'rename' ? 8 : 16)
      return [join(path, from), join(paths.get(body.readBigUInt64LE(0)) ?? '?', to)]
    }
    default:
      return [path === '' ? '.' : path]
  }
}

function answer(request: Request): Buffer | undefined {
  const { opcode, node, body } = request
  const path = pathOf(node)
  const real = join(backing, path)
  switch (opcode) {
    case 'init':
      return initReply()
    case 'statfs':
      return statfsReply()
    case 'lookup':
      return entryOf(join(path, texts(body, 0)[0] ?? ''))
    case 'getattr':
      return attributesReply(
        node,
        (body.readUInt32LE(0) & 1) === 1 ? fstatSync(handleAt(body, 8)) : lstatSync(real),
      )
    case 'setattr':
      return setAttributes(node, real, body)
    case 'readlink':
      return Buffer.from(readlinkSync(real))
    case 'open':
      return openReply(openSync(real, body.readUInt32LE(0) & ~(constants.O_APPEND | constants.O_NOFOLLOW)))
    case 'read':
      return readFrom(body)
    case 'write':
      return writeReply(
        writeSync(handleAt(body, 0), body, 40, body.readUInt32LE(16), Number(body.readBigUInt64LE(8))),
      )
    case 'release':
      closeSync(handleAt(body, 0))
      return undefined
    case 'fsync':
      fsyncSync(handleAt(body, 0))
      return undefined
    case 'flush':
    case 'fsyncdir':
    case 'releasedir':
    case 'destroy':
      return undefined
    case 'opendir':
      return openReply(0)
    case 'readdir':
      return folderReply(
        ['.', '..', ...readdirSync(real)],
        Number(body.readBigUInt64LE(8)),
        body.readUInt32LE(16),
      )
    default:
      return change(request, path)
  }
}

/** What makes, moves and removes names. */
function change({ opcode, body }: Request, path: string): Buffer | undefined {
  const [name = '', second = ''] = texts(body, 0)
  switch (opcode) {
    case 'create': {
      const made = join(path, texts(body, 16)[0] ?? '')
      const flags = body.readUInt32LE(0) & ~(constants.O_APPEND | constants.O_NOFOLLOW)
      const handle = openSync(join(backing, made), flags | constants.O_CREAT, 0o600)
      fchmodSync(handle, body.readUInt32LE(4) & 0o7777)
      return Buffer.concat([entryOf(made), openReply(handle)])
    }
    case 'mkdir': {
      const made = join(path, texts(body, 8)[0] ?? '')
      mkdirSync(join(backing, made))
      chmodSync(join(backing, made), body.readUInt32LE(0) & 0o7777)
      return entryOf(made)
    }
    case 'symlink':
      symlinkSync(second, join(backing, path, name))
      return entryOf(join(path, name))
    case 'link': {
      const made = join(path, texts(body, 8)[0] ?? '')
      linkSync(join(backing, pathOf(body.readBigUInt64LE(0))), join(backing, made))
      return entryOf(made)
    }
    case 'unlink':
      unlinkSync(join(backing, path, name))
      forget(join(path, name))
      return undefined
    case 'rmdir':
      rmdirSync(join(backing, path, name))
      forget(join(path, name))
      return undefined
    case 'rename':
    case 'rename2': {
      const [from = '', to = ''] = texts(body, opcode === 'rename' ? 8 : 16)
      const flags = opcode === 'rename' ? 0 : body.readUInt32LE(8)
      move(join(path, from), join(pathOf(body.readBigUInt64LE(0)), to), flags)
      return undefined
    }
    default:
      throw new Refused(ENOSYS)
  }
}

function setAttributes(node: bigint, real: string, body: Buffer): Buffer {
  const valid = body.readUInt32LE(0)
  const has = (bit: number): boolean => (valid & bit) !== 0
  if (has(1)) chmodSync(real, body.readUInt32LE(68) & 0o7777)
  if (has(2) || has(4))
    chownSync(real, has(2) ? body.readUInt32LE(76) : -1, has(4) ? body.readUInt32LE(80) : -1)
  if (has(8)) {
    const size = Number(body.readBigUInt64LE(16))
    if (has(64)) ftruncateSync(handleAt(body, 8), size)
    else truncateSync(real, size)
  }
  if (has(16) && has(32) && !has(128)) {
    const time = (at: number): number => Number(body.readBigUInt64LE(at))
    lutimesSync(real, time(32), time(40))
  }
  return attributesReply(node, lstatSync(real))
}

function readFrom(body: Buffer): Buffer {
  const room = Buffer.alloc(body.readUInt32LE(16))
  const length = readSync(handleAt(body, 0), room, 0, room.length, Number(body.readBigUInt64LE(8)))
  return room.subarray(0, length)
}

function handleAt(body: Buffer, offset: number): number {
  return Number(body.readBigUInt64LE(offset))
}

function pathOf(node: bigint): string {
  const path = paths.get(node)
  if (path === undefined) throw new Refused(ENOENT)
  return path
}

function entryOf(path: string): Buffer {
  const stats = lstatSync(join(backing, path))
  let node = nodes.get(path)
  if (node === undefined) {
    node = ++lastNode
    nodes.set(path, node)
    paths.set(node, path)
  }
  return entryReply(node, stats)
}

/** The name is free again; the node keeps its path as long as somebody has the file open. */
function forget(path: string): void {
  nodes.delete(path)
}

function move(from: string, to: string, flags: number): void {
  if (renameat2(AT_FDCWD, join(backing, from), AT_FDCWD, join(backing, to), flags) !== 0) {
    throw new Refused(koffi.errno())
  }
  forget(to)
  for (const [path, node] of nodes) {
    if (path !== from && !path.startsWith(`${from}/`)) continue
    const moved = to + path.slice(from.length)
    nodes.delete(path)
    nodes.set(moved, node)
    paths.set(node, moved)
  }
}

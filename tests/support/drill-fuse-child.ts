/**
 * Shows the folder BACKING at the folder MOUNT, by FUSE, and fails or holds an operation that changes it.
 * usage: drill-fuse-child.ts BACKING MOUNT
 * Standard input: `plan AT FAULT`, `release go-on|not-done`. Standard output: `ready`, `planned`, `op NAME PATH…` for each
 * operation that counts, `held`, `released`. It ends when MOUNT is unmounted.
 */
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
  read,
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
import { createInterface } from 'node:readline'
import koffi from 'koffi'
import type { Opcode, Request } from './drill-fuse-wire.ts'
import {
  attributesReply,
  entryReply,
  folderReply,
  initReply,
  openReply,
  readRequest,
  reply,
  REQUEST_ROOM,
  statfsReply,
  texts,
  writeReply,
} from './drill-fuse-wire.ts'

const [backing = '', mountPoint = ''] = process.argv.slice(2)

const libc = koffi.load('libc.so.6')
const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)',
)
const renameat2 = libc.func(
  'int renameat2(int oldFolder, const char *oldPath, int newFolder, const char *newPath, unsigned int flags)',
)
const AT_FDCWD = -100
const ENOENT = 2
const EIO = 5
const ENOSPC = 28
const EROFS = 30
const ENOSYS = 38

/** What changes something, or promises that a change will last. */
const COUNTED: ReadonlySet<Opcode> = new Set<Opcode>([
  'create',
  'fsync',
  'fsyncdir',
  'link',
  'mkdir',
  'rename',
  'rename2',
  'rmdir',
  'setattr',
  'symlink',
  'unlink',
  'write',
])

/** A node is a path within BACKING; `''` is the folder itself. */
/** Node 0 is the file system as a whole: what begins and ends it. */
const paths = new Map<bigint, string>([
  [0n, ''],
  [1n, ''],
])
const nodes = new Map<string, bigint>([['', 1n]])
let lastNode = 1n

let count = 0
let plan: { readonly at: number; readonly fault: string } = { at: 0, fault: '' }
let held: { readonly perform: () => void; readonly drop: () => void } | undefined

/** Milliseconds. Who waits for the disk cannot even be killed: a drill that failed must not leave it waiting for ever. */
const LONGEST_HOLD = 20_000
let patience: NodeJS.Timeout | undefined

const fuse = openSync('/dev/fuse', 'r+')
const options = `fd=${fuse},rootmode=40000,user_id=0,group_id=0,default_permissions`
// MS_NOSUID | MS_NODEV
if (mount('admit-drill', mountPoint, 'fuse', 6, options) !== 0) {
  throw new Error(`mount: errno ${koffi.errno()}`)
}
next()
tell('ready')
createInterface({ input: process.stdin }).on('line', obey)

function tell(line: string): void {
  writeSync(1, `${line}\n`)
}

function obey(line: string): void {
  const [command, one = '', ...rest] = line.split(' ')
  if (command === 'plan') {
    count = 0
    plan = { at: Number(one), fault: rest.join(' ') }
    tell('planned')
    return
  }
  release(one === 'go-on')
}

function release(goOn: boolean): void {
  clearTimeout(patience)
  const waiting = held
  held = undefined
  if (goOn) waiting?.perform()
  else waiting?.drop()
  tell('released')
}

function next(): void {
  const room = Buffer.alloc(REQUEST_ROOM)
  read(fuse, room, 0, room.length, null, (error, length) => {
    // ENODEV: unmounted. ENOENT and EINTR: the question was taken back.
    if (error !== null && (error.code === 'ENODEV' || error.code === 'EBADF')) process.exit(0)
    if (error === null) take(readRequest(room.subarray(0, length)))
    next()
  })
}

function take(request: Request): void {
  const { opcode, unique } = request
  if (opcode === 'forget' || opcode === 'batch-forget' || opcode === 'interrupt') return
  const answer = (error: number, body?: Buffer): void => {
    try {
      writeSync(fuse, reply(unique, error, body))
    } catch {
      // Nobody waits for it any more.
    }
  }
  const perform = (): void => {
    try {
      answer(0, serve(request))
    } catch (error) {
      answer(errnoOf(error))
    }
  }
  const drop = (): void => answer(EIO)
  if (opcode === undefined || !COUNTED.has(opcode)) return perform()
  count += 1
  tell(`op ${opcode.replace('2', '')} ${operands(request).join(' ')}`)
  const { at, fault } = plan
  const due = fault.endsWith('from then on') ? at > 0 && count >= at : count === at
  if (!due) return perform()
  if (fault === 'hold before') held = { perform, drop }
  else if (fault === 'hold after') {
    const outcome = attempt(request)
    const settle = (): void => answer(...outcome)
    held = { perform: settle, drop: settle }
  } else return answer(fault.startsWith('EIO') ? EIO : fault.startsWith('ENOSPC') ? ENOSPC : EROFS)
  tell('held')
  patience = setTimeout(() => release(false), LONGEST_HOLD)
}

function attempt(request: Request): [number, Buffer | undefined] {
  try {
    return [0, serve(request)]
  } catch (error) {
    return [errnoOf(error), undefined]
  }
}

function errnoOf(error: unknown): number {
  if (error instanceof Refused) return error.errno
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : -EIO
  return Math.abs(errno)
}

class Refused extends Error {
  readonly errno: number
  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

/** The paths that an operation is about, for the record. */
function operands({ opcode, node, body }: Request): readonly string[] {
  const path = pathOf(node)
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
      return [join(path, from), join(pathOf(body.readBigUInt64LE(0)), to)]
    }
    default:
      return [path === '' ? '.' : path]
  }
}

function serve(request: Request): Buffer | undefined {
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

import type { Stats } from 'node:fs'

// The layout of include/uapi/linux/fuse.h, version 7.31, as far as a folder of files needs it.

export const OPCODES = {
  1: 'lookup',
  2: 'forget',
  3: 'getattr',
  4: 'setattr',
  5: 'readlink',
  6: 'symlink',
  9: 'mkdir',
  10: 'unlink',
  11: 'rmdir',
  12: 'rename',
  13: 'link',
  14: 'open',
  15: 'read',
  16: 'write',
  17: 'statfs',
  18: 'release',
  20: 'fsync',
  25: 'flush',
  26: 'init',
  27: 'opendir',
  28: 'readdir',
  29: 'releasedir',
  30: 'fsyncdir',
  35: 'create',
  36: 'interrupt',
  38: 'destroy',
  42: 'batch-forget',
  45: 'rename2',
} as const

export type Opcode = (typeof OPCODES)[keyof typeof OPCODES]

/** Bytes that one write may carry; what is read from /dev/fuse must have room for it and its header. */
export const MOST_WRITE = 128 * 1024
export const REQUEST_ROOM = MOST_WRITE + 4096

export interface Request {
  readonly opcode: Opcode | undefined
  readonly unique: bigint
  readonly node: bigint
  /** What follows the header. */
  readonly body: Buffer
}

export function readRequest(bytes: Buffer): Request {
  const number = bytes.readUInt32LE(4)
  return {
    opcode: number in OPCODES ? OPCODES[number as keyof typeof OPCODES] : undefined,
    unique: bytes.readBigUInt64LE(8),
    node: bytes.readBigUInt64LE(16),
    body: Buffer.from(bytes.subarray(40, bytes.readUInt32LE(0))),
  }
}

/** `error` is a positive errno, or 0. */
export function reply(unique: bigint, error: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + body.length, 0)
  header.writeInt32LE(-error, 4)
  header.writeBigUInt64LE(unique, 8)
  return Buffer.concat([header, body])
}

/** Texts that end with a NUL, from this offset on. */
export function texts(body: Buffer, offset: number): readonly string[] {
  return body.subarray(offset).toString('utf8').split('\0').slice(0, -1)
}

export function initReply(): Buffer {
  const body = Buffer.alloc(64)
  body.writeUInt32LE(7, 0)
  body.writeUInt32LE(31, 4)
  // FUSE_BIG_WRITES: one write(2) is one request.
  body.writeUInt32LE(1 << 5, 12)
  body.writeUInt16LE(16, 16)
  body.writeUInt16LE(12, 18)
  body.writeUInt32LE(MOST_WRITE, 20)
  body.writeUInt32LE(1, 24)
  return body
}

function attributes(node: bigint, stats: Stats): Buffer {
  const body = Buffer.alloc(88)
  body.writeBigUInt64LE(node, 0)
  body.writeBigUInt64LE(BigInt(stats.size), 8)
  body.writeBigUInt64LE(BigInt(stats.blocks), 16)
  for (const [index, time] of [stats.atimeMs, stats.mtimeMs, stats.ctimeMs].entries()) {
    body.writeBigUInt64LE(BigInt(Math.floor(time / 1000)), 24 + 8 * index)
    body.writeUInt32LE(Math.floor((time % 1000) * 1e6), 48 + 4 * index)
  }
  const words = [stats.mode, stats.nlink, stats.uid, stats.gid, 0, 4096]
  for (const [index, word] of words.entries()) body.writeUInt32LE(word, 60 + 4 * index)
  return body
}

/** Good for no time at all, so that everything is asked anew. */
export function attributesReply(node: bigint, stats: Stats): Buffer {
  return Buffer.concat([Buffer.alloc(16), attributes(node, stats)])
}

export function entryReply(node: bigint, stats: Stats): Buffer {
  const head = Buffer.alloc(40)
  head.writeBigUInt64LE(node, 0)
  return Buffer.concat([head, attributes(node, stats)])
}

export function openReply(handle: number): Buffer {
  const body = Buffer.alloc(16)
  body.writeBigUInt64LE(BigInt(handle), 0)
  return body
}

export function writeReply(size: number): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt32LE(size, 0)
  return body
}

export function statfsReply(): Buffer {
  const body = Buffer.alloc(80)
  for (let index = 0; index < 5; index++) body.writeBigUInt64LE(1_000_000n, 8 * index)
  for (const [index, word] of [4096, 255, 4096].entries()) body.writeUInt32LE(word, 40 + 4 * index)
  return body
}

/** The entries of a folder from the `offset`th on, as many as fit. */
export function folderReply(names: readonly string[], offset: number, room: number): Buffer {
  const entries: Buffer[] = []
  let size = 0
  for (const [index, name] of names.entries()) {
    if (index < offset) continue
    const text = Buffer.from(name)
    const entry = Buffer.alloc(24 + Math.ceil(text.length / 8) * 8)
    // An inode number that nobody believes, and the kind of file unknown: whoever wants it asks.
    entry.writeBigUInt64LE(0xffffffffn, 0)
    entry.writeBigUInt64LE(BigInt(index + 1), 8)
    entry.writeUInt32LE(text.length, 16)
    text.copy(entry, 24)
    if (size + entry.length > room) break
    size += entry.length
    entries.push(entry)
  }
  return Buffer.concat(entries)
}

/**
 * Shows the folder BACKING at the folder MOUNT, by FUSE, and fails or holds an operation that changes it.
 * usage: drill-fuse-child.ts BACKING MOUNT
 * Standard input: `plan AT FAULT`, `release go-on|not-done`. Standard output: `ready`, `planned`, `op NAME PATH…` for each
 * operation that counts, `held`, `released`. It ends when MOUNT is unmounted.
 */
import { openSync, read, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import koffi from 'koffi'
import { operands, serve, showFolder } from './drill-fuse-folder.ts'
import type { Opcode, Request } from './drill-fuse-wire.ts'
import { readRequest, reply, REQUEST_ROOM } from './drill-fuse-wire.ts'

const [backing = '', mountPoint = ''] = process.argv.slice(2)

const mount = koffi
  .load('libc.so.6')
  .func(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)',
  )
const EIO = 5
const ERRORS: Readonly<Record<string, number>> = { EIO, ENOSPC: 28, EROFS: 30 }

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

let count = 0
let plan: { readonly at: number; readonly fault: string } = { at: 0, fault: '' }
let held: { readonly perform: () => void; readonly drop: () => void } | undefined

/** Milliseconds. Who waits for the disk cannot even be killed: a drill that failed must not leave it waiting for ever. */
const LONGEST_HOLD = 20_000
let patience: NodeJS.Timeout | undefined

showFolder(backing)
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
  const answer = (error: number, body: Buffer | undefined): void => {
    try {
      writeSync(fuse, reply(unique, error, body))
    } catch {
      // Nobody waits for it any more.
    }
  }
  const perform = (): void => answer(...serve(request))
  const drop = (): void => answer(EIO, undefined)
  if (opcode === undefined || !COUNTED.has(opcode)) return perform()
  count += 1
  tell(`op ${opcode.replace('2', '')} ${operands(request).join(' ')}`)
  const { at, fault } = plan
  const due = fault.endsWith('from then on') ? at > 0 && count >= at : count === at
  if (!due) return perform()
  if (fault === 'hold before') held = { perform, drop }
  else if (fault === 'hold after') {
    const outcome = serve(request)
    const settle = (): void => answer(...outcome)
    held = { perform: settle, drop: settle }
  } else return answer(ERRORS[fault.split(' ')[0] ?? ''] ?? EIO, undefined)
  tell('held')
  patience = setTimeout(() => release(false), LONGEST_HOLD)
}

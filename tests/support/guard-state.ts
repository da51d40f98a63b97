import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Moment, TransactionKind } from '../../src/apply/journal.ts'
import type { RecordFile, RecordLine } from '../../src/apply/record.ts'
import { parseRecord, renderRecord } from '../../src/apply/record.ts'
import { expectOk } from './expect-ok.ts'

/** The script under test. */
export const GUARD = new URL('../../packaging/admit-guard', import.meta.url).pathname

/** nft text that removes admit's table, whether or not it is there. */
export const NO_TABLE = 'table inet admit {}\ndelete table inet admit\n'

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A body of rules in the form of rules.nft. */
export function storedText(body: string): string {
  return `# admit rules, version 1, sha256 ${sha256(body)}, ${Buffer.byteLength(body)} bytes\n${body}`
}

/** Ends in a line feed, as all stored bodies do; what it does is known by its mark. */
export function tableText(mark: string): string {
  return `table inet admit {\n\tchain ${mark} {\n\t\tcomment "${mark}"\n\t}\n}\n`
}

export interface GuardAnswer {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the guard to its end; `script` and `shell` stand in for the guard's own. */
export function guard(
  args: readonly string[],
  { shell = ['/bin/sh'], script = GUARD }: { shell?: readonly [string, ...string[]]; script?: string } = {},
): GuardAnswer {
  const [program, ...before] = shell
  const { status, stdout, stderr } = spawnSync(program, [...before, script, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: status, stdout, stderr }
}

/** The digest of admit's table in the kernel. */
export function digest(): string {
  const { code, stdout, stderr } = guard(['digest'])
  if (code !== 0 || !/^[0-9a-f]{64}\n$/.test(stdout)) throw new Error(`digest: ${code} ${stdout}${stderr}`)
  return stdout.trim()
}

/** /proc/uptime and the clock on the wall, in seconds. */
export function moment(): Moment {
  return { uptime: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]), wall: Date.now() / 1000 }
}

/** Field 22 of /proc/PID/stat. */
export function startTime(pid: number): string {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const start = fields[19]
  if (start === undefined) throw new Error(`process ${pid} tells no start`)
  return start
}

/** A transaction as admit writes it down; whatever is left out is that of a healthy one, begun here and now by this process. */
export interface GuardTransaction {
  readonly id?: string
  readonly kind?: TransactionKind
  readonly by?: string
  readonly from?: string
  readonly boot?: string
  readonly netns?: string
  readonly applier?: { readonly pid: number; readonly start: string }
  /** Seconds. */
  readonly window?: number
  readonly keeps?: boolean
  /** nft text that brings the previous state back; by default no table. */
  readonly previous?: string
  /** A body of rules, as are `rescue`; undefined for none. */
  readonly candidate?: string | undefined
  readonly rescue?: string | undefined
  readonly policy?: string | undefined
  /** The digest that the undo must lead to. */
  readonly listing: string
  readonly connections?: readonly string[]
}

export const ID = '20261124T115201-3f9a2c'

/** The folder of a transaction that a confirmation has claimed; after the point stands the claim's name. */
export const CLAIMED = 'confirming.5d1c0ffee5ed'

/** Writes the folder `place` of a state folder; other files of it can be changed afterwards. */
export function writeTransaction(
  state: string,
  place: 'pending' | typeof CLAIMED | 'undoing',
  transaction: GuardTransaction,
): void {
  const folder = `${state}/${place}`
  const files = filesOf(transaction)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) writeFileSync(`${folder}/${name}`, text, { mode: 0o600 })
  }
  writeRecord(`${folder}/journal`, { what: 'journal', lines: journalLines(transaction, files) })
}

interface TransactionFiles {
  readonly 'previous.nft': string
  readonly 'candidate.nft': string | undefined
  readonly 'rescue.nft': string | undefined
  readonly 'policy.yaml': string | undefined
}

function filesOf({ previous = NO_TABLE, candidate, rescue, policy }: GuardTransaction): TransactionFiles {
  const stored = (body: string | undefined): string | undefined =>
    body === undefined ? undefined : storedText(body)
  return {
    'previous.nft': previous,
    'candidate.nft': stored(candidate),
    'rescue.nft': stored(rescue),
    'policy.yaml': policy,
  }
}

function journalLines(transaction: GuardTransaction, files: TransactionFiles): readonly RecordLine[] {
  const { uptime, wall } = moment()
  const applier = transaction.applier ?? { pid: process.pid, start: startTime(process.pid) }
  const hash = (text: string | undefined): string => (text === undefined ? 'none' : sha256(text))
  return [
    ['id', transaction.id ?? ID],
    ['kind', transaction.kind ?? 'apply'],
    ['by', transaction.by ?? 'root (alice)'],
    ['from', transaction.from ?? '203.0.113.7 port 50122'],
    ['uptime', uptime.toFixed(2)],
    ['wall', wall.toFixed(2)],
    ['boot', transaction.boot ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()],
    ['netns', transaction.netns ?? readlinkSync('/proc/self/ns/net').replace(/^net:\[|\]$/g, '')],
    ['applier', `${applier.pid} ${applier.start}`],
    ['window', String(transaction.window ?? 60)],
    ['token', sha256('a token')],
    ['keeps', (transaction.keeps ?? true) ? 'yes' : 'no'],
    ['previous', hash(files['previous.nft'])],
    ['candidate', hash(files['candidate.nft'])],
    ['rescue', hash(files['rescue.nft'])],
    ['policy', hash(files['policy.yaml'])],
    ['listing', transaction.listing],
    ...(transaction.connections ?? []).map((line): RecordLine => ['connection', line]),
  ]
}

/** Opens the window of the pending transaction: its deadline is `seconds` from now; `wall` is what the clocks say. */
export function openWindow(state: string, seconds: number, wall = moment().wall): void {
  const { uptime } = moment()
  writeRecord(`${state}/pending/window`, {
    what: 'window',
    lines: [
      ['opened-uptime', uptime.toFixed(2)],
      ['opened-wall', wall.toFixed(2)],
      ['deadline-uptime', (uptime + seconds).toFixed(2)],
      ['deadline-wall', (wall + seconds).toFixed(2)],
    ],
  })
}

/** Claims the pending transaction as a confirmation does. */
export function claim(state: string, how = 'connection'): void {
  writeProof(state, CLAIMED.replace('confirming.', ''), 'root (bob)', how)
  renameSync(`${state}/pending`, `${state}/${CLAIMED}`)
}

/** What a confirmation writes before it claims: whose proof it is does not count until then. */
export function writeProof(state: string, name: string, by: string, how = 'connection'): void {
  const { uptime, wall } = moment()
  writeRecord(`${state}/pending/proof.${name}`, {
    what: 'proof',
    lines: [
      ['by', by],
      ['from', '203.0.113.8 port 50200'],
      ['how', how],
      ['uptime', uptime.toFixed(2)],
      ['wall', wall.toFixed(2)],
    ],
  })
}

/** Whole or not at all, as admit writes it. */
export function writeRecord(path: string, record: RecordFile): void {
  writeFileSync(`${path}.new`, renderRecord(record, sha256), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** A record's first values by key; one that is not whole fails the test. */
export function readRecord(path: string, what: string): Readonly<Record<string, string>> {
  const record = expectOk(parseRecord(readFileSync(path, 'utf8'), what, path, sha256), path)
  return Object.fromEntries(record.lines.toReversed())
}

/** Starts the watchdog in a session of its own and waits until it is ready. */
export async function startWatch(state: string, id = ID, script = GUARD): Promise<ChildProcess> {
  const child = spawn('/bin/sh', [script, 'watch', state, id], { detached: true, stdio: 'ignore' })
  const ready = `${state}/pending/ready`
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the watchdog ended with ${child.exitCode}`)
    return existsSync(ready) && readFileSync(ready, 'utf8').startsWith(`${child.pid} `)
  })
  return child
}

/** Waits for what must come within some seconds. */
export async function until(come: () => boolean, seconds = 20): Promise<void> {
  const late = Date.now() + seconds * 1000
  while (!come()) {
    if (Date.now() > late) throw new Error(`waited ${seconds} s for ${come.toString()}`)
    await sleep(10)
  }
}

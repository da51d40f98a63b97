import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type {
  JournalEntry,
  LastResort,
  Moment,
  Outcome,
  Proof,
  RestorePoint,
  TransactionKind,
  Window,
} from './journal.ts'
import type { RecordFile, RecordLine } from './record.ts'
import { valueOf, valuesOf } from './record.ts'

/** What the journal says besides the entry: where it holds, whose it is, and the SHA-256 of the files beside it. */
export interface JournalSeal {
  readonly boot: string
  /** Inode of /proc/self/ns/net. */
  readonly netns: string
  readonly applier: { readonly pid: number; readonly start: string }
  readonly previous: string
  readonly candidate: string | undefined
  readonly rescue: string | undefined
  readonly policy: string | undefined
  /** What `admit-guard digest` said of the kernel's table before the change. */
  readonly listing: string
}

/** The journal's record: keys in the order of docs/decisions/007. */
export function journalRecord(entry: JournalEntry, seal: JournalSeal): RecordFile {
  return {
    what: 'journal',
    lines: [
      ['id', entry.id],
      ['kind', entry.kind],
      ['by', entry.by],
      ['from', entry.from],
      ...momentLines(entry.started),
      ['boot', seal.boot],
      ['netns', seal.netns],
      ['applier', `${seal.applier.pid} ${seal.applier.start}`],
      ['window', String(entry.window)],
      ['token', entry.tokenHash],
      ['keeps', entry.keeps ? 'yes' : 'no'],
      ['previous', seal.previous],
      ['candidate', seal.candidate ?? 'none'],
      ['rescue', seal.rescue ?? 'none'],
      ['policy', seal.policy ?? 'none'],
      ['listing', seal.listing],
      ...(entry.forced === undefined ? [] : [['forced', entry.forced] as const]),
      ...entry.unguarded.map((name): RecordLine => ['unguarded', name]),
      ...entry.connections.map((line): RecordLine => ['connection', line]),
    ],
  }
}

/** Reads `journalRecord` back; the error is what is wrong with it. */
export function readJournal(
  record: RecordFile,
): Result<{ readonly entry: JournalEntry; readonly seal: JournalSeal }, string> {
  const read = reader(record)
  const forced = valueOf(record, 'forced')
  const [pid = '', start = ''] = read.text('applier').split(' ')
  const entry: JournalEntry = {
    id: read.text('id'),
    kind: read.oneOf('kind', KINDS),
    by: read.text('by'),
    from: read.text('from'),
    started: { uptime: read.number('uptime'), wall: read.number('wall') },
    window: read.number('window'),
    tokenHash: read.text('token'),
    keeps: read.text('keeps') === 'yes',
    ...(forced === undefined ? {} : { forced }),
    unguarded: valuesOf(record, 'unguarded'),
    connections: valuesOf(record, 'connection'),
  }
  const seal: JournalSeal = {
    boot: read.text('boot'),
    netns: read.text('netns'),
    applier: { pid: Number(pid), start },
    previous: read.text('previous'),
    candidate: read.optional('candidate'),
    rescue: read.optional('rescue'),
    policy: read.optional('policy'),
    listing: read.text('listing'),
  }
  return read.problem() === undefined ? ok({ entry, seal }) : fail(read.problem() ?? '')
}

const KINDS: readonly TransactionKind[] = ['apply', 'start', 'reload', 'stop', 'flush', 'rollback']
const HOW: readonly Proof['how'][] = ['connection', 'token', 'console', 'unproven']
const RESULTS: readonly Outcome['result'][] = ['confirmed', 'undone', 'rescued', 'failed']
const LAST_RESORTS: readonly LastResort[] = ['admins-only', 'confirmed']

export function windowRecord(window: Window): RecordFile {
  return {
    what: 'window',
    lines: [
      ['opened-uptime', seconds(window.opened.uptime)],
      ['opened-wall', seconds(window.opened.wall)],
      ['deadline-uptime', seconds(window.deadline.uptime)],
      ['deadline-wall', seconds(window.deadline.wall)],
      ...window.connections.map((line): RecordLine => ['connection', line]),
    ],
  }
}

export function readWindow(record: RecordFile): Result<Window, string> {
  const read = reader(record)
  const window: Window = {
    opened: { uptime: read.number('opened-uptime'), wall: read.number('opened-wall') },
    deadline: { uptime: read.number('deadline-uptime'), wall: read.number('deadline-wall') },
    connections: valuesOf(record, 'connection'),
  }
  return read.problem() === undefined ? ok(window) : fail(read.problem() ?? '')
}

export function proofRecord(proof: Proof): RecordFile {
  return {
    what: 'proof',
    lines: [['by', proof.by], ['from', proof.from], ['how', proof.how], ...momentLines(proof.at)],
  }
}

export function readOutcome(record: RecordFile): Result<Outcome, string> {
  const read = reader(record)
  const lastResort = valueOf(record, 'last-resort')
  const outcome: Outcome = {
    id: read.text('id'),
    kind: read.oneOf('kind', [...KINDS, 'unknown'] as const),
    result: read.oneOf('result', RESULTS),
    why: read.text('why'),
    by: read.text('by'),
    at: read.number('wall'),
    ...(lastResort === undefined ? {} : { lastResort: read.oneOf('last-resort', LAST_RESORTS) }),
  }
  return read.problem() === undefined ? ok(outcome) : fail(read.problem() ?? '')
}

/** A restore point's record; its number and name come from the folder. */
export function readPoint(record: RecordFile): Result<Omit<RestorePoint, 'number' | 'name'>, string> {
  const read = reader(record)
  const how = valueOf(record, 'how')
  const point = {
    kind: read.oneOf('kind', KINDS),
    by: read.text('by'),
    from: read.text('from'),
    at: read.number('wall'),
    // Where the power went between the claim and the completion, nothing is known of it.
    how: how === undefined || how === 'unknown' ? 'unproven' : read.oneOf('how', HOW),
    confirmedBy: valueOf(record, 'confirmed-by') ?? 'unknown',
    confirmedFrom: valueOf(record, 'confirmed-from') ?? 'unknown',
  }
  return read.problem() === undefined ? ok(point) : fail(read.problem() ?? '')
}

function momentLines(moment: Moment): readonly RecordLine[] {
  return [
    ['uptime', seconds(moment.uptime)],
    ['wall', seconds(moment.wall)],
  ]
}

/** Two digits after the point, as /proc/uptime writes them: the guard compares them without a library. */
function seconds(value: number): string {
  return value.toFixed(2)
}

/** Seconds since 1970: the last moment that can be written as a date (ECMAScript). */
const LATEST = 8.64e12

interface RecordReader {
  text(key: string): string
  number(key: string): number
  optional(key: string): string | undefined
  oneOf<Word extends string>(key: string, words: readonly Word[]): Word
  /** The first thing that was wrong. */
  problem(): string | undefined
}

function reader(record: RecordFile): RecordReader {
  let problem: string | undefined
  const text = (key: string): string => {
    const value = valueOf(record, key)
    if (value === undefined || value === '') problem ??= `it does not say \`${key}\``
    return value ?? ''
  }
  return {
    text,
    number: (key) => {
      const value = text(key)
      if (!/^\d{1,15}(\.\d{1,9})?$/.test(value) || Number(value) > LATEST) {
        problem ??= `\`${key}\` is no number of seconds`
      }
      return Number(value)
    },
    optional: (key) => {
      const value = text(key)
      return value === 'none' ? undefined : value
    },
    oneOf: (key, words) => {
      const value = text(key)
      const known = words.find((word) => word === value)
      if (known === undefined) problem ??= `\`${key}\` is none of ${words.join(', ')}`
      return known ?? (words[0] as (typeof words)[number])
    },
    problem: () => problem,
  }
}

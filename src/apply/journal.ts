import type { Result } from '../base/result.ts'
import type { Table } from '../ruleset/ruleset.ts'

/** What a transaction is about: the command that began it. */
export type TransactionKind = 'apply' | 'start' | 'reload' | 'stop' | 'flush' | 'rollback'

/** Seconds, whatever the clock on the wall does: since boot (/proc/uptime), and since 1970. */
export interface Moment {
  readonly uptime: number
  readonly wall: number
}

/** What is written down before the kernel is touched: all that is needed to go back, or to go on. */
export interface JournalEntry {
  /** Of its own, such as `20261124T115201-3f9a2c`. */
  readonly id: string
  readonly kind: TransactionKind
  /** Who began it, such as `root (alice)`. */
  readonly by: string
  /** Where they sit: `203.0.113.7 port 50122`, or `a console`. */
  readonly from: string
  readonly started: Moment
  /** Seconds that a confirmation may take, from the read-back. */
  readonly window: number
  /** SHA-256 of the token in hex; the token itself is shown once and kept nowhere. */
  readonly tokenHash: string
  /** Interfaces whose arriving packets the candidate does not judge: a connection over them proves nothing. */
  readonly unguarded: readonly string[]
  /** What `--force` overrode, in its words; undefined where nothing was. */
  readonly forced?: string
  /** Does a confirmation make this a restore point and what boots? `apply` and `rollback` do. */
  readonly keeps: boolean
  /** TCP connections that exist, as `LOCAL REMOTE` with ports: none of them proves anything. */
  readonly connections: readonly string[]
}

/** The tables and texts that go with an entry. */
export interface JournalFiles {
  /** admit's table as the kernel holds it now; undefined where there is none. */
  readonly previous: Table | undefined
  /** What is to be there; undefined for `stop` and `flush`. */
  readonly candidate: Table | undefined
  /** The last resort: rules that let admins reach SSH and nobody else anywhere. */
  readonly rescue: Table | undefined
  /** The policy's text where the candidate comes from one. */
  readonly policy: string | undefined
}

/** When the window opened and ends, and the connections that existed then. */
export interface Window {
  readonly opened: Moment
  readonly deadline: Moment
  readonly connections: readonly string[]
}

/** How a confirmation was proven, for the record. */
export interface Proof {
  readonly by: string
  readonly from: string
  readonly how: 'connection' | 'token' | 'console' | 'unproven'
  readonly at: Moment
}

/** What is in the state folder besides what is confirmed. */
export type JournalState =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'pending'
      readonly entry: JournalEntry
      /** Absent until the rules were read back. */
      readonly window?: Window
      /** Of this boot and this network namespace? Of another one, nothing in it is obeyed here. */
      readonly here: 'here' | 'another-boot' | 'another-namespace'
      readonly watchdog: 'alive' | 'gone'
      /** The process that began it. */
      readonly applier: 'alive' | 'gone'
    }
  /** Claimed by a confirmation that was cut off: to be completed. */
  | { readonly kind: 'confirming'; readonly entry: JournalEntry }
  /** Claimed by an undo that was cut off, or failed: to be done again. */
  | { readonly kind: 'undoing'; readonly entry: JournalEntry }
  /** Cut short, changed or another's: told, never obeyed. */
  | { readonly kind: 'damaged'; readonly folder: string; readonly message: string }

/** Why a transaction was undone. */
export type UndoReason = 'deadline' | 'asked' | 'mismatch' | 'applier-gone' | 'stale' | 'reboot'

/** How an undo ended. */
export type UndoOutcome =
  /** The previous rules are back. */
  | 'undone'
  /** So they are, but the disk kept the journal: the change counts as in flight still, and the next undo clears it. */
  | 'uncleared'
  /** They did not come back: the last resort is in force. */
  | 'rescued'
  /** Nothing could be loaded at all. It stays claimed, and the next undo tries again. */
  | 'failed'
  /** There was nothing to undo. */
  | 'nothing'

/** What an undo loads where the previous rules do not come back. */
export type LastResort = 'admins-only' | 'confirmed'

/** How the last transaction ended. */
export interface Outcome {
  readonly id: string
  /** `unknown` where its journal was damaged, and so are id and by. */
  readonly kind: TransactionKind | 'unknown'
  readonly result: 'confirmed' | 'undone' | 'rescued' | 'failed'
  readonly why: string
  readonly by: string
  /** Seconds since 1970. */
  readonly at: number
  /** With `rescued`: what is in force. */
  readonly lastResort?: LastResort
}

export interface JournalError {
  readonly kind: /** Somebody else's transaction is pending. */
    | 'taken'
    /** An undo failed, and failed again: the kernel does not hold what it should. */
    | 'not-undone'
    | 'not-permitted'
    | 'not-private'
    | 'symlink'
    | 'damaged'
    | 'missing'
    | 'failed'
  /** One sentence for the user, with the path. */
  readonly message: string
}

/** A confirmed state that can be gone back to. */
export interface RestorePoint {
  readonly number: number
  readonly name?: string
  readonly kind: TransactionKind
  readonly by: string
  readonly from: string
  /** Seconds since 1970. */
  readonly at: number
  readonly how: Proof['how']
  readonly confirmedBy: string
  readonly confirmedFrom: string
}

/** What a restore point holds. */
export interface RestorePointFiles {
  readonly rules: Table
  readonly rescue: Table | undefined
  readonly policy: string | undefined
}

/**
 * The transaction on disk, in the state folder. One contract suite holds the real one (files and the guard script) and
 * the one in memory. Confirm and undo race by one rename: whoever renames `pending`, decides.
 */
export interface Journal {
  moment(): Promise<Moment>
  state(): Promise<Result<JournalState, JournalError>>
  /** Would the text that undoes the change load? Changes nothing. */
  checkUndo(previous: Table | undefined): Promise<Result<void, JournalError>>
  /** Writes all of it down beside the pending place, durably. Nothing obeys it yet. */
  write(entry: JournalEntry, files: JournalFiles): Promise<Result<void, JournalError>>
  /** Makes it the pending one; `taken` where there is one. */
  publish(id: string): Promise<Result<void, JournalError>>
  /** Starts the watchdog and waits until it reports ready. */
  arm(id: string): Promise<Result<void, JournalError>>
  /** Takes a journal back whose change never happened. */
  withdraw(id: string): Promise<Result<void, JournalError>>
  /** Begins the window; `missing` where the transaction was taken away meanwhile. */
  open(id: string, window: Window): Promise<Result<void, JournalError>>
  /** Claims the pending transaction for a confirmation: exactly one claim or undo wins, and the winner's proof is recorded. */
  claim(id: string, proof: Proof): Promise<Result<'claimed' | 'lost', JournalError>>
  /** Makes what is claimed the confirmed state: boot files, restore point, outcome. Can be done again. */
  complete(): Promise<Result<void, JournalError>>
  /** Goes back to the previous rules now. */
  undo(why: UndoReason): Promise<Result<UndoOutcome, JournalError>>
  /** The rules of the pending transaction; undefined for one that removes them. */
  candidate(): Promise<Result<Table | undefined, JournalError>>
  outcome(): Promise<Result<Outcome | undefined, JournalError>>
  /** The confirmed rules: what `start` and the boot load. */
  confirmed(): Promise<Result<RestorePointFiles | undefined, JournalError>>
  /** Oldest first. */
  points(): Promise<Result<readonly RestorePoint[], JournalError>>
  point(number: number): Promise<Result<RestorePointFiles, JournalError>>
  name(number: number, name: string): Promise<Result<void, JournalError>>
}

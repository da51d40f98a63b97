import { createHash } from 'node:crypto'
import type {
  Journal,
  JournalEntry,
  JournalError,
  JournalFiles,
  JournalState,
  LastResort,
  Outcome,
  Proof,
  RestorePoint,
  RestorePointFiles,
  UndoOutcome,
  Window,
} from '../../src/apply/journal.ts'
import { transactionFor } from '../../src/apply/transact.ts'
import { readStored, renderStored } from '../../src/backends/nftables/stored.ts'
import type { Result } from '../../src/base/result.ts'
import { fail, ok } from '../../src/base/result.ts'
import { ADMIT_TABLE } from '../../src/compile/compile.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'

interface Transaction {
  readonly entry: JournalEntry
  readonly files: JournalFiles
  window?: Window
  proof?: Proof
  here: 'here' | 'another-boot'
}

/** A state folder in memory, and the watchdog that goes with it. `journal-contract.ts` holds it to the real one. */
export class FakeJournal implements Journal {
  #kernel: () => Kernel
  #now: () => number
  #files: Map<string, string>
  #folder: string
  #preparing = new Map<string, Transaction>()
  #pending: Transaction | undefined
  #undoing: Transaction | undefined
  #confirming: Transaction | undefined
  #outcome: Outcome | undefined
  #confirmed: Omit<RestorePointFiles, 'rules'> | undefined
  #points: (RestorePoint & { readonly id: string; readonly files: RestorePointFiles })[] = []
  #armed = false
  #applier = true
  /** Whether anything can be written. */
  writable = true
  /** Whether watchdogs start. */
  armable = true
  /** Whether what was confirmed can be made what boots. */
  completable = true
  /** Whether the journal of what was undone can be removed. */
  clearable = true
  /** Seconds that the clock since boot is ahead of the clock on the wall. */
  uptimeOffset = 0

  constructor(kernel: () => Kernel, now: () => number, files: Map<string, string>, folder: string) {
    this.#kernel = kernel
    this.#now = now
    this.#files = files
    this.#folder = folder
  }

  async moment(): ReturnType<Journal['moment']> {
    return { uptime: this.#now() - 1_000_000 + this.uptimeOffset, wall: this.#now() }
  }

  async state(): Promise<Result<JournalState, JournalError>> {
    if (this.#confirming !== undefined) return ok({ kind: 'confirming', entry: this.#confirming.entry })
    if (this.#undoing !== undefined) return ok({ kind: 'undoing', entry: this.#undoing.entry })
    if (this.#pending === undefined) return ok({ kind: 'idle' })
    const { entry, window, here } = this.#pending
    return ok({
      kind: 'pending',
      entry,
      ...(window === undefined ? {} : { window }),
      here,
      watchdog: this.#armed ? 'alive' : 'gone',
      applier: this.#applier ? 'alive' : 'gone',
    })
  }

  async checkUndo(): Promise<Result<void, JournalError>> {
    return ok(undefined)
  }

  async write(entry: JournalEntry, files: JournalFiles): Promise<Result<void, JournalError>> {
    if (!this.writable) return fail(NOT_WRITABLE)
    this.#preparing.set(entry.id, { entry, files, here: 'here' })
    this.#applier = true
    return ok(undefined)
  }

  async publish(id: string): Promise<Result<void, JournalError>> {
    const prepared = this.#preparing.get(id)
    if (prepared === undefined) return fail({ kind: 'missing', message: 'it is not there' })
    if ((this.#pending ?? this.#undoing ?? this.#confirming) !== undefined) {
      return fail({ kind: 'taken', message: 'another change is pending' })
    }
    this.#preparing.delete(id)
    this.#pending = prepared
    return ok(undefined)
  }

  async arm(): Promise<Result<void, JournalError>> {
    if (!this.armable) return fail({ kind: 'failed', message: 'the watchdog did not start' })
    this.#armed = true
    return ok(undefined)
  }

  async withdraw(id: string): Promise<Result<void, JournalError>> {
    this.#preparing.delete(id)
    if (this.#pending?.entry.id === id) this.#pending = undefined
    return ok(undefined)
  }

  async open(id: string, window: Window): Promise<Result<void, JournalError>> {
    if (this.#pending?.entry.id !== id) return fail({ kind: 'missing', message: 'it is not there' })
    if (!this.writable) return fail(NOT_WRITABLE)
    this.#pending.window = window
    return ok(undefined)
  }

  async claim(id: string, proof: Proof): Promise<Result<'claimed' | 'lost', JournalError>> {
    if (this.#pending?.entry.id !== id) return ok('lost')
    if (!this.writable) return fail(NOT_WRITABLE)
    this.#confirming = { ...this.#pending, proof }
    this.#pending = undefined
    return ok('claimed')
  }

  async complete(): Promise<Result<void, JournalError>> {
    const done = this.#confirming
    if (done === undefined) return ok(undefined)
    if (!this.writable || !this.completable) return fail(NOT_WRITABLE)
    const { entry, files, proof } = done
    if (entry.keeps && files.candidate !== undefined) {
      this.#files.set(this.#rulesPath(), renderStored(files.candidate, sha256))
      this.#confirmed = { rescue: files.rescue, policy: files.policy }
      this.#points.push({
        id: entry.id,
        number: (this.#points.at(-1)?.number ?? 0) + 1,
        kind: entry.kind,
        by: entry.by,
        from: entry.from,
        at: this.#now(),
        how: proof?.how ?? 'unproven',
        confirmedBy: proof?.by ?? 'unknown',
        confirmedFrom: proof?.from ?? 'unknown',
        files: { rules: files.candidate, rescue: files.rescue, policy: files.policy },
      })
      this.#prune()
    }
    this.#end(entry, 'confirmed', 'confirmed', proof?.by ?? entry.by)
    this.#confirming = undefined
    return ok(undefined)
  }

  async undo(why: string): Promise<Result<UndoOutcome, JournalError>> {
    const undone = this.#undoing ?? this.#pending
    if (undone === undefined) return ok('nothing')
    this.#pending = undefined
    this.#undoing = undone
    const { entry, files, here } = undone
    const restored = here === 'another-boot' || (await this.#load(files.previous))
    const lastResort = restored ? undefined : await this.#rescue(files.rescue)
    const result = restored ? 'undone' : lastResort === undefined ? 'failed' : 'rescued'
    this.#end(entry, result, here === 'another-boot' ? 'reboot' : why, entry.by, lastResort)
    if (result !== 'failed' && this.clearable) this.#undoing = undefined
    return ok(result === 'undone' && !this.clearable ? 'uncleared' : result)
  }

  /** The last resort that loads. */
  async #rescue(rescue: Table | undefined): Promise<LastResort | undefined> {
    const confirmed = await this.confirmed()
    const last = confirmed.ok ? confirmed.value : undefined
    for (const table of [rescue, last?.rescue]) {
      if (table !== undefined && (await this.#load(table))) return 'admins-only'
    }
    return last !== undefined && (await this.#load(last.rules)) ? 'confirmed' : undefined
  }

  async candidate(): Promise<Result<Table | undefined, JournalError>> {
    return ok(this.#pending?.files.candidate)
  }

  async outcome(): Promise<Result<Outcome | undefined, JournalError>> {
    return ok(this.#outcome)
  }

  async confirmed(): Promise<Result<RestorePointFiles | undefined, JournalError>> {
    const text = this.#files.get(this.#rulesPath())
    if (text === undefined) return ok(undefined)
    const rules = readStored(text, this.#rulesPath(), sha256)
    if (!rules.ok) return fail({ kind: 'damaged', message: rules.error.message })
    return ok({ rules: rules.value, rescue: this.#confirmed?.rescue, policy: this.#confirmed?.policy })
  }

  async points(): Promise<Result<readonly RestorePoint[], JournalError>> {
    return ok(this.#points.map(({ files, id, ...point }) => point))
  }

  async point(number: number): Promise<Result<RestorePointFiles, JournalError>> {
    const point = this.#points.find((one) => one.number === number)
    return point === undefined
      ? fail({ kind: 'missing', message: `there is no restore point ${number}` })
      : ok(point.files)
  }

  async name(number: number, name: string): Promise<Result<void, JournalError>> {
    if (!this.writable) return fail(NOT_WRITABLE)
    this.#points = this.#points.map((point) => (point.number === number ? { ...point, name } : point))
    return ok(undefined)
  }

  /** The watchdog looks at the clock. */
  async tick(): Promise<void> {
    if (!this.#armed || this.#pending === undefined) return
    const deadline = this.#pending.window?.deadline.uptime
    if (deadline === undefined) {
      if (!this.#applier) await this.undo('applier-gone')
    } else if ((await this.moment()).uptime >= deadline) {
      await this.undo('deadline')
    }
  }

  /** The process that began the change is killed. */
  killApplier(): void {
    this.#applier = false
  }

  /** The watchdog is killed. */
  killWatchdog(): void {
    this.#armed = false
  }

  /** The power goes, the host comes up again, and the boot script runs. The kernel must be emptied by whoever calls. */
  async reboot(): Promise<void> {
    this.#armed = false
    const undone = this.#undoing ?? this.#pending
    if (undone !== undefined) undone.here = 'another-boot'
    await this.complete()
    await this.undo('reboot')
    const confirmed = await this.confirmed()
    if (confirmed.ok && confirmed.value !== undefined) await this.#load(confirmed.value.rules)
  }

  async #load(table: Table | undefined): Promise<boolean> {
    const kernel = this.#kernel()
    const now = await kernel.observe(ADMIT_TABLE)
    if (!now.ok) return false
    return (await kernel.apply(transactionFor(now.value, table))).ok
  }

  #end(
    entry: JournalEntry,
    result: Outcome['result'],
    why: string,
    by: string,
    lastResort?: LastResort,
  ): void {
    const more = lastResort === undefined ? {} : { lastResort }
    this.#outcome = { id: entry.id, kind: entry.kind, result, why, by, at: this.#now(), ...more }
    this.#armed = false
  }

  #prune(): void {
    const unnamed = this.#points.filter((point) => point.name === undefined)
    const gone = new Set(unnamed.slice(0, Math.max(0, unnamed.length - 20)))
    this.#points = this.#points.filter((point) => !gone.has(point))
  }

  #rulesPath(): string {
    return `${this.#folder}/rules.nft`
  }
}

const NOT_WRITABLE: JournalError = { kind: 'not-permitted', message: 'the state folder cannot be written' }

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

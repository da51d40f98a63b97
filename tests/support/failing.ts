import type { Result } from '../../src/base/result.ts'
import { fail } from '../../src/base/result.ts'
import type { Journal, JournalError } from '../../src/apply/journal.ts'
import type { Kernel, KernelError } from '../../src/kernel/kernel.ts'

/** `before`: it says no and did nothing; `after`: it did it, and says no all the same. */
export type HowItFails = 'before' | 'after'

/** Counts the calls that change or tell something, and lets some of them fail. */
export interface Failures {
  /** Which, counted from 1. */
  readonly nth: readonly number[]
  readonly how: HowItFails
  /** How many calls there were. */
  calls: number
  /** The calls that failed. */
  readonly failed: string[]
}

export function failuresAt(nth: readonly number[], how: HowItFails): Failures {
  return { nth, how, calls: 0, failed: [] }
}

const JOURNAL_ERROR: JournalError = { kind: 'failed', message: 'the disk is full' }
const REFUSED: KernelError = { kind: 'rejected', message: 'nft said no' }
const LATE: KernelError = { kind: 'timed-out', message: 'nft did not answer in time' }

export function failingJournal(journal: Journal, failures: Failures): Journal {
  const may = <T>(name: string, call: () => Promise<Result<T, JournalError>>) =>
    attempt(failures, `journal.${name}`, call, JOURNAL_ERROR)
  return {
    moment: () => journal.moment(),
    state: () => journal.state(),
    checkUndo: (previous) => may('checkUndo', () => journal.checkUndo(previous)),
    write: (entry, files) => may('write', () => journal.write(entry, files)),
    publish: (id) => may('publish', () => journal.publish(id)),
    arm: (id) => may('arm', () => journal.arm(id)),
    withdraw: (id) => may('withdraw', () => journal.withdraw(id)),
    open: (id, window) => may('open', () => journal.open(id, window)),
    claim: (id, proof) => may('claim', () => journal.claim(id, proof)),
    complete: () => may('complete', () => journal.complete()),
    undo: (why) => may('undo', () => journal.undo(why)),
    candidate: () => journal.candidate(),
    outcome: () => journal.outcome(),
    confirmed: () => journal.confirmed(),
    points: () => journal.points(),
    point: (number) => journal.point(number),
    name: (number, name) => journal.name(number, name),
  }
}

/** What a kernel did before it says no can only be a time-out: else it promises that nothing was changed. */
export function failingKernel(kernel: Kernel, failures: Failures): Kernel {
  const error = failures.how === 'after' ? LATE : REFUSED
  const may = <T>(name: string, call: () => Promise<Result<T, KernelError>>) =>
    attempt(failures, `kernel.${name}`, call, error)
  return {
    capabilities: () => kernel.capabilities(),
    tables: () => kernel.tables(),
    observeAll: () => kernel.observeAll(),
    check: (transaction) => kernel.check(transaction),
    observe: (table) => may('observe', () => kernel.observe(table)),
    apply: (transaction) => may('apply', () => kernel.apply(transaction)),
  }
}

async function attempt<T, Failure>(
  failures: Failures,
  name: string,
  call: () => Promise<Result<T, Failure>>,
  error: Failure,
): Promise<Result<T, Failure>> {
  failures.calls++
  if (!failures.nth.includes(failures.calls)) return call()
  failures.failed.push(name)
  if (failures.how === 'after') await call()
  return fail(error)
}

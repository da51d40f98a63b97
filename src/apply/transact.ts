import type { Result } from '../base/result.ts'
import { ok } from '../base/result.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { diffTable } from '../ruleset/diff.ts'
import { sameTable } from '../ruleset/normalise.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { Stages } from '../ruleset/stages.ts'
import { stagesOf } from '../ruleset/stages.ts'
import type { Transaction } from '../ruleset/transaction.ts'
import type { Journal, JournalEntry, JournalError, JournalFiles, Proof } from './journal.ts'
import type { MachineState, Step, StepEvent, TransactionResult, Trouble } from './machine.ts'
import { advance, START, undoReason } from './machine.ts'

/** What a transaction acts on. */
export interface TransactionPorts {
  readonly kernel: Kernel
  readonly journal: Journal
  /** Every TCP connection there is, as the journal writes them. */
  readonly connections: () => Promise<Result<readonly string[], JournalError>>
  /** Cuts what the new rules refuse; reports by itself. */
  readonly cut: () => Promise<void>
  /** Called before each step: where a command tells how far it is, and where a drill holds it. */
  readonly onStep?: (step: Step) => Promise<void>
}

/** A change that is to be made. */
export interface TransactionPlan {
  readonly entry: JournalEntry
  /** `previous` is what the kernel was seen to hold; `candidate` what it is to hold. */
  readonly files: JournalFiles
  /** Without a confirmation to wait for: how it is recorded. */
  readonly unproven?: Proof
}

/** Makes the change, step by step as the machine says. Never throws for what the world does. */
export async function transact(ports: TransactionPorts, plan: TransactionPlan): Promise<TransactionResult> {
  let state: MachineState = START
  const stages = stagesFor(plan.files)
  const options = { confirm: plan.unproven === undefined }
  while (state.kind === 'at') {
    await ports.onStep?.(state.step)
    state = advance(state, await perform(ports, { ...plan, stages }, state), options)
  }
  return state.result
}

async function perform(
  ports: TransactionPorts,
  plan: TransactionPlan & { readonly stages: Stages },
  state: Extract<MachineState, { kind: 'at' }>,
): Promise<StepEvent> {
  const { journal } = ports
  const { entry, files, stages } = plan
  switch (state.step) {
    case 'check-undo':
      return journalEvent(await journal.checkUndo(files.previous))
    case 'write-journal':
      return journalEvent(await journal.write(entry, files))
    case 'publish':
      return journalEvent(await journal.publish(entry.id))
    case 'look-again':
      return lookAgain(ports.kernel, files.previous)
    case 'arm':
      return journalEvent(await journal.arm(entry.id))
    case 'prepare':
      return make(ports.kernel, [stages.prepare])
    case 'change':
      return make(ports.kernel, [stages.change])
    case 'tidy':
      return make(ports.kernel, stages.tidy)
    case 'read-back':
      return readBack(ports.kernel, files, state.unsure !== undefined)
    case 'open-window':
      return openWindow(ports, entry)
    case 'cut':
      await ports.cut()
      return DONE
    case 'claim':
      return claim(journal, entry.id, plan.unproven)
    case 'complete':
      return journalEvent(await journal.complete())
    case 'withdraw':
      await journal.withdraw(entry.id)
      return DONE
    case 'undo':
      return undo(journal, state.trouble)
    case 'take-back':
      return takeBack(ports, files)
    default:
      return state.step satisfies never
  }
}

const DONE: StepEvent = { kind: 'done' }

function journalEvent(
  result: { readonly ok: true } | { readonly ok: false; readonly error: JournalError },
): StepEvent {
  return result.ok ? DONE : failed({ kind: 'journal', error: result.error })
}

function failed(trouble: Trouble): StepEvent {
  return { kind: 'failed', trouble }
}

/** From here on nobody else changes admit's table through admit: is it still what the journal says? */
async function lookAgain(kernel: Kernel, previous: Table | undefined): Promise<StepEvent> {
  const now = await kernel.observe(ADMIT_TABLE)
  if (!now.ok) return failed({ kind: 'kernel', error: now.error })
  return same(now.value, previous) ? DONE : failed({ kind: 'changed-meanwhile' })
}

async function make(kernel: Kernel, transactions: readonly Transaction[]): Promise<StepEvent> {
  for (const transaction of transactions) {
    if (transaction.operations.length === 0) continue
    const applied = await kernel.apply(transaction)
    // nft may fail when the kernel has taken the change already: killed, or unable to print. Only the kernel can tell.
    if (!applied.ok) return { kind: 'unknown', trouble: { kind: 'kernel', error: applied.error } }
  }
  return DONE
}

function stagesFor({ previous, candidate }: JournalFiles): Stages {
  if (candidate !== undefined) return stagesOf(previous, candidate)
  const nothing = { table: ADMIT_TABLE, operations: [] }
  return { prepare: nothing, change: transactionFor(previous, undefined), tidy: [] }
}

/** The difference between what the kernel holds and what it is to hold; a table goes whole. */
export function transactionFor(from: Table | undefined, to: Table | undefined): Transaction {
  if (to !== undefined) return diffTable(from, to)
  return { table: ADMIT_TABLE, operations: from === undefined ? [] : [{ kind: 'delete-table' }] }
}

async function readBack(kernel: Kernel, files: JournalFiles, unsure: boolean): Promise<StepEvent> {
  const now = await kernel.observe(ADMIT_TABLE)
  if (!now.ok) return failed({ kind: 'mismatch', error: now.error })
  if (same(now.value, files.candidate)) return DONE
  if (unsure && same(now.value, files.previous)) return { kind: 'as-before' }
  return failed({ kind: 'mismatch' })
}

async function openWindow(ports: TransactionPorts, entry: JournalEntry): Promise<StepEvent> {
  const opened = await ports.journal.moment()
  const deadline = { uptime: opened.uptime + entry.window, wall: opened.wall + entry.window }
  // Read after the rules were: whatever was dialled before is among them.
  const connections = await ports.connections()
  if (!connections.ok) return failed({ kind: 'journal', error: connections.error })
  const result = await ports.journal.open(entry.id, { opened, deadline, connections: connections.value })
  if (result.ok) return DONE
  return failed(
    result.error.kind === 'missing' ? { kind: 'taken-away' } : { kind: 'journal', error: result.error },
  )
}

async function claim(journal: Journal, id: string, unproven: Proof | undefined): Promise<StepEvent> {
  if (unproven === undefined) return { kind: 'lost' }
  const claimed = await claimPending(journal, id, unproven)
  if (!claimed.ok) return failed({ kind: 'journal', error: claimed.error })
  return claimed.value === 'claimed' ? DONE : { kind: 'lost' }
}

/**
 * Claims the pending transaction. Where that fails after the rename (its fsync, for instance), it is claimed all the same:
 * no undo can win any more, and to call it failed would be wrong.
 */
export async function claimPending(
  journal: Journal,
  id: string,
  proof: Proof,
): Promise<Result<'claimed' | 'lost', JournalError>> {
  const claimed = await journal.claim(id, proof)
  if (claimed.ok) return claimed
  const state = await journal.state()
  const ours = state.ok && state.value.kind === 'confirming' && state.value.entry.id === id
  return ours ? ok('claimed') : claimed
}

async function undo(journal: Journal, trouble: Trouble | undefined): Promise<StepEvent> {
  const undone = await journal.undo(undoReason(trouble))
  return { kind: 'undone', outcome: undone.ok ? undone.value : 'failed' }
}

/** The journal is gone, and with it what the guard could restore: this process alone still knows what was there. */
async function takeBack({ kernel, journal }: TransactionPorts, files: JournalFiles): Promise<StepEvent> {
  // Unless somebody has begun another change since: what that one finds and leaves is its own affair.
  const state = await journal.state()
  if (state.ok && (state.value.kind === 'pending' || state.value.kind === 'confirming')) {
    return { kind: 'undone', outcome: 'nothing' }
  }
  const now = await kernel.observe(ADMIT_TABLE)
  if (!now.ok) return { kind: 'undone', outcome: 'failed' }
  if (same(now.value, files.previous)) return { kind: 'undone', outcome: 'nothing' }
  await kernel.apply(transactionFor(now.value, files.previous))
  const after = await kernel.observe(ADMIT_TABLE)
  const back = after.ok && same(after.value, files.previous)
  return { kind: 'undone', outcome: back ? 'undone' : 'failed' }
}

/** Do the two say the same? Two absent tables do. */
export function same(a: Table | undefined, b: Table | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameTable(a, b)
}

import type { Result } from '../base/result.ts'
import { ok } from '../base/result.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import type { Kernel, KernelError } from '../kernel/kernel.ts'
import { diffTable } from '../ruleset/diff.ts'
import { sameTable } from '../ruleset/normalise.ts'
import type { Table } from '../ruleset/ruleset.ts'

/** How putting rules into the kernel ended. */
export type ApplyOutcome =
  | { readonly kind: 'unchanged'; readonly table: Table }
  | { readonly kind: 'applied'; readonly table: Table; readonly operations: number }
  /** The kernel refused; it holds what it held. */
  | { readonly kind: 'refused'; readonly error: KernelError }
  /** The kernel took the change, and what it holds now is not what was asked for, or cannot be read. */
  | { readonly kind: 'mismatch'; readonly observed: Table | undefined; readonly error?: KernelError }

/** Changes admit's table by difference, in one transaction, reads it back and compares. */
export async function applyTable(
  kernel: Kernel,
  observed: Table | undefined,
  wanted: Table,
): Promise<ApplyOutcome> {
  const transaction = diffTable(observed, wanted)
  if (transaction.operations.length === 0) return { kind: 'unchanged', table: wanted }
  const applied = await kernel.apply(transaction)
  if (!applied.ok && applied.error.kind !== 'timed-out') return { kind: 'refused', error: applied.error }
  const after = await kernel.observe(ADMIT_TABLE)
  if (!after.ok) return { kind: 'mismatch', observed: undefined, error: after.error }
  if (same(after.value, wanted))
    return { kind: 'applied', table: wanted, operations: transaction.operations.length }
  // After a time-out only the kernel can tell whether it took the change.
  if (!applied.ok && same(after.value, observed)) return { kind: 'refused', error: applied.error }
  return { kind: 'mismatch', observed: after.value }
}

function same(a: Table | undefined, b: Table | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameTable(a, b)
}

/** How removing admit's table ended. */
export type RemoveOutcome =
  | { readonly kind: 'absent' }
  | { readonly kind: 'removed' }
  | { readonly kind: 'refused'; readonly error: KernelError }
  | { readonly kind: 'still-there' }

/**
 * Removes admit's own table and nothing else: the host is then as open as the other tables leave it. What the table
 * holds is not looked at: this is also the way out where somebody put into it what admit cannot read.
 */
export async function removeTable(kernel: Kernel): Promise<RemoveOutcome> {
  const before = await isThere(kernel)
  if (!before.ok) return { kind: 'refused', error: before.error }
  if (!before.value) return { kind: 'absent' }
  const removed = await kernel.apply({ table: ADMIT_TABLE, operations: [{ kind: 'delete-table' }] })
  // Whatever nft said, killed or unable to print, only the kernel can tell whether the table is gone.
  const after = await isThere(kernel)
  if (after.ok && !after.value) return { kind: 'removed' }
  // A table goes whole or not at all: one that is still there was not touched.
  if (!removed.ok && after.ok) return { kind: 'refused', error: removed.error }
  return { kind: 'still-there' }
}

async function isThere(kernel: Kernel): Promise<Result<boolean, KernelError>> {
  const tables = await kernel.tables()
  if (!tables.ok) return tables
  return ok(
    tables.value.some(({ family, name }) => family === ADMIT_TABLE.family && name === ADMIT_TABLE.name),
  )
}

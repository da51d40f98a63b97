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
  if (!applied.ok) return { kind: 'refused', error: applied.error }
  const after = await kernel.observe(ADMIT_TABLE)
  if (!after.ok) return { kind: 'mismatch', observed: undefined, error: after.error }
  if (after.value === undefined || !sameTable(after.value, wanted))
    return { kind: 'mismatch', observed: after.value }
  return { kind: 'applied', table: wanted, operations: transaction.operations.length }
}

/** How removing admit's table ended. */
export type RemoveOutcome =
  | { readonly kind: 'absent' }
  | { readonly kind: 'removed' }
  | { readonly kind: 'refused'; readonly error: KernelError }
  | { readonly kind: 'still-there' }

/** Removes admit's own table and nothing else: the host is then as open as the other tables leave it. */
export async function removeTable(kernel: Kernel): Promise<RemoveOutcome> {
  const observed = await kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return { kind: 'refused', error: observed.error }
  if (observed.value === undefined) return { kind: 'absent' }
  const removed = await kernel.apply({ table: ADMIT_TABLE, operations: [{ kind: 'delete-table' }] })
  if (!removed.ok) return { kind: 'refused', error: removed.error }
  const after = await kernel.observe(ADMIT_TABLE)
  return after.ok && after.value === undefined ? { kind: 'removed' } : { kind: 'still-there' }
}

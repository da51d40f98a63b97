import type { Result } from '../base/result.ts'
import { ok } from '../base/result.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import type { Kernel, KernelError } from '../kernel/kernel.ts'

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

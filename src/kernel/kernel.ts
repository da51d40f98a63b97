import type { Result } from '../base/result.ts'
import type { Ruleset, Table, TableRef } from '../ruleset/ruleset.ts'
import type { Transaction } from '../ruleset/transaction.ts'

/** The one door to netfilter. Implementations: NftKernel (real), FakeKernel (in memory); one contract suite holds both. */
export interface Kernel {
  /** What this kernel and its tools are; asked once per run. */
  capabilities(): Promise<Result<Capabilities, KernelError>>
  /** Would `apply` succeed? Changes nothing. */
  check(transaction: Transaction): Promise<Result<void, KernelError>>
  /** Makes all the changes at once, or none of them and says why. */
  apply(transaction: Transaction): Promise<Result<void, KernelError>>
  /** One table as the kernel holds it now; undefined where there is none. */
  observe(table: TableRef): Promise<Result<Table | undefined, KernelError>>
  /** Every table there is, by identity, whoever owns it. */
  tables(): Promise<Result<readonly TableRef[], KernelError>>
  /**
   * Every table with all that is in it. What of others' rules cannot be read is in the ruleset as something that may
   * do anything (an opaque statement), or a note says why it changes no verdict that it is left out.
   */
  observeAll(): Promise<Result<Observation, KernelError>>
}

/** All that the kernel would consult, as it was read back. */
export interface Observation {
  readonly ruleset: Ruleset
  /** What is not, or not wholly, in the ruleset; for the user, printable. */
  readonly notes: readonly string[]
}

export interface Capabilities {
  /** Such as `1.0.6`. */
  readonly nftVersion: string
}

/** Why the system refused; nothing was changed, but after `timed-out`, when only `observe` tells. */
export interface KernelError {
  readonly kind:
    | 'not-permitted'
    | 'unavailable'
    | 'rejected'
    | 'not-found'
    | 'too-large'
    | 'timed-out'
    | 'unreadable'
  /** One sentence for the user, without control characters. */
  readonly message: string
  /** What the tool or kernel said, for `--verbose` and bug reports. */
  readonly detail?: string
  /** The comment of the rule at fault, where it is known: the origin in the policy. */
  readonly origin?: string
}

import type { Output } from './output.ts'
import type { System } from './system.ts'

/** What every command gets. */
export interface Context {
  readonly system: System
  readonly output: Output
  /** The policy file's path, as given by --policy or ADMIT_POLICY. */
  readonly policyPath: string
  /** The state folder's path, as given by --state or ADMIT_STATE. */
  readonly statePath: string
}

export const DEFAULT_POLICY = '/etc/admit/policy.yaml'
export const DEFAULT_STATE = '/var/lib/admit'

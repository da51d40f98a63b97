import type { LabOutcome, LabPlan } from '../lab/lab-plan.ts'

/** What the runner hands to the worker inside the lab: one line of JSON on its standard input, which then stays open. */
export interface LabJob {
  readonly plan: LabPlan
  /** The rules as `nft -f` takes them, loaded unchanged. */
  readonly rulesText: string
  /** For each probe whether it should be admitted: only what differs is tried again, more patiently. */
  readonly expected: readonly boolean[]
}

/** What the worker says, a line of JSON each. */
export type LabMessage =
  | { readonly kind: 'progress'; readonly phase: LabPhase; readonly done: number; readonly total: number }
  | { readonly kind: 'done'; readonly outcomes: readonly LabOutcome[]; readonly seconds: number }
  | { readonly kind: 'failed'; readonly reason: 'rules' | 'system'; readonly message: string }

export type LabPhase = 'build' | 'wires' | 'rules'

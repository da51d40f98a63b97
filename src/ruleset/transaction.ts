import type { BaseChain, Element, NamedSet, Rule, SetName, TableRef } from './ruleset.ts'

/** Changes that the kernel makes all together or not at all, in this order. */
export interface Transaction {
  readonly table: TableRef
  readonly operations: readonly Operation[]
}

/**
 * One change to the transaction's table. Adding a table that is there already changes nothing; adding a base chain
 * that is there already at the same hook sets its policy.
 */
export type Operation =
  | { readonly kind: 'add-table' }
  | { readonly kind: 'delete-table' }
  | { readonly kind: 'add-set'; readonly set: NamedSet }
  | { readonly kind: 'delete-set'; readonly set: SetName }
  | { readonly kind: 'add-elements'; readonly set: SetName; readonly elements: readonly Element[] }
  | { readonly kind: 'delete-elements'; readonly set: SetName; readonly elements: readonly Element[] }
  | { readonly kind: 'add-chain'; readonly chain: string; readonly base?: BaseChain }
  | { readonly kind: 'flush-chain'; readonly chain: string }
  | { readonly kind: 'delete-chain'; readonly chain: string }
  | { readonly kind: 'add-rule'; readonly chain: string; readonly rule: Rule }

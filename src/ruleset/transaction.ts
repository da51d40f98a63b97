import type { FieldName } from './fields.ts'
import type { BaseChain, Element, NamedSet, Rule, SetName, TableRef } from './ruleset.ts'

/** Changes that the kernel makes all together or not at all, in this order. */
export interface Transaction {
  readonly table: TableRef
  readonly operations: readonly Operation[]
}

/**
 * One change to the transaction's table. Adding a table that is there already changes nothing but that it is dormant no
 * more; adding a base chain that is there already at the same hook sets its policy.
 */
export type Operation =
  | { readonly kind: 'add-table' }
  | { readonly kind: 'delete-table' }
  | { readonly kind: 'add-set'; readonly set: NamedSet }
  | { readonly kind: 'delete-set'; readonly set: SetName }
  | ElementsOperation
  | { readonly kind: 'add-chain'; readonly chain: string; readonly base?: BaseChain }
  | { readonly kind: 'flush-chain'; readonly chain: string }
  | { readonly kind: 'delete-chain'; readonly chain: string }
  | { readonly kind: 'add-rule'; readonly chain: string; readonly rule: Rule }
  /** The chain's first rule, which must be `goto TARGET` and nothing else: refused where it is not. */
  | { readonly kind: 'delete-goto'; readonly chain: string; readonly target: string }

/** Elements into or out of a set that may be older than the transaction: `fields`, the set's own, says how to write them. */
export interface ElementsOperation {
  readonly kind: 'add-elements' | 'delete-elements'
  readonly set: SetName
  readonly fields: readonly FieldName[]
  readonly elements: readonly Element[]
}

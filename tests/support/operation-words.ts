import type { Operation } from '../../src/ruleset/transaction.ts'

/** An operation by its kind and what it touches: `flush-chain input`. */
export function operationWords(operation: Operation): string {
  switch (operation.kind) {
    case 'add-table':
    case 'delete-table':
      return operation.kind
    case 'add-set':
      return `${operation.kind} ${operation.set.name}`
    case 'delete-set':
      return `${operation.kind} ${operation.set}`
    case 'add-elements':
    case 'delete-elements':
      return `${operation.kind} ${operation.set} ${operation.elements.length}`
    default:
      return `${operation.kind} ${operation.chain}`
  }
}

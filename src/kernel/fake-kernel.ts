import { InternalError } from '../base/internal-error.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type { Table, TableRef } from '../ruleset/ruleset.ts'
import type { Operation, Transaction } from '../ruleset/transaction.ts'
import type { TableDraft } from './fake-table.ts'
import {
  addChain,
  addElements,
  addRule,
  addSet,
  deleteChain,
  deleteElements,
  deleteGoto,
  deleteSet,
  draftOf,
  flushChain,
  tableOf,
} from './fake-table.ts'
import type { Capabilities, Kernel, KernelError, Observation } from './kernel.ts'

/**
 * Netfilter in memory: the same operations with the same refusals as the real one (the contract suite holds both
 * to the same laws). It judges no packets and holds what was given to it, unchanged.
 */
export class FakeKernel implements Kernel {
  #tables: ReadonlyMap<string, Table>

  constructor(tables: readonly Table[] = []) {
    this.#tables = new Map(tables.map((table) => [key(table), table]))
  }

  capabilities(): Promise<Result<Capabilities, KernelError>> {
    return Promise.resolve(ok({ nftVersion: '1.0.6' }))
  }

  check(transaction: Transaction): Promise<Result<void, KernelError>> {
    const next = changed(this.#tables, transaction)
    return Promise.resolve(next.ok ? ok(undefined) : next)
  }

  apply(transaction: Transaction): Promise<Result<void, KernelError>> {
    const next = changed(this.#tables, transaction)
    if (!next.ok) return Promise.resolve(next)
    this.#tables = next.value
    return Promise.resolve(ok(undefined))
  }

  observe(table: TableRef): Promise<Result<Table | undefined, KernelError>> {
    return Promise.resolve(ok(this.#tables.get(key(table))))
  }

  tables(): Promise<Result<readonly TableRef[], KernelError>> {
    return Promise.resolve(ok([...this.#tables.values()].map(({ family, name }) => ({ family, name }))))
  }

  observeAll(): Promise<Result<Observation, KernelError>> {
    return Promise.resolve(ok({ ruleset: { tables: [...this.#tables.values()] }, notes: [] }))
  }
}

function key(table: TableRef): string {
  return `${table.family} ${table.name}`
}

/** The tables after a transaction, or why it fails; the tables before are never touched. */
function changed(
  before: ReadonlyMap<string, Table>,
  transaction: Transaction,
): Result<ReadonlyMap<string, Table>, KernelError> {
  const { table, operations } = transaction
  const old = before.get(key(table))
  let draft = old === undefined ? undefined : draftOf(old)
  for (const operation of operations) {
    if (operation.kind === 'add-table') {
      draft ??= draftOf({ family: table.family, name: table.name, sets: [], chains: [] })
    } else if (draft === undefined) {
      return fail({ kind: 'not-found', message: `there is no table ${key(table)}` })
    } else if (operation.kind === 'delete-table') {
      draft = undefined
    } else {
      const refusal = step(draft, operation)
      if (refusal !== undefined) return fail(refusal)
    }
  }
  const after = new Map(before)
  if (draft === undefined) after.delete(key(table))
  else after.set(key(table), tableOf(table, draft))
  return ok(after)
}

type TableChange = Exclude<Operation, { readonly kind: 'add-table' | 'delete-table' }>

function step(draft: TableDraft, operation: TableChange): KernelError | undefined {
  switch (operation.kind) {
    case 'add-set':
      return addSet(draft, operation.set)
    case 'delete-set':
      return deleteSet(draft, operation.set)
    case 'add-elements':
      return addElements(draft, operation.set, operation.elements)
    case 'delete-elements':
      return deleteElements(draft, operation.set, operation.elements)
    case 'add-chain':
      return addChain(draft, operation.chain, operation.base)
    case 'flush-chain':
      return flushChain(draft, operation.chain)
    case 'delete-chain':
      return deleteChain(draft, operation.chain)
    case 'add-rule':
      return addRule(draft, operation.chain, operation.rule)
    case 'delete-goto':
      return deleteGoto(draft, operation.chain, operation.target)
    default:
      throw new InternalError(`unknown operation ${JSON.stringify(operation satisfies never)}`)
  }
}

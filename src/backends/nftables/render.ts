import { InternalError } from '../../base/internal-error.ts'
import type { BaseChain, Chain, NamedSet, Table, TableRef } from '../../ruleset/ruleset.ts'
import type { ElementsOperation, Operation, Transaction } from '../../ruleset/transaction.ts'
import { identifier, PRIORITIES } from './names.ts'
import { elementText, fieldsText, renderRule } from './render-rule.ts'
import type { Spelling } from './scalar.ts'

/**
 * A table as a person would type it: sets, then chains, one rule a line. nft loads it as it is, and `readText`
 * reads it back. Throws InternalError for text that nft could misread and for statements that admit did not make.
 */
export function renderTable(table: Table): string {
  const blocks = [...table.sets.map(setBlock), ...table.chains.map(chainBlock)]
  const flags = table.dormant === true ? '\tflags dormant\n\n' : ''
  return `table ${tableText(table)} {\n${flags}${blocks.join('\n')}}\n`
}

function setBlock(set: NamedSet): string {
  const lines = [`\t\ttypeof ${fieldsText(set.fields)}`]
  if (set.interval) lines.push('\t\tflags interval')
  if (set.elements.length > 0) lines.push(`\t\telements = { ${blockElements(set).join(',\n\t\t\t     ')} }`)
  return `\tset ${identifier(set.name)} {\n${lines.join('\n')}\n\t}\n`
}

/** Single values stand side by side as nft puts addresses; elements of several parts stand one a line. */
function blockElements(set: NamedSet): readonly string[] {
  const perLine = set.fields.length === 1 ? 4 : 1
  const lines: string[] = []
  for (let start = 0; start < set.elements.length; start += perLine) {
    const some = set.elements.slice(start, start + perLine)
    lines.push(some.map((element) => elementText(set.fields, element, 'names')).join(', '))
  }
  return lines
}

function chainBlock(chain: Chain): string {
  const lines = chain.rules.map((rule) => `\t\t${renderRule(rule, 'names')}\n`)
  const base = chain.base === undefined ? '' : `\t\t${baseText(chain.base, 'names')}\n`
  return `\tchain ${identifier(chain.name)} {\n${base}${lines.join('')}\t}\n`
}

function baseText(base: BaseChain, spelling: Spelling): string {
  if (!Number.isInteger(base.priority)) throw new InternalError(`not a priority: ${base.priority}`)
  const priority = spelling === 'names' && base.priority === PRIORITIES['filter'] ? 'filter' : base.priority
  return `type ${base.type} hook ${base.hook} priority ${priority}; policy ${base.policy};`
}

function tableText(table: TableRef): string {
  return `${table.family} ${identifier(table.name)}`
}

/** The kernel's number of the `goto` that a chain begins with, by the chain: nft deletes rules by their handle alone. */
export type GotoHandles = ReadonlyMap<string, number>

/**
 * A transaction as commands for `nft -f -`, one a line, all of them one batch. Numbers are written as numbers, so
 * that nothing depends on /etc/protocols, which a minimal system lacks. Throws InternalError for a `delete-goto` without its
 * handle.
 */
export function renderTransaction(transaction: Transaction, handles: GotoHandles = new Map()): string {
  return transaction.operations
    .flatMap((operation) => operationLines(transaction.table, operation, handles))
    .map((line) => `${line}\n`)
    .join('')
}

/** The operation that a line of the rendered transaction (counted from 1, as in nft's errors) belongs to. */
export function operationAtLine(
  transaction: Transaction,
  line: number,
  handles: GotoHandles = new Map(),
): Operation | undefined {
  let last = 0
  for (const operation of transaction.operations) {
    last += operationLines(transaction.table, operation, handles).length
    if (line <= last) return operation
  }
  return undefined
}

/** nft's scanner takes lines of any length; short ones keep its error messages and memory small. */
const ELEMENTS_PER_LINE = 64

function operationLines(table: TableRef, operation: Operation, handles: GotoHandles): readonly string[] {
  const where = tableText(table)
  switch (operation.kind) {
    case 'add-table':
      return [`add table ${where}`]
    case 'delete-table':
      return [`delete table ${where}`]
    case 'add-set':
      return addSetLines(where, operation.set)
    case 'delete-set':
      return [`delete set ${where} ${identifier(operation.set)}`]
    case 'add-elements':
    case 'delete-elements':
      return elementLines(operation.kind === 'add-elements' ? 'add' : 'delete', where, operation)
    case 'add-chain': {
      const base = operation.base === undefined ? '' : ` { ${baseText(operation.base, 'numbers')} }`
      return [`add chain ${where} ${identifier(operation.chain)}${base}`]
    }
    case 'flush-chain':
      return [`flush chain ${where} ${identifier(operation.chain)}`]
    case 'delete-chain':
      return [`delete chain ${where} ${identifier(operation.chain)}`]
    case 'add-rule':
      return [`add rule ${where} ${identifier(operation.chain)} ${renderRule(operation.rule, 'numbers')}`]
    case 'delete-goto': {
      const handle = handles.get(operation.chain)
      if (handle === undefined) throw new InternalError(`no handle for the goto of ${operation.chain}`)
      return [`delete rule ${where} ${identifier(operation.chain)} handle ${handle}`]
    }
    default:
      throw new InternalError(`unknown operation ${JSON.stringify(operation satisfies never)}`)
  }
}

function addSetLines(where: string, set: NamedSet): readonly string[] {
  const name = identifier(set.name)
  const flags = set.interval ? ' flags interval;' : ''
  const { fields, elements } = set
  return [
    `add set ${where} ${name} { typeof ${fieldsText(fields)};${flags} }`,
    ...elementLines('add', where, { set: set.name, fields, elements }),
  ]
}

function elementLines(
  verb: 'add' | 'delete',
  where: string,
  change: Pick<ElementsOperation, 'set' | 'fields' | 'elements'>,
): readonly string[] {
  const lines: string[] = []
  for (let start = 0; start < change.elements.length; start += ELEMENTS_PER_LINE) {
    const some = change.elements.slice(start, start + ELEMENTS_PER_LINE)
    const texts = some.map((element) => elementText(change.fields, element, 'numbers'))
    lines.push(`${verb} element ${where} ${identifier(change.set)} { ${texts.join(', ')} }`)
  }
  return lines
}

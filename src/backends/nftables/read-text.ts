import type { Result } from '../../base/result.ts'
import { fail, ok } from '../../base/result.ts'
import { printable } from '../../base/terminal.ts'
import type { FieldName } from '../../ruleset/fields.ts'
import type {
  BaseChain,
  Chain,
  Element,
  NamedSet,
  Rule,
  SetName,
  Table,
  TableFamily,
  TableRef,
} from '../../ruleset/ruleset.ts'
import { PRIORITIES } from './names.ts'
import { readElements } from './read-element-text.ts'
import { readFieldNames, readRuleText } from './read-rule-text.ts'
import type { TextError } from './text-scanner.ts'
import { TextProblem, TextScanner } from './text-scanner.ts'

/**
 * Reads one table from nft's text: what `renderTable` writes, and what `nft list table` prints for it in the
 * versions 1.0.6 and 1.1.3. Anything else is an error with its place: this reader guards the stored rules, it does
 * not import other people's (`readJson` does).
 */
export function readText(text: string): Result<Table, TextError> {
  let scanner: TextScanner | undefined
  try {
    scanner = new TextScanner(text)
    scanner.skipLines()
    const table = readTable(scanner)
    scanner.skipLines()
    if (scanner.next.kind !== 'end') throw scanner.unexpected('the end after the table')
    return ok(table)
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error
    const place = scanner?.place(error.offset) ?? { line: 1, column: 1 }
    return fail({ ...place, message: printable(error.message).slice(0, 300) })
  }
}

/** Reads what `nft list tables` prints: `table FAMILY NAME`, one a line. */
export function readTableNames(text: string): readonly TableRef[] {
  return text.split('\n').flatMap((line) => {
    const [, word, name] = /^table (\w+) (\S+)$/.exec(line) ?? []
    const family = TABLE_FAMILIES.find((known) => known === word)
    return family === undefined || name === undefined ? [] : [{ family, name }]
  })
}

/** `FILE:LINE:COLUMN: MESSAGE` */
export function formatTextError(file: string, error: TextError): string {
  return `${file}:${error.line}:${error.column}: ${error.message}`
}

const TABLE_FAMILIES: readonly TableFamily[] = ['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']

function readTable(scanner: TextScanner): Table {
  scanner.expect('table')
  const family = oneOf(scanner, TABLE_FAMILIES)
  const name = scanner.word('the name of a table')
  scanner.expect('{')
  const sets = new Map<string, NamedSet>()
  const chains = new Map<string, Chain>()
  for (scanner.skipLines(); !scanner.skip('}'); scanner.skipLines()) {
    const { offset } = scanner.next
    const kind = oneOf(scanner, ['set', 'chain'])
    const item = scanner.word(`the name of a ${kind}`)
    if ((kind === 'set' ? sets : chains).has(item)) throw new TextProblem(`a second ${kind} ${item}`, offset)
    if (kind === 'set') sets.set(item, readSet(scanner, item))
    else chains.set(item, readChain(scanner, item, sets))
  }
  return { family, name, sets: [...sets.values()], chains: [...chains.values()] }
}

function readSet(scanner: TextScanner, name: string): NamedSet {
  scanner.expect('{')
  let fields: readonly FieldName[] | undefined
  let interval = false
  let elements: readonly Element[] = []
  for (scanner.skipLines(); !scanner.skip('}'); scanner.skipLines()) {
    if (scanner.skip('typeof')) fields = readFieldNames(scanner)
    else if (scanner.skip('flags')) {
      scanner.expect('interval')
      interval = true
    } else if (fields !== undefined && scanner.skip('elements')) {
      scanner.expect('=')
      elements = readElements(scanner, fields)
    } else throw scanner.unexpected('`typeof`, `flags interval` or, after those, `elements`')
  }
  if (fields === undefined) throw scanner.unexpected(`\`typeof\` in the set ${name}`)
  return { name: name as SetName, fields, interval, elements }
}

function readChain(scanner: TextScanner, name: string, sets: ReadonlyMap<string, NamedSet>): Chain {
  scanner.expect('{')
  scanner.skipLines()
  const base = scanner.next.text === 'type' ? readBase(scanner) : undefined
  const rules: Rule[] = []
  for (scanner.skipLines(); !scanner.skip('}'); scanner.skipLines()) rules.push(readRuleText(scanner, sets))
  return base === undefined ? { name, rules } : { name, base, rules }
}

function readBase(scanner: TextScanner): BaseChain {
  scanner.expect('type')
  const type = oneOf(scanner, ['filter', 'nat', 'route'])
  scanner.expect('hook')
  const hook = oneOf(scanner, [
    'input',
    'forward',
    'output',
    'prerouting',
    'postrouting',
    'ingress',
    'egress',
  ])
  scanner.expect('priority')
  const priority = readPriority(scanner)
  scanner.skipLines()
  scanner.expect('policy')
  const policy = oneOf(scanner, ['accept', 'drop'])
  return { type, hook, priority, policy }
}

/** A number, a name, or a name with an offset: `filter - 5`. */
function readPriority(scanner: TextScanner): number {
  const { offset } = scanner.next
  const word = scanner.word('a priority')
  if (/^-?\d{1,9}$/.test(word)) return Number(word)
  const base = Object.hasOwn(PRIORITIES, word) ? PRIORITIES[word] : undefined
  if (base === undefined) throw new TextProblem(`no priority is called ${word}`, offset)
  const sign = scanner.skip('+') ? 1 : scanner.skip('-') ? -1 : 0
  if (sign === 0) return base
  const distance = scanner.word('a number')
  if (!/^\d{1,9}$/.test(distance)) throw new TextProblem(`${distance} is no number`, offset)
  return base + sign * Number(distance)
}

function oneOf<T extends string>(scanner: TextScanner, words: readonly T[]): T {
  const { text } = scanner.next
  const found = words.find((word) => word === text)
  if (found === undefined) throw scanner.unexpected(words.join(', '))
  scanner.expect(found)
  return found
}

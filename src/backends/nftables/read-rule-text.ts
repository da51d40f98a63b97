import type { BitFieldName, FieldName, FieldType } from '../../ruleset/fields.ts'
import { BIT_FIELDS, FIELDS } from '../../ruleset/fields.ts'
import type {
  BitsMatch,
  Limit,
  Log,
  NamedSet,
  RejectAnswer,
  Rule,
  Statement,
  Values,
} from '../../ruleset/ruleset.ts'
import { readElements, readElementText } from './read-element-text.ts'
import { prefixMask } from './read-match.ts'
import { fullMask } from './render-rule.ts'
import type { TextScanner } from './text-scanner.ts'
import { TextProblem } from './text-scanner.ts'

type Sets = ReadonlyMap<string, NamedSet>

/** Reads one rule, up to the end of its line. */
export function readRuleText(scanner: TextScanner, sets: Sets): Rule {
  const statements: Statement[] = []
  for (;;) {
    if (endsRule(scanner)) break
    if (scanner.skip('comment')) {
      const comment = scanner.string('a comment in quotes')
      if (!endsRule(scanner)) throw scanner.unexpected('the end of the line')
      return { statements, comment }
    }
    statements.push(readStatement(scanner, sets))
  }
  return { statements }
}

function endsRule(scanner: TextScanner): boolean {
  const { kind, text } = scanner.next
  return kind === 'end-of-line' || (kind === 'mark' && text === '}')
}

/** Names of fields joined by ` . `: `ether saddr . meta time`. */
export function readFieldNames(scanner: TextScanner): readonly FieldName[] {
  const fields: FieldName[] = []
  do {
    const { offset } = scanner.next
    const name = readName(scanner)
    if (!isField(name)) throw new TextProblem(`admit does not know the field \`${name}\``, offset)
    fields.push(name)
  } while (scanner.skip('.'))
  return fields
}

function readStatement(scanner: TextScanner, sets: Sets): Statement {
  const { text, offset } = scanner.next
  switch (text) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      scanner.take()
      return { kind: 'verdict', verdict: { kind: text } }
    case 'jump':
    case 'goto':
      scanner.take()
      return { kind: 'verdict', verdict: { kind: text, chain: scanner.word('the name of a chain') } }
    case 'reject':
      return { kind: 'verdict', verdict: { kind: 'reject', answer: readAnswer(scanner) } }
    case 'counter':
      return readCounter(scanner)
    case 'limit':
      return readLimit(scanner)
    case 'log':
      return readLog(scanner)
    default: {
      const name = readName(scanner)
      if (name === 'ct mark' && scanner.skip('set')) return readMark(scanner)
      if (isBitField(name)) return readBitsMatch(scanner, name)
      if (isField(name)) return readFieldMatch(scanner, name, sets)
      throw new TextProblem(`admit does not know the statement \`${name}\``, offset)
    }
  }
}

function readName(scanner: TextScanner): string {
  const first = scanner.word('a statement')
  if (first === 'iifname' || first === 'oifname') return first
  const second = `${first} ${scanner.word(`a field of ${first}`)}`
  return second === 'ct original' ? `${second} ${scanner.word('a field')}` : second
}

function isField(name: string): name is FieldName {
  return Object.hasOwn(FIELDS, name)
}

function isBitField(name: string): name is BitFieldName {
  return Object.hasOwn(BIT_FIELDS, name)
}

function readFieldMatch(scanner: TextScanner, first: FieldName, sets: Sets): Statement {
  const fields = scanner.skip('.') ? [first, ...readFieldNames(scanner)] : [first]
  const test = scanner.skip('!=') ? 'not-in' : 'in'
  if (test === 'in') scanner.skip('==')
  return { kind: 'field', fields, test, values: readValues(scanner, fields, sets) }
}

function readValues(scanner: TextScanner, fields: readonly FieldName[], sets: Sets): Values {
  const { kind, text, offset } = scanner.next
  if (kind === 'word' && text.startsWith('@')) {
    scanner.take()
    const set = sets.get(text.slice(1))
    if (set === undefined) throw new TextProblem(`there is no set ${text.slice(1)} above`, offset)
    if (typesOf(set.fields).join() !== typesOf(fields).join()) {
      throw new TextProblem(`the set ${set.name} holds ${set.fields.join(' . ')}`, offset)
    }
    return { kind: 'set', name: set.name }
  }
  if (text === '{' && kind === 'mark') return { kind: 'literal', elements: readElements(scanner, fields) }
  return { kind: 'literal', elements: [readElementText(scanner, typesOf(fields))] }
}

function typesOf(fields: readonly FieldName[]): readonly FieldType[] {
  return fields.map((field) => FIELDS[field].type)
}

/**
 * All the ways in which nft writes a test of bits: `ct state new,related` (one is set), `ct status ! dnat` (none is),
 * `tcp flags & (syn | ack) == syn`, `tcp flags syn / syn,ack` (the same in 1.0.6's words), `ct mark 0x7` (equal).
 */
function readBitsMatch(scanner: TextScanner, field: BitFieldName): BitsMatch {
  if (scanner.skip('!')) {
    return { kind: 'bits', field, mask: readBits(scanner, field), test: 'equal', value: 0 }
  }
  const mask = scanner.skip('&') ? readBits(scanner, field) : undefined
  const unequal = scanner.skip('!=')
  const compared = unequal || scanner.skip('==')
  const prefix = mask === undefined ? readMarkPrefix(scanner, field) : undefined
  const value = prefix === undefined ? readBits(scanner, field) : prefix.value
  const test = unequal ? 'not-equal' : 'equal'
  if (mask !== undefined) return { kind: 'bits', field, mask, test, value }
  if (prefix !== undefined) return { kind: 'bits', field, mask: prefix.mask, test, value }
  if (scanner.skip('/')) return { kind: 'bits', field, mask: readBits(scanner, field), test, value }
  if (compared || field === 'ct mark') return { kind: 'bits', field, mask: fullMask(field), test, value }
  return { kind: 'bits', field, mask: value, test: 'not-equal', value: 0 }
}

/** 1.0.6 lists `ct mark & 0xfffffff0 == 0x10` as `ct mark 0x00000010/28`. */
function readMarkPrefix(
  scanner: TextScanner,
  field: BitFieldName,
): { readonly value: number; readonly mask: number } | undefined {
  const [, value, length] = /^(0x[0-9a-f]{1,8})\/(\d{1,2})$/.exec(scanner.next.text) ?? []
  const mask = length === undefined ? undefined : prefixMask(field, Number(length))
  if (field !== 'ct mark' || value === undefined || mask === undefined) return undefined
  scanner.take()
  return { value: Number(value), mask }
}

/** `syn`, `0x2`, `syn,ack`, `syn | ack` or `(syn | ack)`. */
function readBits(scanner: TextScanner, field: BitFieldName): number {
  if (scanner.skip('(')) {
    const bits = readBits(scanner, field)
    scanner.expect(')')
    return bits
  }
  let bits = readBit(scanner, field)
  while (scanner.skip(',') || scanner.skip('|')) bits = (bits | readBit(scanner, field)) >>> 0
  return bits
}

function readBit(scanner: TextScanner, field: BitFieldName): number {
  const { offset } = scanner.next
  const word = scanner.word(`a value of ${field}`)
  const names: Readonly<Record<string, number>> = BIT_FIELDS[field]
  const bits = Object.hasOwn(names, word) ? names[word] : numberOf(word)
  if (bits === undefined || bits > fullMask(field))
    throw new TextProblem(`\`${word}\` is none of ${field}`, offset)
  return bits
}

function numberOf(word: string): number | undefined {
  return /^(0x[0-9a-f]{1,8}|\d{1,10})$/.test(word) ? Number(word) : undefined
}

function readMark(scanner: TextScanner): Statement {
  for (const word of ['ct', 'mark', '|']) scanner.expect(word)
  return { kind: 'mark-connection', bits: readBit(scanner, 'ct mark') }
}

const ANSWERS: readonly RejectAnswer[] = [
  'admin-prohibited',
  'port-unreachable',
  'host-unreachable',
  'no-route',
]

/** A bare `reject` is how nft lists `reject with icmpx port-unreachable`. */
function readAnswer(scanner: TextScanner): RejectAnswer {
  scanner.expect('reject')
  if (!scanner.skip('with')) return 'port-unreachable'
  if (scanner.skip('tcp')) {
    scanner.expect('reset')
    return 'tcp reset'
  }
  scanner.expect('icmpx')
  scanner.skip('type')
  const answer = ANSWERS.find((word) => word === scanner.next.text)
  if (answer === undefined) throw scanner.unexpected(ANSWERS.join(', '))
  scanner.take()
  return answer
}

function readCounter(scanner: TextScanner): Statement {
  scanner.expect('counter')
  if (scanner.skip('packets')) {
    scanner.word('a number of packets')
    scanner.expect('bytes')
    scanner.word('a number of bytes')
  }
  return { kind: 'counter' }
}

function readLimit(scanner: TextScanner): Limit {
  scanner.expect('limit')
  scanner.expect('rate')
  const { offset } = scanner.next
  const written = scanner.word('a rate such as 3/minute')
  const [, rate, per] = /^(\d{1,9})\/(second|minute|hour|day)$/.exec(written) ?? []
  if (rate === undefined || per === undefined) throw new TextProblem(`\`${written}\` is no rate`, offset)
  let burst = '5'
  if (scanner.skip('burst')) {
    burst = scanner.word('a number of packets')
    scanner.expect('packets')
  }
  if (!/^\d{1,9}$/.test(burst)) throw new TextProblem(`\`${burst}\` is no number of packets`, offset)
  return { kind: 'limit', rate: Number(rate), per: per as Limit['per'], burst: Number(burst) }
}

function readLog(scanner: TextScanner): Log {
  scanner.expect('log')
  const prefix = scanner.skip('prefix') ? scanner.string('a prefix in quotes') : ''
  const ether = scanner.skip('flags')
  if (ether) scanner.expect('ether')
  return { kind: 'log', prefix, ether }
}

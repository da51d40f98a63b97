import { InternalError } from '../../base/internal-error.ts'
import { printable } from '../../base/terminal.ts'
import type { BitFieldName, FieldName, FieldType } from '../../ruleset/fields.ts'
import { BIT_FIELDS, FIELDS } from '../../ruleset/fields.ts'
import type {
  BitsMatch,
  Element,
  FieldMatch,
  Interval,
  Limit,
  Log,
  Rule,
  Statement,
  Verdict,
} from '../../ruleset/ruleset.ts'
import { identifier, quoted } from './names.ts'
import type { Spelling } from './scalar.ts'
import { intervalText } from './scalar.ts'

/** One rule on one line, as nft takes it. A statement that admit does not model cannot be written: InternalError. */
export function renderRule(rule: Rule, spelling: Spelling): string {
  const words = rule.statements.map((statement) => statementText(statement, spelling))
  if (rule.comment !== undefined) words.push(`comment ${quoted(rule.comment)}`)
  if (words.length === 0) throw new InternalError('a rule without statements')
  return words.join(' ')
}

/** One rule for people to read, never for nft: statements that admit does not model stand between ‹ and ›. */
export function describeRule(rule: Rule): string {
  const words = rule.statements.map((statement) =>
    statement.kind === 'opaque' ? `‹${printable(statement.text)}›` : statementText(statement, 'names'),
  )
  if (rule.comment !== undefined) words.push(`comment "${printable(rule.comment)}"`)
  return words.join(' ')
}

function statementText(statement: Statement, spelling: Spelling): string {
  switch (statement.kind) {
    case 'field':
      return fieldMatchText(statement, spelling)
    case 'bits':
      return bitsMatchText(statement)
    case 'limit':
      return limitText(statement)
    case 'log':
      return logText(statement)
    case 'mark-connection':
      return `ct mark set ct mark | ${hex(statement.bits)}`
    case 'counter':
      return 'counter'
    case 'verdict':
      return verdictText(statement.verdict)
    case 'opaque':
      throw new InternalError(`a statement that admit did not make cannot be written: ${statement.text}`)
    default:
      throw new InternalError(`unknown statement ${JSON.stringify(statement satisfies never)}`)
  }
}

export function fieldsText(fields: readonly FieldName[]): string {
  if (fields.length === 0) throw new InternalError('a match or set without fields')
  return fields.join(' . ')
}

/** One element, its parts joined by ` . `, as in a set's `elements`. */
export function elementText(fields: readonly FieldName[], element: Element, spelling: Spelling): string {
  const [field] = fields
  const [interval] = element
  if (field === undefined || interval === undefined || fields.length !== element.length) {
    throw new InternalError(`an element of ${element.length} parts for ${fields.length} fields`)
  }
  if (fields.length === 1) return intervalText(FIELDS[field].type, interval, spelling)
  const parts: string[] = []
  for (const [index, name] of fields.entries()) {
    const part = element[index]
    if (part !== undefined) parts.push(partText(FIELDS[name].type, part, spelling))
  }
  return parts.join(' . ')
}

/**
 * nft 1.0.6 does not find an element again to delete it whose time is one moment, unless that is written as a range
 * (it leaves the other byte order in the key's end); 1.1.3 takes both.
 */
function partText(type: FieldType, part: Interval, spelling: Spelling): string {
  const text = intervalText(type, part, spelling)
  return type === 'time' && part.low === part.high ? `${text}-${text}` : text
}

function fieldMatchText(match: FieldMatch, spelling: Spelling): string {
  const left = `${fieldsText(match.fields)}${match.test === 'in' ? '' : ' !='}`
  if (match.values.kind === 'set') return `${left} @${identifier(match.values.name)}`
  const elements = match.values.elements.map((element) => elementText(match.fields, element, spelling))
  if (elements.length === 0) throw new InternalError(`${left} is compared with nothing`)
  if (elements.length === 1 && match.fields.length === 1) return `${left} ${elements[0]}`
  if (match.fields.includes('ct original proto-dst')) {
    // nft 1.0.6: "Error: syntax error, unexpected '{'" or a type mismatch, whichever way it is written.
    throw new InternalError('ct original proto-dst takes one value or range, not a set')
  }
  return `${left} { ${elements.join(', ')} }`
}

function bitsMatchText(match: BitsMatch): string {
  const { field, mask, value } = match
  const operator = match.test === 'equal' ? '==' : '!='
  if (mask === fullMask(field)) return `${field} ${operator} ${bitsText(field, value)}`
  const names = bitNames(field, mask)
  // `ct state established,related` is what everyone writes for "one of these bits is set".
  if (value === 0 && match.test === 'not-equal' && names !== undefined) return `${field} ${names.join(',')}`
  return `${field} & ${maskText(field, mask)} ${operator} ${bitsText(field, value)}`
}

/** The mask that leaves a bit field as it is: 8 bits for TCP's flags, 32 for what the connection holds. */
export function fullMask(field: BitFieldName): number {
  return field === 'tcp flags' ? 0xff : 0xffff_ffff
}

function maskText(field: BitFieldName, mask: number): string {
  const text = bitsText(field, mask)
  return text.includes('|') ? `(${text})` : text
}

function bitsText(field: BitFieldName, bits: number): string {
  if (bits === 0) return '0'
  return bitNames(field, bits)?.join(' | ') ?? hex(bits)
}

function bitNames(field: BitFieldName, bits: number): readonly string[] | undefined {
  const names: string[] = []
  let rest = bits
  for (const [name, bit] of Object.entries(BIT_FIELDS[field])) {
    if ((rest & bit) === 0) continue
    names.push(name)
    rest -= bit
  }
  return rest === 0 && names.length > 0 ? names : undefined
}

function hex(bits: number): string {
  if (!Number.isInteger(bits) || bits < 0 || bits > 0xffff_ffff)
    throw new InternalError(`not 32 bits: ${bits}`)
  return `0x${bits.toString(16)}`
}

function limitText(limit: Limit): string {
  const { rate, per, burst } = limit
  if (!Number.isInteger(rate) || rate < 1 || !Number.isInteger(burst) || burst < 1) {
    throw new InternalError(`not a limit: ${rate}/${per} burst ${burst}`)
  }
  return `limit rate ${rate}/${per}${burst === 5 ? '' : ` burst ${burst} packets`}`
}

function logText(log: Log): string {
  const prefix = log.prefix === '' ? '' : ` prefix ${logPrefix(log.prefix)}`
  return `log${prefix}${log.ether ? ' flags ether' : ''}`
}

/** nft looks for variables in a log prefix, as nowhere else between quotes. */
function logPrefix(prefix: string): string {
  if (prefix.includes('$')) throw new InternalError(`a $ in the log prefix ${JSON.stringify(prefix)}`)
  return quoted(prefix)
}

function verdictText(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return verdict.kind
    case 'jump':
    case 'goto':
      return `${verdict.kind} ${identifier(verdict.chain)}`
    case 'reject':
      return verdict.answer === 'tcp reset' ? 'reject with tcp reset' : `reject with icmpx ${verdict.answer}`
    default:
      throw new InternalError(`unknown verdict ${JSON.stringify(verdict satisfies never)}`)
  }
}

import type { FieldName, FieldType } from '../../ruleset/fields.ts'
import { FIELDS } from '../../ruleset/fields.ts'
import type { Element, Interval, Scalar } from '../../ruleset/ruleset.ts'
import { prefixInterval, readScalar } from './scalar.ts'
import type { TextScanner } from './text-scanner.ts'
import { TextProblem } from './text-scanner.ts'

/** `{ ELEMENT, ELEMENT }`, over as many lines as there are. */
export function readElements(scanner: TextScanner, fields: readonly FieldName[]): readonly Element[] {
  const types = fields.map((field): FieldType => FIELDS[field].type)
  const elements: Element[] = []
  scanner.expect('{')
  scanner.skipLines()
  while (!scanner.skip('}')) {
    elements.push(readElementText(scanner, types))
    scanner.skipLines()
    if (scanner.skip(',')) scanner.skipLines()
    else if (scanner.next.text !== '}') throw scanner.unexpected('`,` or `}`')
  }
  return elements
}

/** Reads one element: for each type a value, a prefix or a range, joined by ` . `. */
export function readElementText(scanner: TextScanner, types: readonly FieldType[]): Element {
  const element: Interval[] = []
  for (const type of types) {
    if (element.length > 0) scanner.expect('.')
    element.push(readIntervalText(scanner, type))
  }
  return element
}

function readIntervalText(scanner: TextScanner, type: FieldType): Interval {
  const { kind, text, offset } = scanner.next
  if (type === 'ifname' || type === 'time') return readQuoted(scanner, type)
  if (kind !== 'word') throw scanner.unexpected(`a value of type ${type}`)
  scanner.take()
  const interval = single(readScalar(type, text)) ?? readPrefix(type, text) ?? readRange(type, text)
  if (interval === undefined) throw new TextProblem(`\`${text}\` is no value of type ${type}`, offset)
  return interval
}

/** Interface names and times stand between quotes; a range of times has a `-` between them. */
function readQuoted(scanner: TextScanner, type: FieldType): Interval {
  const { offset } = scanner.next
  const low = readScalar(type, scanner.string(`a value of type ${type} in quotes`))
  const high = type === 'time' && scanner.skip('-') ? readScalar(type, scanner.string('a time')) : low
  if (low === undefined || high === undefined || low > high) {
    throw new TextProblem(`this is no value of type ${type}`, offset)
  }
  return { low, high }
}

function single(value: Scalar | undefined): Interval | undefined {
  return value === undefined ? undefined : { low: value, high: value }
}

function readPrefix(type: FieldType, text: string): Interval | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = readScalar(type, text.slice(0, slash))
  const length = text.slice(slash + 1)
  return address === undefined || !/^\d{1,3}$/.test(length)
    ? undefined
    : prefixInterval(type, address, Number(length))
}

/** Names such as `echo-request` hold dashes too, but whole texts have been tried before this. */
function readRange(type: FieldType, text: string): Interval | undefined {
  const dash = text.indexOf('-')
  if (dash < 0) return undefined
  const low = readScalar(type, text.slice(0, dash))
  const high = readScalar(type, text.slice(dash + 1))
  return low === undefined || high === undefined || low > high ? undefined : { low, high }
}

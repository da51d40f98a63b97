import { printable } from '../../base/terminal.ts'
import type { Limit, Log, RejectAnswer, Rule, Statement, Verdict } from '../../ruleset/ruleset.ts'
import { arrayOf, isRecord, only, textOf } from './json-shape.ts'
import type { JsonRecord } from './json-shape.ts'
import { opaqueEffect } from './opaque-effect.ts'
import type { FindSet } from './read-match.ts'
import { readMatch } from './read-match.ts'

/** Something of a listing that the model leaves out or keeps only as text. */
export interface Unread {
  /** Where it stands, such as `inet filter input`. */
  readonly where: string
  /** Its JSON text, printable, cut at 500 characters. */
  readonly what: string
  readonly weight: Weight
}

/**
 * What leaving it out means. `decides`: it may give verdicts, as no opaque match does (`vmap`, `queue`, a flowtable).
 * `object`: a set, map or the like that matters only to the rules that name it, and those are opaque there.
 * `detail`: it changes no verdict (a log level, the answer to a refused sender, an element's timeout).
 */
export type Weight = 'decides' | 'object' | 'detail'

export type Report = (what: unknown, weight: Weight) => void

/** Reads a `rule` object. Statements without a model become opaque matches; those that decide are reported too. */
export function readRule(rule: JsonRecord, findSet: FindSet, report: Report): Rule {
  const statements: Statement[] = []
  for (const expression of arrayOf(rule['expr']) ?? []) {
    statements.push(...readStatement(expression, findSet, report))
  }
  const comment = textOf(rule, 'comment')
  return comment === undefined ? { statements } : { statements, comment }
}

function readStatement(expression: unknown, findSet: FindSet, report: Report): readonly Statement[] {
  const kind = isRecord(expression) ? Object.keys(expression)[0] : undefined
  const body = kind === undefined ? undefined : only(expression, kind)
  const known = kind === undefined ? undefined : readKnown(kind, body, findSet, report)
  if (known !== undefined) return [known]
  const effect = kind === undefined ? 'verdict' : opaqueEffect(kind, body)
  const text = JSON.stringify(expression)
  const opaque: Statement = effect === undefined ? { kind: 'opaque', text } : { kind: 'opaque', text, effect }
  if (kind === undefined || DECIDING.has(kind)) report(expression, 'decides')
  if (kind === undefined || !TRANSLATING.has(kind)) return [opaque]
  // A translation ends its chain as an accept does; what it does to the packet is not modelled.
  report(expression, 'detail')
  return [opaque, { kind: 'verdict', verdict: { kind: 'accept' } }]
}

/** Statements that give verdicts of their own, or let packets pass the filter unseen. */
const DECIDING = new Set(['vmap', 'queue', 'tproxy', 'synproxy', 'fwd', 'flow', 'xt'])
const TRANSLATING = new Set(['snat', 'dnat', 'masquerade', 'redirect'])

function readKnown(kind: string, body: unknown, findSet: FindSet, report: Report): Statement | undefined {
  switch (kind) {
    case 'match':
      return readMatch(body, findSet)
    case 'counter':
      return { kind: 'counter' }
    case 'limit':
      return readLimit(body)
    case 'log':
      return readLog(body, report)
    case 'mangle':
      return readMark(body)
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return { kind: 'verdict', verdict: { kind } }
    case 'jump':
    case 'goto':
      return readJump(kind, body)
    case 'reject':
      return { kind: 'verdict', verdict: readReject(body, report) }
    case 'xt':
      return readExtension(body, report)
    default:
      return undefined
  }
}

function readLimit(body: unknown): Limit | undefined {
  if (!isRecord(body)) return undefined
  const { rate, per, burst } = body
  const plain = Object.keys(body).every((key) => key === 'rate' || key === 'per' || key === 'burst')
  if (!plain || typeof rate !== 'number' || rate < 1) return undefined
  if (per !== 'second' && per !== 'minute' && per !== 'hour' && per !== 'day') return undefined
  // 1.0.6 always lists the burst; newer versions leave out the default, which is 5 packets.
  return { kind: 'limit', rate, per, burst: typeof burst === 'number' && burst > 0 ? burst : 5 }
}

/** A log line's level, group and other flags change no verdict: they are reported and left out. */
function readLog(body: unknown, report: Report): Log {
  const log = isRecord(body) ? body : {}
  const ether = log['flags'] === 'ether' || arrayOf(log['flags'])?.includes('ether') === true
  const plain = Object.keys(log).every((key) => key === 'prefix' || (key === 'flags' && log[key] === 'ether'))
  if (!plain) report({ log: body }, 'detail')
  return { kind: 'log', prefix: textOf(log, 'prefix') ?? '', ether }
}

function readMark(body: unknown): Statement | undefined {
  if (!isRecord(body) || !isConnectionMark(body['key'])) return undefined
  const [left, bits, ...rest] = arrayOf(only(body['value'], '|')) ?? []
  if (!isConnectionMark(left) || typeof bits !== 'number' || rest.length > 0) return undefined
  return { kind: 'mark-connection', bits }
}

function isConnectionMark(expression: unknown): boolean {
  const ct = only(expression, 'ct')
  return only(ct, 'key') === 'mark'
}

function readJump(kind: 'jump' | 'goto', body: unknown): Statement | undefined {
  const chain = isRecord(body) ? textOf(body, 'target') : undefined
  return chain === undefined ? undefined : { kind: 'verdict', verdict: { kind, chain } }
}

/** Of iptables-nft's extensions REJECT is a verdict whatever it was told. */
function readExtension(body: unknown, report: Report): Statement | undefined {
  if (!isRecord(body) || body['type'] !== 'target' || body['name'] !== 'REJECT') return undefined
  report({ xt: body }, 'detail')
  return { kind: 'verdict', verdict: { kind: 'reject', answer: 'port-unreachable' } }
}

/** Any refusal is one; where the answer to the sender has no model, the nearest stands for it and it is reported. */
function readReject(body: unknown, report: Report): Verdict {
  const { type, expr: code } = isRecord(body) ? body : {}
  const expr = typeof code === 'number' ? String(code) : typeof code === 'string' ? code : ''
  if (type === 'tcp reset') return { kind: 'reject', answer: 'tcp reset' }
  if (type === undefined) return { kind: 'reject', answer: 'port-unreachable' }
  const exact = type === 'icmpx' ? ICMPX.get(expr) : undefined
  if (exact !== undefined) return { kind: 'reject', answer: exact }
  report({ reject: body }, 'detail')
  return { kind: 'reject', answer: NEAREST.get(expr) ?? 'port-unreachable' }
}

/** By name, and by number as `nft -n` lists them (NFT_REJECT_ICMPX_*). */
const ICMPX: ReadonlyMap<string, RejectAnswer> = new Map([
  ['no-route', 'no-route'],
  ['port-unreachable', 'port-unreachable'],
  ['host-unreachable', 'host-unreachable'],
  ['admin-prohibited', 'admin-prohibited'],
  ['0', 'no-route'],
  ['1', 'port-unreachable'],
  ['2', 'host-unreachable'],
  ['3', 'admin-prohibited'],
])

const NEAREST: ReadonlyMap<string, RejectAnswer> = new Map([
  ['no-route', 'no-route'],
  ['net-unreachable', 'no-route'],
  ['reject-route', 'no-route'],
  ['host-unreachable', 'host-unreachable'],
  ['addr-unreachable', 'host-unreachable'],
  ['admin-prohibited', 'admin-prohibited'],
  ['net-prohibited', 'admin-prohibited'],
  ['host-prohibited', 'admin-prohibited'],
  ['policy-fail', 'admin-prohibited'],
])

export function unreadItem(where: string, what: unknown, weight: Weight): Unread {
  const text = printable(JSON.stringify(what) ?? String(what))
  return { where: printable(where), what: text.length > 500 ? `${text.slice(0, 500)}…` : text, weight }
}

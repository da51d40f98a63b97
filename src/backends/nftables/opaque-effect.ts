import type { OpaqueEffect } from '../../ruleset/ruleset.ts'
import { isRecord, only, textOf } from './json-shape.ts'

/** What a statement of nft's JSON that the model lacks may do besides holding or not. */
export function opaqueEffect(kind: string, body: unknown): OpaqueEffect | undefined {
  if (kind === 'mangle') return mangleEffect(body)
  if (kind === 'xt') return xtEffect(body)
  if (PACKET.has(kind)) return 'packet'
  if (HARMLESS.has(kind)) return 'none'
  return MATCHING.has(kind) ? undefined : 'verdict'
}

/** Statements that hold or not and do nothing else to the packet. All that is in no list may do anything. */
const MATCHING: ReadonlySet<string> = new Set([
  'match',
  'limit',
  'quota',
  'counter',
  'ct count',
  'meter',
  'set',
  'map',
  'last',
])
const PACKET: ReadonlySet<string> = new Set([
  'snat',
  'dnat',
  'masquerade',
  'redirect',
  'notrack',
  'tproxy',
  'synproxy',
])
const HARMLESS: ReadonlySet<string> = new Set(['dup', 'ct helper', 'ct timeout', 'ct expectation', 'secmark'])

function mangleEffect(body: unknown): OpaqueEffect {
  const key = isRecord(body) ? body['key'] : undefined
  const ct = only(key, 'ct')
  if (isRecord(ct)) return textOf(ct, 'key') === 'mark' ? 'mark' : 'none'
  return only(key, 'payload') === undefined ? 'none' : 'packet'
}

/** Extensions of iptables-nft: the JSON tells their names, and nothing of what they were told. */
function xtEffect(body: unknown): OpaqueEffect | undefined {
  const name = isRecord(body) ? textOf(body, 'name') : undefined
  if (!isRecord(body) || name === undefined) return 'verdict'
  if (body['type'] === 'match') return name === 'comment' ? 'none' : undefined
  if (XT_HARMLESS.has(name)) return 'none'
  if (name === 'CONNMARK') return 'mark'
  return XT_PACKET.has(name) ? 'packet' : 'verdict'
}

const XT_HARMLESS: ReadonlySet<string> = new Set([
  'AUDIT',
  'CHECKSUM',
  'CLASSIFY',
  'CONNSECMARK',
  'DSCP',
  'HL',
  'LOG',
  'MARK',
  'NFLOG',
  'RATEEST',
  'SECMARK',
  'SET',
  'TCPMSS',
  'TCPOPTSTRIP',
  'TEE',
  'TOS',
  'TRACE',
  'TTL',
  'ULOG',
])
const XT_PACKET: ReadonlySet<string> = new Set([
  'CT',
  'DNAT',
  'MASQUERADE',
  'NETMAP',
  'NOTRACK',
  'REDIRECT',
  'SNAT',
  'TPROXY',
])

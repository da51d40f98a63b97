import { InternalError } from '../base/internal-error.ts'
import { cidrRange } from '../net/cidr.ts'
import type { Family } from '../net/ip-address.ts'
import { macToNumber } from '../net/mac-address.ts'
import type { Device, Identity, Name, Policy } from '../policy/policy.ts'
import { only, setName } from '../ruleset/build.ts'
import type { FieldName } from '../ruleset/fields.ts'
import type { Element, Interval, NamedSet } from '../ruleset/ruleset.ts'
import type { TimedRange } from './disjoint.ts'
import { disjoint } from './disjoint.ts'

/** Those that a grant names, as sets: one for each kind of identity that occurs, so a device more is an element more. */
export interface AudienceSets {
  readonly sets: readonly AudienceSet[]
}

export interface AudienceSet {
  readonly set: NamedSet
  /** The only family that its elements can match; absent where either can. */
  readonly family?: Family
}

type Shape = 'mac' | 'ip4' | 'ip6' | 'mac-ip4' | 'mac-ip6'

const SHAPES: Readonly<Record<Shape, { readonly fields: readonly FieldName[]; readonly family?: Family }>> = {
  mac: { fields: ['ether saddr'] },
  ip4: { fields: ['ip saddr'], family: 'ip' },
  ip6: { fields: ['ip6 saddr'], family: 'ip6' },
  'mac-ip4': { fields: ['ether saddr', 'ip saddr'], family: 'ip' },
  'mac-ip6': { fields: ['ether saddr', 'ip6 saddr'], family: 'ip6' },
}

/**
 * The sets of every audience in the policy, by the key of `audienceKey`. `now` (seconds) becomes the low end of
 * elements with an `until`, unless that has passed: such an element can match no more.
 */
export function audienceSets(policy: Policy, now: number): ReadonlyMap<string, AudienceSets> {
  const devices = new Map(policy.devices.map((device) => [device.name, device]))
  const result = new Map<string, AudienceSets>()
  const taken = new Set<string>()
  for (const { from } of policy.grants) {
    if (from.kind === 'anyone') continue
    const key = audienceKey(from.written)
    if (result.has(key)) continue
    const members = from.devices.map((name) => devices.get(name)).filter((device) => device !== undefined)
    if (members.length !== from.devices.length)
      throw new InternalError('a grant names a device that is not there')
    result.set(key, { sets: setsOf(unusedName(from.written, taken), members, now) })
  }
  return result
}

/** Grants that name the same devices and groups share their sets. */
export function audienceKey(written: readonly Name[]): string {
  return [...new Set(written)].sort().join(' ')
}

/**
 * A readable name for an audience's sets: the one name that it consists of where nft takes that as an identifier,
 * else its beginning and a hash. `.` parts it from the kind of identity, and no policy name contains one.
 */
function unusedName(written: readonly Name[], taken: Set<string>): string {
  const key = audienceKey(written)
  const plain = key.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, 24)
  const readable = /^[a-zA-Z]/.test(plain) ? plain : `g${plain}`
  const stem = plain === key && readable === key ? key : `${readable}_${hash(key)}`
  let name = stem
  for (let count = 2; taken.has(name); count++) name = `${stem}_${count}`
  taken.add(name)
  return name
}

/** FNV-1a, 32 bits: names only, never identity; `taken` settles collisions. */
function hash(text: string): string {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return value.toString(16).padStart(8, '0')
}

interface Entry {
  readonly identity: Identity
  readonly until: number
}

function setsOf(name: string, members: readonly Device[], now: number): readonly AudienceSet[] {
  const entries = members.flatMap((device) =>
    device.identities.map(
      (identity): Entry => ({ identity, until: device.until ?? Number.POSITIVE_INFINITY }),
    ),
  )
  return Object.entries(SHAPES).flatMap(([shape, { fields, family }]) => {
    const fitting = entries.filter((entry) => shapeOf(entry.identity) === shape)
    const lasting = fitting.filter((entry) => entry.until === Number.POSITIVE_INFINITY)
    const timed = fitting.filter((entry) => entry.until !== Number.POSITIVE_INFINITY)
    const named = family === undefined ? {} : { family }
    return [
      ...nonEmpty(`${name}.${shape}`, fields, elementsOf(lasting, now)).map((set) => ({ set, ...named })),
      ...nonEmpty(`${name}.${shape}-until`, [...fields, 'meta time'], elementsOf(timed, now)).map((set) => ({
        set,
        ...named,
      })),
    ]
  })
}

function nonEmpty(
  name: string,
  fields: readonly FieldName[],
  elements: readonly Element[],
): readonly NamedSet[] {
  if (elements.length === 0) return []
  const interval = fields.length > 1 || fields[0] !== 'ether saddr'
  return [{ name: setName(name), fields, interval, elements }]
}

function shapeOf(identity: Identity): Shape {
  switch (identity.kind) {
    case 'mac':
      return 'mac'
    case 'address':
      return identity.cidr.family === 'ip' ? 'ip4' : 'ip6'
    case 'bound':
      return identity.cidr.family === 'ip' ? 'mac-ip4' : 'mac-ip6'
    default:
      return identity satisfies never
  }
}

/** Elements without overlap; of two untils for the same packets the later one counts. */
function elementsOf(entries: readonly Entry[], now: number): readonly Element[] {
  const byMac = new Map<number | undefined, { readonly ranges: TimedRange[]; latest: number }>()
  for (const { identity, until } of entries) {
    const mac = identity.kind === 'address' ? undefined : macToNumber(identity.mac)
    const group = byMac.get(mac) ?? { ranges: [], latest: 0 }
    if (identity.kind !== 'mac') group.ranges.push({ ...cidrRange(identity.cidr), until })
    group.latest = Math.max(group.latest, until)
    byMac.set(mac, group)
  }
  const wide = entries.some(({ identity }) => identity.kind !== 'mac' && identity.cidr.family === 'ip6')
  return [...byMac].flatMap(([mac, group]) => {
    const before = mac === undefined ? [] : [only(mac)]
    if (group.ranges.length === 0) return [[...before, ...timeOf(group.latest, now)]]
    return disjoint(group.ranges).map((range) => [
      ...before,
      addresses(range, wide),
      ...timeOf(range.until, now),
    ])
  })
}

function addresses(range: TimedRange, wide: boolean): Interval {
  return wide ? { low: range.low, high: range.high } : { low: Number(range.low), high: Number(range.high) }
}

function timeOf(until: number, now: number): readonly Interval[] {
  return until === Number.POSITIVE_INFINITY ? [] : [{ low: Math.min(now, until), high: until }]
}

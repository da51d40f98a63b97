import { InternalError } from '../base/internal-error.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrRange, formatCidr } from '../net/cidr.ts'
import type { Family } from '../net/ip-address.ts'
import type { Grant, Placed, Target } from '../policy/policy.ts'
import { inSet, isIn, oneOf, verdict } from '../ruleset/build.ts'
import type { Match, Rule } from '../ruleset/ruleset.ts'
import type { AudienceSets } from './audiences.ts'
import { audienceKey } from './audiences.ts'
import { disjoint } from './disjoint.ts'
import { originComment } from './origin.ts'
import type { Way } from './services.ts'
import { dialledWaysTo, waysTo } from './services.ts'

/** The rules of a grant for packets to this host; none for a grant about networks behind it. */
export function inputGrantRules(grant: Grant, audiences: ReadonlyMap<string, AudienceSets>): readonly Rule[] {
  if (grant.through !== undefined) return []
  return grantRules(grant, waysTo(grant.to), audiences)
}

/** The rules of a grant for packets that this host forwards. */
export function forwardGrantRules(
  grant: Grant,
  audiences: ReadonlyMap<string, AudienceSets>,
): readonly Rule[] {
  if (grant.through === undefined) return grantRules(grant, dialledWaysTo(grant.to), audiences)
  const through = grant.through
  const families: readonly Family[] = ['ip', 'ip6']
  return families.flatMap((family) => {
    const behind = throughMatch(through, family)
    if (behind === undefined) return []
    const ways = waysTo(grant.to)
      .filter((way) => way.family === undefined || way.family === family)
      .map((way) => ({ family, matches: [behind, ...way.matches] }))
    return grantRules(grant, ways, audiences)
  })
}

function throughMatch(through: readonly Placed<Cidr>[], family: Family): Match | undefined {
  const cidrs = through.map((entry) => entry.value).filter((cidr) => cidr.family === family)
  if (cidrs.length === 0) return undefined
  const ranges = disjoint(cidrs.map((cidr) => ({ ...cidrRange(cidr), until: 0 })))
  const elements = ranges.map(({ low, high }) => [
    family === 'ip' ? { low: Number(low), high: Number(high) } : { low, high },
  ])
  return isIn([family === 'ip' ? 'ip daddr' : 'ip6 daddr'], elements)
}

/** A rule for each way and each kind of identity: the number of devices does not come into it. */
function grantRules(
  grant: Grant,
  ways: readonly Way[],
  audiences: ReadonlyMap<string, AudienceSets>,
): readonly Rule[] {
  const on =
    grant.on === undefined ? [] : [oneOf('iifname', [...new Set(grant.on.map((entry) => entry.value))])]
  const comment = originComment(grant.place.path, grantWords(grant))
  return ways.flatMap((way) =>
    senders(grant, way, audiences).map((sender) => ({
      statements: [...on, ...way.matches, ...sender, verdict('accept')],
      comment,
    })),
  )
}

/** The matches that tell the grant's audience, one list for each kind of identity; one empty list for anyone. */
function senders(
  grant: Grant,
  way: Way,
  audiences: ReadonlyMap<string, AudienceSets>,
): readonly (readonly Match[])[] {
  if (grant.from.kind === 'anyone') return [[]]
  const audience = audiences.get(audienceKey(grant.from.written))
  if (audience === undefined) throw new InternalError('a grant has no sets')
  return audience.sets
    .filter(({ family }) => family === undefined || way.family === undefined || family === way.family)
    .map(({ set }) => [inSet(set.fields, set.name)])
}

/** `from family to ssh, ping, on eth0`, as a person would say it. */
export function grantWords(grant: Grant): string {
  const from = grant.from.kind === 'anyone' ? 'anyone' : grant.from.written.join(', ')
  const to = grant.to.map(targetWords).join(', ')
  const on = grant.on === undefined ? '' : `, on ${grant.on.map((entry) => entry.value).join(', ')}`
  const through =
    grant.through === undefined
      ? ''
      : `, through ${grant.through.map((entry) => formatCidr(entry.value)).join(', ')}`
  return `from ${from} to ${to}${on}${through}`
}

export function targetWords(target: Target): string {
  return target.kind === 'everything' ? 'everything' : target.service.name
}

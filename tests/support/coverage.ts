import { evaluate } from '../../src/analysis/evaluate.ts'
import { originPath } from '../../src/compile/origin.ts'
import { isExpired, judge } from '../../src/policy/meaning.ts'
import type { Grant, Policy } from '../../src/policy/policy.ts'
import type { Match, Rule, Statement, Table } from '../../src/ruleset/ruleset.ts'
import type { HostPlan } from './host-plan.ts'
import type { TestPacket } from './test-packet.ts'

/** Is the generator any good? What its packets decided, over a whole run. */
export interface Coverage {
  packets: number
  admitted: number
  grants: number
  /** Grants that were the reason for some packet's admission. */
  decidingGrants: number
  /** Grants that would have been, had the grants before them not been the reason already. */
  shadowedGrants: number
  /** Grants that nobody can use just now: all their devices' times are over. */
  expiredGrants: number
  /** How often each kind of rule, reason or situation decided: `grant by ip4-until`, `meaning.reply accept`. */
  readonly decisions: Map<string, number>
  /** Kinds of match that occur, and how many times some packet's verdict hung on one of them. */
  readonly matches: Map<string, number>
}

export function newCoverage(): Coverage {
  return {
    packets: 0,
    admitted: 0,
    grants: 0,
    decidingGrants: 0,
    shadowedGrants: 0,
    expiredGrants: 0,
    decisions: new Map(),
    matches: new Map(),
  }
}

export function measure(
  coverage: Coverage,
  plan: HostPlan,
  policy: Policy,
  table: Table,
  tests: readonly TestPacket[],
): void {
  const deciding = new Set<string>()
  for (const { packet, origin } of tests) {
    coverage.packets++
    const judgement = judge(policy, plan.facts, packet)
    if (judgement.verdict === 'admitted') coverage.admitted++
    if (judgement.reason.kind === 'grant') deciding.add(judgement.reason.grant.place.path)
    count(coverage.decisions, `reason ${judgement.verdict}: ${judgement.reason.kind}`)
    const { state, direction } = packet.tracking
    count(coverage.decisions, `tracking ${state} ${direction} at ${packet.hook}`)
    if (state === 'related' && packet.destinationPort !== undefined) {
      count(coverage.decisions, `related connection ${judgement.verdict}`)
    }
    count(coverage.decisions, `origin ${origin.kind}`)
    const last = evaluate({ tables: [table] }, packet).path.at(-1)
    if (last?.rule !== undefined) count(coverage.decisions, `rule ${ruleKind(last.rule)}`)
  }
  coverage.grants += policy.grants.length
  coverage.decidingGrants += deciding.size
  for (const grant of policy.grants) {
    if (deciding.has(grant.place.path)) continue
    if (isOver(policy, grant, tests[0]?.packet.time ?? 0)) coverage.expiredGrants++
    else if (decidesAlone(plan, policy, grant, tests)) coverage.shadowedGrants++
  }
}

function isOver(policy: Policy, { from }: Grant, time: number): boolean {
  if (from.kind === 'anyone') return false
  return policy.devices.every((device) => !from.devices.includes(device.name) || isExpired(device, time))
}

function decidesAlone(plan: HostPlan, policy: Policy, grant: Grant, tests: readonly TestPacket[]): boolean {
  const alone = { ...policy, grants: [grant] }
  return tests.some(({ packet }) => judge(alone, plan.facts, packet).reason.kind === 'grant')
}

/**
 * For every match of the table: does leaving it out change the verdict on some packet? Then that match was needed,
 * and the packets saw it. Quadratic, so for a part of the policies.
 */
export function measureMatches(coverage: Coverage, table: Table, tests: readonly TestPacket[]): void {
  const verdicts = tests.map(({ packet }) => evaluate({ tables: [table] }, packet).verdict)
  for (const [chainIndex, chain] of table.chains.entries()) {
    const hooked = tests.flatMap(({ packet }, index) => (packet.hook === chain.base?.hook ? [index] : []))
    for (const [ruleIndex, rule] of chain.rules.entries()) {
      for (const [index, statement] of rule.statements.entries()) {
        if (statement.kind !== 'field' && statement.kind !== 'bits') continue
        const kind = matchKind(statement)
        if (!coverage.matches.has(kind)) coverage.matches.set(kind, 0)
        if (chain.name === 'output') continue
        const without = withStatements(table, chainIndex, ruleIndex, rule.statements.toSpliced(index, 1))
        const changes = hooked.some((at) => {
          const packet = tests[at]?.packet
          return packet !== undefined && evaluate({ tables: [without] }, packet).verdict !== verdicts[at]
        })
        if (changes) count(coverage.matches, kind)
      }
    }
  }
}

export function withStatements(
  table: Table,
  chainIndex: number,
  ruleIndex: number,
  statements: readonly Statement[],
): Table {
  return {
    ...table,
    chains: table.chains.map((chain, at) =>
      at === chainIndex
        ? {
            ...chain,
            rules: chain.rules.map((rule, index) => (index === ruleIndex ? { ...rule, statements } : rule)),
          }
        : chain,
    ),
  }
}

function ruleKind(rule: Rule): string {
  const verdict = rule.statements.find((statement) => statement.kind === 'verdict')?.verdict.kind
  const path = rule.comment === undefined ? undefined : originPath(rule.comment)
  const words = /^grants/.test(path ?? '')
    ? `grant by ${senderKind(rule)}`
    : rule.comment?.replace(/^host\.unguarded: .*/, 'host.unguarded')
  return `${words} ${verdict}`
}

function senderKind(rule: Rule): string {
  for (const statement of rule.statements) {
    if (statement.kind === 'field' && statement.values.kind === 'set') {
      return statement.values.name.slice(statement.values.name.lastIndexOf('.') + 1)
    }
  }
  return 'anyone'
}

function matchKind(match: Match & { kind: 'field' | 'bits' }): string {
  if (match.kind === 'bits') return `${match.field} & ${match.mask} ${match.test}`
  return `${match.fields.join(' . ')} ${match.test} ${match.values.kind}`
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

/**
 * A forwarded frame that was sent to none of the host's own MAC addresses came over a bridge: of the two matches of that
 * rule, `ether daddr` decides alone. The interfaces stay in the rule for a bridge that changes its address.
 */
const IMPLIED = 'iifname . oifname in literal'

/** Kinds of match on which no verdict has hung so far, though one could. */
export function idle(coverage: Coverage): readonly string[] {
  return [...coverage.matches]
    .filter(([kind, times]) => times === 0 && kind !== IMPLIED)
    .map(([kind]) => kind)
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`
}

export function listed(map: ReadonlyMap<string, number>): string {
  return [...map]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, times]) => `  ${String(times).padStart(7)}  ${key}`)
    .join('\n')
}

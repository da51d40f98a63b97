import type { HostFacts } from '../host/host-facts.ts'
import type { Policy } from '../policy/policy.ts'
import type { BaseChain, Chain, Rule, Table, TableRef } from '../ruleset/ruleset.ts'
import type { AudienceSets } from './audiences.ts'
import { audienceSets } from './audiences.ts'
import { forwardGrantRules, inputGrantRules } from './grant-rules.ts'
import {
  bridgedRules,
  connectionRules,
  forwardPickUpRules,
  networkNeedRules,
  notJudgedRules,
  outputPickUpRules,
  refuseRules,
} from './meaning-rules.ts'

/** The one table that admit owns; it never writes to another. */
export const ADMIT_TABLE: TableRef = { family: 'inet', name: 'admit' }

export interface CompileOptions {
  /** Seconds since 1970: the low end of the ranges that `until` makes. */
  readonly now: number
}

/**
 * The rules that say what the policy means on this host. Of the host only its bridges and its own MAC addresses matter, so that
 * frames between their ports are left alone.
 */
export function compile(policy: Policy, facts: HostFacts, options: CompileOptions): Table {
  const audiences = audienceSets(policy, options.now)
  return {
    ...ADMIT_TABLE,
    sets: [...audiences.values()].flatMap((audience) => audience.sets.map(({ set }) => set)),
    chains: [inputChain(policy, audiences), ...forwardChains(policy, facts, audiences), outputChain()],
  }
}

function inputChain(policy: Policy, audiences: ReadonlyMap<string, AudienceSets>): Chain {
  return baseChain('input', [
    ...notJudgedRules(policy.host),
    ...connectionRules(),
    ...networkNeedRules(),
    ...policy.grants.flatMap((grant) => inputGrantRules(grant, audiences)),
    ...refuseRules(policy.host),
  ])
}

function forwardChains(
  policy: Policy,
  facts: HostFacts,
  audiences: ReadonlyMap<string, AudienceSets>,
): readonly Chain[] {
  const bridged = bridgedRules(facts)
  switch (policy.host.forward) {
    case 'keep':
      return []
    case 'drop':
      return [baseChain('forward', [...bridged, ...refuseRules(policy.host)])]
    case 'guard':
      return [
        baseChain('forward', [
          ...bridged,
          ...forwardPickUpRules(policy.host),
          ...notJudgedRules(policy.host),
          ...connectionRules(),
          ...policy.grants.flatMap((grant) => forwardGrantRules(grant, audiences)),
          ...refuseRules(policy.host),
        ]),
      ]
    default:
      return policy.host.forward satisfies never
  }
}

/** Nothing that leaves is refused: the chain only marks, so its policy is accept and it ends without a drop. */
function outputChain(): Chain {
  return { name: 'output', base: hook('output', 'accept'), rules: outputPickUpRules() }
}

/** The policy drops as well, so that a chain which someone empties by hand is closed and not open. */
function baseChain(name: 'input' | 'forward', rules: readonly Rule[]): Chain {
  return { name, base: hook(name, 'drop'), rules }
}

function hook(name: 'input' | 'forward' | 'output', policy: 'accept' | 'drop'): BaseChain {
  return { type: 'filter', hook: name, priority: 0, policy }
}

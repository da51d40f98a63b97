import fc from 'fast-check'
import { formatCidr } from '../../src/net/cidr.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { HostPlan } from './host-plan.ts'
import { DEFAULT_NAMES, ownNetworks, planHost } from './host-plan.ts'
import { randomPolicy } from './law-policies.ts'
import { randomPackets } from './packet-generator.ts'
import { arbitraryPolicy } from './policy-arbitrary.ts'
import { randomFrom, seedFor } from './random.ts'
import { mayOpenTun } from './raw-socket.ts'
import type { TestPacket } from './test-packet.ts'

/** How many cases a run takes: few by hand, more in CI, most with `--long`. */
export function caseCount(few: number, ci: number, long: number): number {
  if (process.env['ADMIT_LONG'] !== undefined) return long
  return process.env['CI'] === undefined ? few : ci
}

/** The seed of this run: drawn, or ADMIT_SEED to repeat one. */
export function drawnSeed(): number {
  const wanted = process.env['ADMIT_SEED']
  return wanted === undefined ? Math.floor(Math.random() * 0x100000000) : Number(wanted)
}

export const PACKETS_PER_POLICY = 500

export interface LawCase {
  readonly policy: Policy
  readonly tests: readonly TestPacket[]
}

/**
 * A policy and packets for it. Two thirds of the policies are made to fit the host's networks, the others are what
 * the language's own tests read: names in any script, groups of groups, services of every kind.
 */
export function lawCase(seed: number, index: number, plan: HostPlan, now: number): LawCase {
  const own = seedFor(seed, index)
  const random = randomFrom(own)
  const policy = index % 3 === 2 ? policyAsWritten(own, plan) : randomPolicy(random, plan, now)
  return { policy, tests: randomPackets(random, plan, policy, PACKETS_PER_POLICY, now) }
}

function policyAsWritten(seed: number, plan: HostPlan): Policy {
  const networks = plan.interfaces.flatMap((planned) => [...ownNetworks(planned), ...planned.behind])
  const arbitrary = arbitraryPolicy({
    interfaces: plan.interfaces.map((planned) => planned.name),
    forward: ['guard', 'guard', 'drop', 'keep'],
    networks: [...networks.map(formatCidr), '0.0.0.0/0', '::/0'],
    addresses: [...networks.map(formatCidr), '203.0.113.9', '2001:db8:7::9'],
    tests: false,
  })
  const [generated] = fc.sample(arbitrary, { numRuns: 1, seed: seed | 0 })
  if (generated === undefined) throw new Error('no policy was generated')
  return generated.policy
}

/** Hosts whose interfaces have these names, so that names which sort, prefix or contain each other are met. */
export const HOSTS: readonly (readonly string[])[] = [
  DEFAULT_NAMES,
  ['wan', 'wan.7', 'br-lan', 'tun'],
  ['enp1s0f0', 'enp1s0f1', 'docker0', 'wg0'],
]

export function planFor(index: number): HostPlan {
  return planHost(HOSTS[index % HOSTS.length] ?? DEFAULT_NAMES, mayOpenTun())
}

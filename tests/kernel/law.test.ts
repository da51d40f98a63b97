/**
 * The law: for random policies, hosts and packets, the meaning of the policy, the compiled model, what is read back
 * from its text and from the kernel, and the kernel's own verdict on real packets are the same. ADMIT_SEED repeats
 * a run, ADMIT_LAW_POLICIES sets how many policies it takes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPolicy } from '../../src/policy/format.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import type { Coverage } from '../support/coverage.ts'
import { listed, measure, measureMatches, newCoverage, percent } from '../support/coverage.ts'
import { buildHost, hasBridgeNetfilter } from '../support/host-under-test.ts'
import type { LawRun } from '../support/law.ts'
import { describe, holdToLaw } from '../support/law.ts'
import { caseCount, drawnSeed, HOSTS, lawCase, PACKETS_PER_POLICY, planFor } from '../support/law-cases.ts'
import { shrink } from '../support/shrink.ts'

const policies = caseCount(20, 200, 2000)
const seed = drawnSeed()
/** Leaving out every match of a policy in turn is slow; this many policies show every kind of match. */
const MATCHED_POLICIES = 24

test('the meaning, the model, its text and the kernel agree', async (context) => {
  context.diagnostic(`ADMIT_SEED=${seed} ADMIT_LAW_POLICIES=${policies}`)
  if (!hasBridgeNetfilter()) {
    context.diagnostic(
      'NOT TRIED: bridged packets, since this kernel has no br_netfilter (modprobe br_netfilter)',
    )
  }
  const coverage = newCoverage()
  const kernel = new NftKernel()
  const started = performance.now()
  for (const [number] of HOSTS.entries()) {
    const host = buildHost(planFor(number))
    for (let index = number; index < policies; index += HOSTS.length) {
      const now = Math.floor(Date.now() / 1000)
      const { policy, tests } = lawCase(seed, index, host.plan, now)
      const run = await holdToLaw(policy, tests, { host, kernel, now })
      if (run.misbeliefs.length > 0 || run.differences.length > 0) {
        const small = await shrink(policy, tests, { host, kernel, now })
        assert.fail(
          `policy ${index} of ADMIT_SEED=${seed}\n${report(run)}\n\nthe least that differs:\n${formatPolicy(small.policy)}\n${report(small.run)}`,
        )
      }
      measure(coverage, host.plan, policy, run.table, tests)
      if (index < MATCHED_POLICIES || idle(coverage).length > 0) measureMatches(coverage, run.table, tests)
    }
    host.close()
  }
  const seconds = (performance.now() - started) / 1000
  context.diagnostic(`${policies} policies × ${PACKETS_PER_POLICY} packets in ${seconds.toFixed(1)} s`)
  sayCoverage(context.diagnostic.bind(context), coverage)
  assertCoverage(coverage)
})

function report(run: LawRun): string {
  const differences = run.differences
    .slice(0, 3)
    .map(({ test: packet, answers }) => `${JSON.stringify(answers)}\n  ${describe(packet)}`)
  const misbeliefs = run.misbeliefs.slice(0, 3).map((words) => `the harness was wrong: ${words}`)
  return [`${run.differences.length} differences`, ...differences, ...misbeliefs].join('\n')
}

function sayCoverage(say: (text: string) => void, coverage: Coverage): void {
  say(`admitted: ${percent(coverage.admitted, coverage.packets)} of ${coverage.packets} packets`)
  const { grants, decidingGrants, shadowedGrants, expiredGrants } = coverage
  const rest = grants - decidingGrants - shadowedGrants - expiredGrants
  say(
    `${grants} grants: ${decidingGrants} decided some packet, ${shadowedGrants} only where an earlier one did`,
  )
  say(`  ${expiredGrants} were over, ${rest} met no packet`)
  say(`decisions:\n${listed(coverage.decisions)}`)
  say(`verdicts that hung on a match, by kind:\n${listed(coverage.matches)}`)
}

/** A generator that never meets a corner proves nothing about it. */
function assertCoverage(coverage: Coverage): void {
  const admitted = coverage.admitted / coverage.packets
  assert.ok(admitted >= 0.2 && admitted <= 0.8, `admitted ${percent(coverage.admitted, coverage.packets)}`)
  const { grants, decidingGrants, shadowedGrants, expiredGrants } = coverage
  const met = (decidingGrants + shadowedGrants) / (grants - expiredGrants)
  assert.ok(met >= 0.9, `only ${(met * 100).toFixed(1)} % of the grants met a packet that they admit`)
  assert.deepEqual(idle(coverage), [], 'matches on which no verdict ever hung')
  const missing = EVERY_DECISION.filter((decision) => !coverage.decisions.has(decision))
  assert.deepEqual(missing, [], 'decisions that no packet met')
}

function idle(coverage: Coverage): readonly string[] {
  return [...coverage.matches]
    .filter(([kind, times]) => times === 0 && !kind.startsWith('output'))
    .map(([kind]) => kind)
}

const SENDERS = ['mac', 'ip4', 'ip6', 'mac-ip4', 'mac-ip6'].flatMap((kind) => [kind, `${kind}-until`])
const REASONS = [
  ...[
    'bridged',
    'forward-keep',
    'grant',
    'loopback',
    'network-need',
    'related-error',
    'reply',
    'unguarded',
  ].map((reason) => `admitted: ${reason}`),
  ...['forward-drop', 'invalid', 'no-grant', 'picked-up'].map((reason) => `refused: ${reason}`),
]
const NEEDS = ['DHCP answers', 'DHCPv6 answers', 'IGMP queries', 'MLD queries', 'neighbour discovery']

/** What some packet must have met, in a run of any length. */
const EVERY_DECISION: readonly string[] = [
  ...SENDERS.map((kind) => `rule grant by ${kind} accept`),
  'rule grant by anyone accept',
  ...REASONS.map((reason) => `reason ${reason}`),
  ...NEEDS.map((need) => `rule meaning.network: ${need} accept`),
]

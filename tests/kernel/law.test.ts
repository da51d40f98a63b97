/**
 * The law: for random policies, hosts and packets, the meaning of the policy, the compiled model, what is read back
 * from its text and from the kernel, and the kernel's own verdict on real packets are the same. ADMIT_SEED repeats
 * a run, ADMIT_LAW_POLICIES sets how many policies it takes.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatPolicy } from '../../src/policy/format.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { idle, listed, measure, measureMatches, newCoverage, percent } from '../support/coverage.ts'
import { buildHost, hasBridgeNetfilter } from '../support/host-under-test.ts'
import type { LawOptions, LawRun } from '../support/law.ts'
import { describePacket, holdToLaw } from '../support/law.ts'
import type { LawCase } from '../support/law-cases.ts'
import { caseCount, drawnSeed, HOSTS, lawCase, PACKETS_PER_POLICY, planFor } from '../support/law-cases.ts'
import { mayOpenTun } from '../support/raw-socket.ts'
import { shrink } from '../support/shrink.ts'

const policies = Number(process.env['ADMIT_LAW_POLICIES'] ?? caseCount(20, 200, 2000))
const seed = drawnSeed()
/** Leaving out every match of a policy in turn is slow; about this many policies show every kind of match. */
const MATCHED_POLICIES = 24
/** With fewer policies a corner may be missed by chance. */
const ENOUGH_POLICIES = 100

describe('the law', () => {
  const kernel = new NftKernel()
  const coverage = newCoverage()

  for (const [number, names] of HOSTS.entries()) {
    test(`on a host with ${names.join(', ')}`, async (context) => {
      context.diagnostic(`ADMIT_SEED=${seed} ADMIT_LAW_POLICIES=${policies}`)
      sayWhatIsMissing(context.diagnostic.bind(context))
      const host = buildHost(planFor(number))
      context.after(() => host.close())
      const started = performance.now()
      let tried = 0
      for (let index = number; index < policies; index += HOSTS.length) {
        const now = Math.floor(Date.now() / 1000)
        const drawn = lawCase(seed, index, host.plan, now)
        const run = await hold(`policy ${index} of ADMIT_SEED=${seed}`, drawn, { host, kernel, now })
        measure(coverage, host.plan, drawn.policy, run.table, drawn.tests)
        if (index < MATCHED_POLICIES || idle(coverage).length > 0)
          measureMatches(coverage, run.table, drawn.tests)
        tried++
      }
      const seconds = (performance.now() - started) / 1000
      context.diagnostic(
        `${tried} policies × ${PACKETS_PER_POLICY} packets, no difference, ${seconds.toFixed(1)} s`,
      )
    })
  }

  test('the packets reach every corner', (context) => {
    const { grants, decidingGrants, shadowedGrants, expiredGrants, admitted, packets } = coverage
    const met = decidingGrants + shadowedGrants
    context.diagnostic(`admitted: ${percent(admitted, packets)} of ${packets} packets`)
    context.diagnostic(
      `${grants} grants: ${decidingGrants} decided some packet, ${shadowedGrants} only where an earlier one did, ` +
        `${expiredGrants} were over, ${grants - met - expiredGrants} met no packet`,
    )
    assert.ok(admitted >= 0.2 * packets, `admitted ${percent(admitted, packets)}`)
    if (policies < ENOUGH_POLICIES) return
    assert.ok(admitted <= 0.8 * packets, `admitted ${percent(admitted, packets)}`)
    context.diagnostic(`decisions:\n${listed(coverage.decisions)}`)
    context.diagnostic(`verdicts that hung on a match, by kind:\n${listed(coverage.matches)}`)
    assert.ok(met >= 0.9 * (grants - expiredGrants), 'too many grants met no packet that they admit')
    assert.deepEqual(idle(coverage), [], 'matches on which no verdict ever hung')
    const missing = everyDecision().filter((decision) => !coverage.decisions.has(decision))
    assert.deepEqual(missing, [], 'decisions that no packet met')
  })
})

function sayWhatIsMissing(say: (words: string) => void): void {
  if (!hasBridgeNetfilter()) {
    say('NOT TRIED: bridged packets, since this kernel has no br_netfilter (modprobe br_netfilter)')
  }
  if (!mayOpenTun()) say('NOT TRIED: packets on a tun interface, since this user may not open /dev/net/tun')
}

/** A difference fails the test, with the least policy that still differs. */
async function hold(where: string, drawn: LawCase, options: LawOptions): Promise<LawRun> {
  const run = await holdToLaw(drawn.policy, drawn.tests, options).catch((cause: unknown) => {
    throw new Error(`${where}\n${formatPolicy(drawn.policy)}`, { cause })
  })
  if (run.misbeliefs.length === 0 && run.differences.length === 0) return run
  const small = await shrink(drawn.policy, drawn.tests, options)
  const least = `${formatPolicy(small.policy)}\n${report(small.run)}`
  return assert.fail(`${where}\n${report(run)}\n\nthe least that differs:\n${least}`)
}

function report(run: LawRun): string {
  const differences = run.differences
    .slice(0, 3)
    .map((difference) => `${JSON.stringify(difference.answers)}\n  ${describePacket(difference.test)}`)
  const misbeliefs = run.misbeliefs.slice(0, 3).map((words) => `the harness was wrong: ${words}`)
  return [`${run.differences.length} differences`, ...differences, ...misbeliefs].join('\n')
}

/** What some packet must have met. */
function everyDecision(): readonly string[] {
  const senders = ['mac', 'ip4', 'ip6', 'mac-ip4', 'mac-ip6'].flatMap((kind) => [kind, `${kind}-until`])
  const admitted = [
    'forward-keep',
    'grant',
    'loopback',
    'network-need',
    'related-error',
    'reply',
    'unguarded',
  ]
  if (hasBridgeNetfilter()) admitted.push('bridged')
  const refused = ['forward-drop', 'invalid', 'no-grant', 'picked-up']
  const needs = ['DHCP answers', 'DHCPv6 answers', 'IGMP queries', 'MLD queries', 'neighbour discovery']
  return [
    ...[...senders, 'anyone'].map((kind) => `rule grant by ${kind} accept`),
    ...admitted.map((reason) => `reason admitted: ${reason}`),
    ...refused.map((reason) => `reason refused: ${reason}`),
    'related connection admitted',
    'related connection refused',
    ...needs.map((need) => `rule meaning.network: ${need} accept`),
  ]
}

import { evaluate } from '../analysis/evaluate.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Packet } from '../packet/packet.ts'
import { isExpired } from '../policy/meaning.ts'
import type { Policy, PolicyTest, Target } from '../policy/policy.ts'
import type { Arrival, Sender } from '../policy/specimen.ts'
import {
  deviceSenders,
  judgedInterfaces,
  requestsFor,
  specimen,
  strangerSenders,
} from '../policy/specimen.ts'
import type { Table } from '../ruleset/ruleset.ts'

/** A line of the policy's `tests:` that does not hold, with the packet that shows it. */
export interface TestFailure {
  readonly test: PolicyTest
  readonly expected: 'accept' | 'refuse'
  readonly target: Target
  /** Such as `22/tcp` or `ping`; with `packet` absent, why no packet could show it. */
  readonly request: string
  readonly device?: string
  readonly packet?: Packet
}

export interface TestReport {
  readonly failures: readonly TestFailure[]
  /** Packets that were tried. */
  readonly packets: number
}

/**
 * Runs the policy's own tests against compiled rules. `accept` must hold in every family, on every judged interface
 * that can show the identity (or those in `on`); `refuse` must hold everywhere. Devices past their `until` are left
 * out: the reader has warned of such a line.
 */
export function runPolicyTests(policy: Policy, facts: HostFacts, table: Table, now: number): TestReport {
  const failures: TestFailure[] = []
  let packets = 0
  for (const test of policy.tests) {
    const on = interfacesOf(policy, facts, test)
    for (const party of parties(policy, test, on, now)) {
      for (const { expected, target } of expectations(test)) {
        if (party.senders.length === 0 && expected === 'accept') {
          failures.push({
            test,
            expected,
            target,
            request: 'no interface can show its identity',
            ...party.named,
          })
        }
        for (const { packet, words } of packetsOf(policy, party.senders, target, on, now)) {
          packets++
          const got = evaluate({ tables: [table] }, packet).verdict
          if ((got === 'accept') !== (expected === 'accept')) {
            failures.push({ test, expected, target, request: words, packet, ...party.named })
          }
        }
      }
    }
  }
  return { failures, packets }
}

interface Party {
  readonly senders: readonly Sender[]
  readonly named: { readonly device?: string }
}

function parties(policy: Policy, test: PolicyTest, on: readonly Arrival[], now: number): readonly Party[] {
  switch (test.from.kind) {
    case 'stranger':
    case 'anyone':
      return [{ senders: strangerSenders(policy, on), named: {} }]
    case 'device':
      return deviceParties(policy, [test.from.device], on, now)
    case 'group':
      return deviceParties(policy, test.from.devices, on, now)
    default:
      return test.from satisfies never
  }
}

function deviceParties(
  policy: Policy,
  names: readonly string[],
  on: readonly Arrival[],
  now: number,
): readonly Party[] {
  const wanted = new Set(names)
  return policy.devices
    .filter((device) => wanted.has(device.name) && !isExpired(device, now))
    .map((device) => ({ senders: deviceSenders(policy, device, on), named: { device: device.name } }))
}

function expectations(
  test: PolicyTest,
): readonly { readonly expected: 'accept' | 'refuse'; readonly target: Target }[] {
  return [
    ...test.accept.map((target) => ({ expected: 'accept', target }) as const),
    ...test.refuse.map((target) => ({ expected: 'refuse', target }) as const),
  ]
}

function interfacesOf(policy: Policy, facts: HostFacts, test: PolicyTest): readonly Arrival[] {
  const judged = judgedInterfaces(policy, facts)
  if (test.on === undefined) return judged
  const named = new Set(test.on.map((entry) => entry.value))
  const known = judged.filter((arrival) => named.has(arrival.name))
  if (facts.interfaces.length > 0) return known
  return [...named].map((name) => ({ name, ethernet: true, addresses: [] }))
}

/** One at a time: a list of many bound devices makes hundreds of thousands of a stranger's packets. */
function* packetsOf(
  policy: Policy,
  senders: readonly Sender[],
  target: Target,
  on: readonly Arrival[],
  now: number,
): Generator<{ readonly packet: Packet; readonly words: string }> {
  const byName = new Map(on.map((arrival) => [arrival.name, arrival]))
  for (const request of requestsFor(target, policy)) {
    for (const sender of senders) {
      yield { packet: specimen(sender, request, byName.get(sender.iif), now), words: request.words }
    }
  }
}

import { printable } from '../base/terminal.ts'
import type { ForceWords } from '../apply/force.ts'
import { forceName, uncovered } from '../apply/force.ts'
import type { ReachFailure } from '../apply/reach.ts'
import { proveReach } from '../apply/reach.ts'
import { rescueTable } from '../apply/rescue.ts'
import { cutRefused } from '../apply/cut.ts'
import { cutWords } from '../apply/cut-words.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Policy } from '../policy/policy.ts'
import { readPolicyLazily } from '../policy/read-lazily.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { systemRefused } from './prepare.ts'
import { doubtLines, failureLines, omissionLines, reachJson } from './reach-words.ts'
import type { Seat } from './system.ts'
import type { ChangeRequest } from './change.ts'

/** A policy with the host that it is about. */
export interface KnownPolicy {
  readonly policy: Policy
  readonly facts: HostFacts
  readonly text: string
}

/** What a change needs to know before it begins. */
export interface Proved {
  readonly kind: 'proved'
  readonly seat: Seat
  readonly facts: HostFacts
  readonly rescue: Table | undefined
  /** What `--force` overrode. */
  readonly forced: string | undefined
  readonly cut: (candidate: Table | undefined) => Promise<void>
}

/**
 * Before the kernel is touched: every admin reaches every port that the SSH server listens on, and whoever applies
 * stays in, over all that the kernel would hold. What fails is told with the packet that shows it; `--force` overrides
 * exactly what it names.
 */
export async function proveBefore(
  context: Context,
  request: ChangeRequest,
  force: ForceWords | undefined,
): Promise<Proved | { readonly kind: 'failed'; readonly exit: ExitCode }> {
  const { system, output } = context
  const host = request.known ?? (await system.hostFacts('policy'))
  const seat = await system.seat(host.facts)
  const now = system.now()
  const proved: Proved = {
    kind: 'proved',
    seat,
    facts: host.facts,
    rescue: rescueTable(request.known?.policy, host.facts, { now: Math.floor(now) }),
    forced: force?.words.join(', '),
    cut: (candidate) => cut(context, candidate, host.facts, request.observed === undefined),
  }
  if (request.known === undefined) {
    output.warn("note: the policy of these rules is not known here, so nobody's way in is proven beforehand")
    return proved
  }
  const observed = await system.kernel.observeAll()
  if (!observed.ok) return { kind: 'failed', exit: systemRefused(context, request.command, observed.error) }
  const report = proveReach({
    policy: request.known.policy,
    facts: host.facts,
    observed: observed.value.ruleset,
    candidate: request.candidate,
    ...(seat.path.kind === 'ssh' ? { caller: seat.path.connection } : {}),
    now,
  })
  for (const note of observed.value.notes) output.warn(`note: ${printable(note)}`)
  if (seat.path.kind !== 'ssh') {
    output.warn(
      `note: you are not seen to be on SSH (${printable(seat.from)}): only the admins' way in is proven`,
    )
  }
  for (const line of omissionLines(report)) output.warn(`note: ${line}`)
  for (const doubt of report.doubts.slice(0, MOST)) {
    for (const line of doubtLines(doubt)) output.warn(`${output.paint('yellow', 'warning:')} ${line}`)
  }
  const failures = uncovered(report.failures, force)
  if (failures.length > 0) return { kind: 'failed', exit: lockedOut(context, request, failures) }
  const forced = new Set(report.failures.map((failure) => forceName(failure.who)))
  for (const name of forced) output.warn(`forced: ${printable(name)} is locked out by these rules`)
  return proved
}

const MOST = 5

function lockedOut(context: Context, request: ChangeRequest, failures: readonly ReachFailure[]): ExitCode {
  const { output, policyPath } = context
  const policy = request.known?.policy
  for (const failure of failures.slice(0, MOST)) {
    if (policy === undefined) break
    for (const line of failureLines(failure, { file: printable(policyPath), policy })) output.warn(line)
  }
  if (failures.length > MOST) output.warn(`... and ${failures.length - MOST} more`)
  output.warn('admit: this would lock out whom it must not; nothing was changed.')
  output.document(request.command, { result: 'would-lock-out', lockedOut: failures.map(reachJson) })
  return EXIT.unsafe
}

/** Ends what the new rules refuse, and tells what was ended; rules that are gone refuse nothing. */
async function cut(
  context: Context,
  candidate: Table | undefined,
  facts: HostFacts,
  fresh: boolean,
): Promise<void> {
  if (candidate === undefined) return
  const { system, output } = context
  const report = await cutRefused(await system.connections(), candidate, facts, system.now(), { fresh })
  for (const line of cutWords(report)) output.warn(line)
}

/** The policy that confirmed rules come from, as far as its text is kept and can still be read. */
export async function knownPolicy(
  context: Context,
  text: string | undefined,
): Promise<KnownPolicy | undefined> {
  if (text === undefined) return undefined
  const { system } = context
  const [services, host] = await Promise.all([system.systemServices(), system.hostFacts('policy')])
  const { policy } = await readPolicyLazily(text, { systemServices: services, now: system.now() })
  return policy === undefined ? undefined : { policy, facts: host.facts, text }
}

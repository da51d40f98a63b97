import { cutRefused } from '../apply/cut.ts'
import { cutWords } from '../apply/cut-words.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Policy } from '../policy/policy.ts'
import { readPolicyLazily } from '../policy/read-lazily.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
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

export async function proveBefore(
  context: Context,
  request: ChangeRequest,
  force: string | undefined,
): Promise<Proved | { readonly kind: 'failed'; readonly exit: ExitCode }> {
  const facts = request.known?.facts ?? (await context.system.hostFacts('policy')).facts
  const seat = await context.system.seat(facts)
  return {
    kind: 'proved',
    seat,
    facts,
    rescue: undefined,
    forced: force,
    cut: (candidate) => cut(context, candidate, facts),
  }
}

/** Ends what the new rules refuse, and tells what was ended; rules that are gone refuse nothing. */
async function cut(context: Context, candidate: Table | undefined, facts: HostFacts): Promise<void> {
  if (candidate === undefined) return
  const { system, output } = context
  const report = await cutRefused(await system.connections(), candidate, facts, system.now())
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

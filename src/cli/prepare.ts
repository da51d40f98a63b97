import type { ForceWords } from '../apply/force.ts'
import type { TestFailure } from '../apply/policy-tests.ts'
import { runPolicyTests } from '../apply/policy-tests.ts'
import { printable } from '../base/terminal.ts'
import { ADMIT_TABLE, compile } from '../compile/compile.ts'
import { targetWords } from '../compile/grant-rules.ts'
import type { KernelError } from '../kernel/kernel.ts'
import { formatInstant } from '../policy/instant.ts'
import { firstAppliedAfter, keepFirstApplied } from '../ruleset/first-applied.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import type { LoadedPolicy, NotLoaded } from './load-policy.ts'
import { loadPolicy } from './load-policy.ts'
import { packetWords } from './packet-words.ts'

/** A policy compiled for this host, its own tests passed, beside what the kernel holds now. */
export interface Prepared {
  readonly kind: 'prepared'
  readonly loaded: LoadedPolicy
  readonly observed: Table | undefined
  readonly wanted: Table
}

/** Everything that comes before a change: read, check, compile, test, observe. Prints why it stops, if it does. */
export async function prepare(
  context: Context,
  command: string,
  options: { readonly force?: ForceWords | undefined } = {},
): Promise<Prepared | NotLoaded> {
  const loaded = await loadPolicy(context, command, { host: true })
  if (loaded.kind === 'failed') return loaded
  if (loaded.facts.interfaces.length === 0) {
    // lo at least is everywhere. What is unknown here would be taken for absent: bridges whose frames must pass.
    const message = "this host's interfaces could not be read"
    return { kind: 'failed', exit: systemRefused(context, command, { kind: 'unavailable', message }) }
  }
  const observed = await context.system.kernel.observe(ADMIT_TABLE)
  if (!observed.ok) return { kind: 'failed', exit: systemRefused(context, command, observed.error) }
  const stored = await context.system.journal(context.statePath).confirmed()
  const known = observed.value ?? (stored.ok ? stored.value?.rules : undefined)
  const now = context.system.now()
  const wanted = keepFirstApplied(compile(loaded.policy, loaded.facts, { now: Math.floor(now) }), known)
  const ahead = firstAppliedAfter(wanted, now)
  if (ahead !== undefined) {
    context.output.warn(
      `warning: by this clock, a device with \`until\` was first applied in the future: it is refused until ${formatInstant(ahead)}.\n` +
        'Where the clock was wrong then, change its `until` by a second; where it is wrong now, set it.',
    )
  }
  const { failures } = runPolicyTests(loaded.policy, loaded.facts, wanted, now)
  if (failures.length > 0 && options.force?.tests !== true) {
    return { kind: 'failed', exit: testsFailed(context, command, failures) }
  }
  return { kind: 'prepared', loaded, observed: observed.value, wanted }
}

/** The kernel or its tools said no: what, and where in the policy where that is known. */
export function systemRefused(context: Context, command: string, error: KernelError): ExitCode {
  const origin = error.origin === undefined ? '' : `\n  at ${printable(error.origin)}`
  context.output.warn(`admit: ${printable(error.message)}${origin}\nNothing was changed.`)
  if (error.detail !== undefined)
    context.output.warn(
      error.detail
        .split('\n')
        .map((line) => `  ${printable(line)}`)
        .join('\n'),
    )
  context.output.document(command, { result: 'system-refused', error })
  return EXIT.system
}

const MOST_FAILURES = 10

/** Prints failed `tests:` lines, each with the packet that shows it. */
export function testsFailed(context: Context, command: string, failures: readonly TestFailure[]): ExitCode {
  const { output, policyPath } = context
  for (const failure of failures.slice(0, MOST_FAILURES)) {
    const { test, expected, target, request, device, packet } = failure
    const who = device ?? test.from.kind
    const got = expected === 'accept' ? 'is refused' : 'is admitted'
    output.warn(
      `${printable(policyPath)}:${test.place.line}:${test.place.column}: test fails: ${who} to ${targetWords(target)} ${got} (${request})`,
    )
    if (packet !== undefined) output.warn(`  packet: ${packetWords(packet)}`)
  }
  if (failures.length > MOST_FAILURES) output.warn(`… and ${failures.length - MOST_FAILURES} more packets`)
  output.warn('admit: the policy does not pass its own tests; nothing was changed.')
  if (command === 'apply') output.warn('To apply all the same: --force tests')
  output.document(command, { result: 'tests-failed', failures: failures.map(failureJson) })
  return EXIT.unsafe
}

function failureJson(failure: TestFailure): unknown {
  return {
    line: failure.test.place.line,
    expected: failure.expected,
    to: targetWords(failure.target),
    request: failure.request,
    device: failure.device,
    packet: failure.packet,
  }
}

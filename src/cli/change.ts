import type { ForceWords } from '../apply/force.ts'
import type { JournalEntry, JournalFiles, Proof, TransactionKind } from '../apply/journal.ts'
import { same, transact } from '../apply/transact.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { reportChange } from './change-report.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import type { KnownPolicy } from './prove.ts'
import { proveBefore } from './prove.ts'
import { journalRefused } from './settle.ts'
import type { Seat } from './system.ts'

/** What every command that changes the rules takes. */
export interface ChangeOptions {
  /** Seconds; undefined takes the policy's `safety.confirm`. */
  readonly confirmWithin: number | undefined
  /** False for `--no-confirm`. */
  readonly confirm: boolean
  /** The words of `--force`. */
  readonly force: ForceWords | undefined
}

/** A change that a command wants. */
export interface ChangeRequest {
  readonly command: string
  readonly kind: TransactionKind
  readonly observed: Table | undefined
  readonly candidate: Table | undefined
  /** The policy that the candidate comes from, where it is known: whose admins must stay in. */
  readonly known: KnownPolicy | undefined
  /** The last resort where no policy is known: the one confirmed last. */
  readonly rescue?: Table | undefined
  /** Does a confirmation make it what boots? */
  readonly keeps: boolean
  /** More for the JSON document. */
  readonly document?: Readonly<Record<string, unknown>>
  /** What is said when the rules are in force. */
  readonly done: string
}

/** Without a policy that says otherwise. */
const DEFAULT_WINDOW = 60

/**
 * Makes a change as a transaction: the proof first, then the journal, the watchdog, the kernel, the read-back; then it
 * waits for the confirmation where there is a terminal to wait at.
 */
export async function makeChange(
  context: Context,
  request: ChangeRequest,
  options: ChangeOptions,
): Promise<ExitCode> {
  const { system, output, statePath } = context
  const proved = await proveBefore(context, request, options.force)
  if (proved.kind === 'failed') return proved.exit
  const token = system.newToken()
  const seat = proved.seat
  const existing = await system.tcpConnections()
  if (!existing.ok) return journalRefused(context, request.command, existing.error)
  const entry = await entryOf(context, request, options, {
    seat,
    tokenHash: token.hash,
    forced: proved.forced,
    connections: existing.value,
  })
  const files: JournalFiles = {
    previous: request.observed,
    candidate: request.candidate,
    rescue: proved.rescue ?? request.rescue,
    policy: request.known?.text,
  }
  const at = entry.started
  const unproven: Proof | undefined = options.confirm
    ? undefined
    : { by: entry.by, from: entry.from, how: 'unproven', at }
  if (request.observed === undefined && options.confirm) {
    output.say('There are no rules of admit yet: if nobody confirms, this host is open again, as it is now.')
  }
  const ports = {
    kernel: system.kernel,
    journal: system.journal(statePath),
    connections: () => system.tcpConnections(),
    cut: () => proved.cut(request.candidate),
    ...(system.onStep === undefined ? {} : { onStep: system.onStep }),
  }
  const result = await transact(ports, { entry, files, ...(unproven === undefined ? {} : { unproven }) })
  return reportChange(
    context,
    request,
    { entry, token: token.token, way: { ...seat, facts: proved.facts } },
    result,
  )
}

async function entryOf(
  context: Context,
  request: ChangeRequest,
  options: ChangeOptions,
  known: {
    readonly seat: Seat
    readonly tokenHash: string
    readonly forced: string | undefined
    readonly connections: readonly string[]
  },
): Promise<JournalEntry> {
  const { system, statePath } = context
  const started = await system.journal(statePath).moment()
  return {
    id: system.newId(),
    kind: request.kind,
    by: known.seat.by,
    from: known.seat.from,
    started,
    window: options.confirmWithin ?? request.known?.policy.safety.confirm ?? DEFAULT_WINDOW,
    tokenHash: known.tokenHash,
    unguarded: request.known?.policy.host.unguarded.map((entry) => entry.value) ?? [],
    ...(known.forced === undefined ? {} : { forced: known.forced }),
    keeps: request.keeps,
    connections: known.connections,
  }
}

/** Is there nothing to do: the kernel holds it, and it is what was confirmed last? */
export function isConfirmedAlready(
  observed: Table | undefined,
  candidate: Table | undefined,
  confirmed: Table | undefined,
): boolean {
  return same(observed, candidate) && same(candidate, confirmed)
}

import type { ForceWords } from '../apply/force.ts'
import type { WayIn } from '../apply/confirm-command.ts'
import type { JournalEntry, JournalFiles, Proof, TransactionKind } from '../apply/journal.ts'
import type { TransactionResult, Trouble } from '../apply/machine.ts'
import { same, transact } from '../apply/transact.ts'
import { printable } from '../base/terminal.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { confirmWords, countDown } from './countdown.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { systemRefused } from './prepare.ts'
import type { KnownPolicy } from './prove.ts'
import { proveBefore } from './prove.ts'
import { isoInstant, journalRefused, pendingJson, pendingWords } from './settle.ts'
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
  return report(
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

async function report(
  context: Context,
  request: ChangeRequest,
  { entry, token, way }: { readonly entry: JournalEntry; readonly token: string; readonly way: WayIn },
  result: TransactionResult,
): Promise<ExitCode> {
  const { output, system, statePath } = context
  const { command, document = {} } = request
  switch (result.kind) {
    case 'confirmed':
      output.say(request.done)
      output.say('Confirmed at once, as --no-confirm says; recorded as unproven.')
      output.document(command, { result: 'confirmed', ...document, confirmation: 'unproven' })
      return EXIT.done
    case 'pending': {
      output.say(request.done)
      const state = await system.journal(statePath).state()
      const mine = state.ok && state.value.kind === 'pending' && state.value.entry.id === entry.id
      // A machine that is slower than its window: it is over, and what is told is how it ended.
      if (state.ok && !mine && !output.json) return countDown(context, entry)
      const window = state.ok && state.value.kind === 'pending' ? state.value.window : undefined
      for (const line of confirmWords(entry, window, token, way)) output.say(line)
      output.document(command, {
        result: 'pending',
        ...document,
        confirmation: 'awaited',
        id: entry.id,
        token,
        ...(window === undefined ? {} : { until: isoInstant(window.deadline.wall) }),
      })
      return system.interactive && !output.json ? countDown(context, entry) : EXIT.done
    }
    case 'not-stored':
      output.warn(
        `admit: the rules are in force and confirmed, but they could not be stored for the next boot: ${troubleWords(result.trouble)}\n` +
          'Make room, then type any admit command: it completes that.',
      )
      output.document(command, { result: 'not-stored', message: troubleWords(result.trouble) })
      return EXIT.repair
    case 'refused':
      return refused(context, command, result.trouble)
    case 'undone':
      return undone(context, command, result)
    default:
      return result satisfies never
  }
}

async function refused(context: Context, command: string, trouble: Trouble): Promise<ExitCode> {
  const { output, system, statePath } = context
  if (trouble.kind === 'kernel') return systemRefused(context, command, trouble.error)
  if (trouble.kind === 'journal' && trouble.error.kind === 'taken') {
    const journal = system.journal(statePath)
    const [state, now] = [await journal.state(), await journal.moment()]
    const other = state.ok && state.value.kind === 'pending' ? state.value : undefined
    const who = other === undefined ? '' : `: ${pendingWords(other.entry, other.window, now)}`
    output.warn(`admit: another admit was quicker, and its change is pending${who}. Nothing was changed.`)
    output.document(command, {
      result: 'another-pending',
      ...(other === undefined ? {} : { pending: pendingJson(other.entry, other.window, now) }),
    })
    return EXIT.unsafe
  }
  if (trouble.kind === 'journal') return journalRefused(context, command, trouble.error)
  const message = troubleWords(trouble)
  output.warn(`admit: ${message}. Nothing was changed.`)
  output.document(command, { result: 'system-refused', error: { kind: 'changed', message } })
  return EXIT.system
}

function undone(
  { output }: Context,
  command: string,
  { trouble, outcome }: Extract<TransactionResult, { kind: 'undone' }>,
): ExitCode {
  const why = troubleWords(trouble)
  output.document(command, { result: 'reverted', outcome, message: why })
  switch (outcome) {
    case 'undone':
    case 'nothing':
      output.warn(`admit: ${why}. The previous rules are back, as they were.`)
      return EXIT.system
    case 'rescued':
      output.warn(
        `admit: ${why}. The previous rules could not be brought back: the admins-only rules are in force.\n` +
          'Admins reach SSH, nobody else reaches anything. Correct the cause, then `admit apply` again.',
      )
      return EXIT.repair
    case 'failed':
      output.warn(
        `admit: ${why}. The previous rules could not be brought back either.\n` +
          'Look at `nft list table inet admit`; `admit rollback` tries again, `admit stop --open --no-confirm` removes the rules.',
      )
      return EXIT.repair
    default:
      return outcome satisfies never
  }
}

/** What went wrong, as the beginning of a sentence. */
export function troubleWords(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'kernel':
    case 'journal':
      return printable(trouble.error.message)
    case 'changed-meanwhile':
      return 'somebody else changed `table inet admit` just now; try again'
    case 'mismatch':
      return trouble.error === undefined
        ? 'the kernel took the change, but what it held was not what was asked for (somebody else may be changing `table inet admit`)'
        : `the kernel took the change, but could not be read back (${printable(trouble.error.message)})`
    case 'taken-away':
      return 'it was undone while it was being made'
    default:
      return trouble satisfies never
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

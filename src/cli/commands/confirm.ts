import { judgeConfirm } from '../../apply/confirm.ts'
import type { JournalEntry, JournalState, Proof, Window } from '../../apply/journal.ts'
import { claimPending, same } from '../../apply/transact.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { Context } from '../context.ts'
import { endedWords, endingOf } from '../ending.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { keptWords } from '../kept-words.ts'
import { systemRefused } from '../prepare.ts'
import { journalRefused, settle } from '../settle.ts'

export interface ConfirmOptions {
  /** The token as typed; `-` reads it from standard input. */
  readonly token: string | undefined
  readonly here: boolean
}

/** `admit confirm`: keeps the pending change, if whoever types it shows that they can still get in. */
export async function confirm(context: Context, options: ConfirmOptions): Promise<ExitCode> {
  const { output, system } = context
  const token = options.token === '-' ? await system.readLine('Token: ') : options.token
  const state = await settle(context)
  if (!state.ok) return journalRefused(context, 'confirm', state.error)
  const pending = await confirmable(context, state.value)
  if (pending.kind === 'failed') return pending.exit
  const { entry, window } = pending
  const { facts } = await system.hostFacts('policy')
  const seat = await system.seat(facts)
  const judgement = judgeConfirm({
    entry,
    window,
    path: seat.path,
    facts,
    token: system.judgeToken(token, entry.tokenHash),
    here: options.here,
    ...(seat.user === undefined ? {} : { user: seat.user }),
  })
  if (judgement.kind === 'refused') {
    output.warn(`admit: not confirmed. ${judgement.words.join('\n')}`)
    output.document('confirm', {
      result: 'refused',
      because: judgement.because,
      message: judgement.words.join(' '),
    })
    return EXIT.unsafe
  }
  const at = await system.journal(context.statePath).moment()
  return claim(context, entry, { by: seat.by, from: seat.from, how: judgement.how, at })
}

type Confirmable =
  | { readonly kind: 'confirmable'; readonly entry: JournalEntry; readonly window: Window }
  | { readonly kind: 'failed'; readonly exit: ExitCode }

/** Is there a change to confirm, of this network, its rules read back, and does the kernel hold them still? */
async function confirmable(context: Context, state: JournalState): Promise<Confirmable> {
  const { output } = context
  const no = (exit: ExitCode, result: string, words: string): Confirmable => {
    output.warn(`admit: ${words}`)
    output.document('confirm', { result, message: words })
    return { kind: 'failed', exit }
  }
  switch (state.kind) {
    case 'idle':
      return no(EXIT.no, 'nothing-pending', await nothingPending(context))
    case 'damaged':
      return no(
        EXIT.unsafe,
        'journal-damaged',
        `${printable(state.message)}; nothing in it is obeyed. \`admit rollback\` goes back to rules that are whole.`,
      )
    case 'confirming':
    case 'undoing':
      return no(EXIT.unsafe, 'busy', 'another admit is just ending the change; look with `admit status`')
    case 'pending': {
      if (state.here !== 'here') {
        return no(EXIT.unsafe, 'elsewhere', 'the pending change belongs to another network namespace')
      }
      if (state.window === undefined) {
        return no(EXIT.unsafe, 'too-early', 'the rules are just being made; try again in a moment')
      }
      const held = await holdsCandidate(context)
      if (held !== true) return held
      return { kind: 'confirmable', entry: state.entry, window: state.window }
    }
    default:
      return state satisfies never
  }
}

async function nothingPending(context: Context): Promise<string> {
  const outcome = await context.system.journal(context.statePath).outcome()
  const last = outcome.ok && outcome.value !== undefined ? ` ${endedWords(outcome.value)}.` : ''
  return `there is nothing to confirm.${last}`
}

/** What somebody changed by hand within the window was never applied, and is not confirmed. */
async function holdsCandidate(context: Context): Promise<true | Extract<Confirmable, { kind: 'failed' }>> {
  const { system, output, statePath } = context
  const [observed, candidate] = await Promise.all([
    system.kernel.observe(ADMIT_TABLE),
    system.journal(statePath).candidate(),
  ])
  if (!observed.ok && observed.error.kind !== 'unreadable') {
    return { kind: 'failed', exit: systemRefused(context, 'confirm', observed.error) }
  }
  if (!candidate.ok) return { kind: 'failed', exit: journalRefused(context, 'confirm', candidate.error) }
  if (observed.ok && same(observed.value, candidate.value)) return true
  output.warn(
    'admit: somebody has changed `table inet admit` since the apply: what would be confirmed is not what is in force.\n' +
      'Not confirmed. `admit rollback`, then `admit apply` again.',
  )
  output.document('confirm', { result: 'drifted' })
  return { kind: 'failed', exit: EXIT.unsafe }
}

async function claim(context: Context, entry: JournalEntry, proof: Proof): Promise<ExitCode> {
  const { output, system, statePath } = context
  const journal = system.journal(statePath)
  await system.onStep?.('confirm-claim')
  const claimed = await claimPending(journal, entry.id, proof)
  if (!claimed.ok) return journalRefused(context, 'confirm', claimed.error)
  if (claimed.value === 'lost') {
    const ended = await endingOf(journal, entry.id)
    const words = ended === undefined ? '`admit status` tells what is in force' : endedWords(ended)
    output.warn(`admit: too late: somebody else has ended the change. ${words}.`)
    output.document('confirm', { result: 'too-late', message: words })
    return EXIT.no
  }
  await system.onStep?.('confirm-complete')
  const completed = await journal.complete()
  if (!completed.ok) {
    output.warn(
      `admit: confirmed, but the rules could not be stored for the next boot: ${printable(completed.error.message)}\n` +
        'Make room, then type any admit command: it completes that.',
    )
    output.document('confirm', { result: 'not-stored', message: completed.error.message })
    return EXIT.repair
  }
  output.say(`Confirmed: ${await keptWords(context, entry)}`)
  if (proof.how !== 'connection') {
    output.say(`Recorded as confirmed by ${proof.how === 'token' ? 'its token' : 'hand, from a console'}.`)
  }
  output.document('confirm', { result: 'confirmed', id: entry.id, how: proof.how })
  return EXIT.done
}

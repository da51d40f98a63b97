import type { JournalState, Moment, RestorePointFiles } from '../../apply/journal.ts'
import { same } from '../../apply/transact.ts'
import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import type { Table } from '../../ruleset/ruleset.ts'
import type { Context } from '../context.ts'
import { endedWords } from '../ending.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { pendingJson, pendingWords, settle } from '../settle.ts'
import type { BootState } from '../system.ts'
import { isoInstant } from '../times.ts'
import { counted } from './check.ts'

/**
 * `admit status`: are admit's rules in force, are they those last confirmed, what is pending, and will they be there
 * after a reboot? 0: in force and confirmed; 1: not, or they differ, or a change is pending; 5: an undo failed, and failed
 * again. Needs no policy.
 */
export async function status(context: Context): Promise<ExitCode> {
  const { system, output, statePath } = context
  const journal = system.journal(statePath)
  const state = await settle(context)
  const [observed, stored, host, boot, outcome, now] = await Promise.all([
    system.kernel.observe(ADMIT_TABLE),
    journal.confirmed(),
    system.hostFacts('all'),
    system.bootState(statePath),
    journal.outcome(),
    journal.moment(),
  ])
  if (!observed.ok) return systemRefused(context, 'status', observed.error)
  const present = observed.value
  const last = stored.ok ? stored.value : undefined
  const pending = state.ok && state.value.kind === 'pending' ? state.value : undefined
  const rules = rulesState(present, last?.rules, pending !== undefined)
  output.say(`rules      ${RULES_WORDS[rules]}${present === undefined ? '' : ` (${sizeWords(present)})`}`)
  output.say(`pending    ${state.ok ? pendingLine(state.value, now) : printable(state.error.message)}`)
  output.say(`confirmed  ${stored.ok ? storedWords(last, statePath) : printable(stored.error.message)}`)
  if (outcome.ok && outcome.value !== undefined) output.say(`last       ${endedWords(outcome.value)}`)
  output.say(`reboot     ${bootWords(boot, stored.ok ? last : undefined)}`)
  output.say(`forwarding ${forwardWords(present, host.facts.forwarding)}`)
  for (const other of host.facts.otherFirewalls) {
    output.say(`beside     ${printable(other.name)} (${printable(other.evidence)})`)
  }
  for (const note of host.notes) output.warn(`note: ${printable(note)}`)
  output.document('status', {
    result: rules,
    stored: !stored.ok ? 'unusable' : last === undefined ? 'none' : 'present',
    ...(stored.ok ? {} : { storedProblem: stored.error.message }),
    ...(pending === undefined ? {} : { pending: pendingJson(pending.entry, pending.window, now) }),
    ...(state.ok ? {} : { journalProblem: state.error.message }),
    ...(outcome.ok && outcome.value !== undefined
      ? { last: { ...outcome.value, at: isoInstant(outcome.value.at) } }
      : {}),
    afterReboot: boot.kind === 'installed' && last !== undefined,
    sets: present?.sets.map((set) => ({ name: set.name, elements: set.elements.length })) ?? [],
    otherFirewalls: host.facts.otherFirewalls,
  })
  if (!state.ok && state.error.kind === 'not-undone') return EXIT.repair
  return rules === 'in-force' && state.ok && state.value.kind === 'idle' ? EXIT.done : EXIT.no
}

type RulesState = 'in-force' | 'none' | 'dormant' | 'differ' | 'not-stored' | 'unconfirmed'

const RULES_WORDS: Readonly<Record<RulesState, string>> = {
  'in-force': 'in force, exactly those last confirmed',
  none: 'none: admit keeps nobody out of this host now',
  dormant:
    'dormant: somebody has set that flag on `table inet admit`, and admit keeps nobody out of this host now; `admit reload` ends it',
  differ:
    "in force, but not those last confirmed: `admit plan` shows the policy's side, `admit reload` loads the confirmed ones",
  'not-stored': 'in force, but none are confirmed: `admit start` could not bring them back',
  unconfirmed: 'in force, and not confirmed yet',
}

function rulesState(present: Table | undefined, last: Table | undefined, pending: boolean): RulesState {
  if (present === undefined) return 'none'
  if (present.dormant === true) return 'dormant'
  if (same(present, last)) return 'in-force'
  if (pending) return 'unconfirmed'
  return last === undefined ? 'not-stored' : 'differ'
}

function pendingLine(state: JournalState, now: Moment): string {
  switch (state.kind) {
    case 'idle':
      return 'nothing'
    case 'pending':
      return `${pendingWords(state.entry, state.window, now)}; \`admit confirm\` keeps it, \`admit rollback\` undoes it now`
    case 'confirming':
      return 'a confirmation is just being completed'
    case 'undoing':
      return 'a change is just being undone'
    case 'damaged':
      return `${printable(state.message)}; nothing in it is obeyed, \`admit rollback\` goes back to rules that are whole`
    default:
      return state satisfies never
  }
}

function bootWords(boot: BootState, last: RestorePointFiles | undefined): string {
  switch (boot.kind) {
    case 'installed':
      return last === undefined
        ? `nothing to load yet (${printable(boot.what)} is there)`
        : `the confirmed rules come back (${printable(boot.what)})`
    case 'missing':
      return `no rules: ${printable(boot.what)}; \`script/install\` sees to it`
    default:
      return boot satisfies never
  }
}

function sizeWords(table: Table): string {
  const rules = table.chains.reduce((sum, chain) => sum + chain.rules.length, 0)
  const elements = table.sets.reduce((sum, set) => sum + set.elements.length, 0)
  return `${counted(rules, 'rule')}, ${counted(elements, 'identity').replace('identitys', 'identities')} in ${counted(table.sets.length, 'set')}`
}

function storedWords(last: RestorePointFiles | undefined, folder: string): string {
  return last === undefined
    ? `nothing in ${printable(folder)} yet`
    : `in ${printable(folder)}; \`admit start\` loads them`
}

function forwardWords(
  present: Table | undefined,
  forwarding: { readonly ip: boolean; readonly ip6: boolean },
): string {
  const families = [...(forwarding.ip ? ['IPv4'] : []), ...(forwarding.ip6 ? ['IPv6'] : [])].join(' and ')
  const host = families === '' ? 'this host forwards nothing' : `this host forwards ${families}`
  if (present === undefined) return host
  const judged = present.chains.some((chain) => chain.name === 'forward')
  return `${host}; ${judged ? "admit's forward chain judges it" : 'admit leaves it to others (forward: keep)'}`
}

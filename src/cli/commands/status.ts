import { printable } from '../../base/terminal.ts'
import { ADMIT_TABLE } from '../../compile/compile.ts'
import { sameTable } from '../../ruleset/normalise.ts'
import type { Table } from '../../ruleset/ruleset.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { systemRefused } from '../prepare.ts'
import { counted } from './check.ts'

/** `admit status`: are admit's rules in force, and are they those last applied? 0: yes; 1: no, or they differ. Needs no policy. */
export async function status(context: Context): Promise<ExitCode> {
  const { system, output, statePath } = context
  const [observed, stored, host] = await Promise.all([
    system.kernel.observe(ADMIT_TABLE),
    system.readStoredRules(statePath),
    system.hostFacts('all'),
  ])
  if (!observed.ok) return systemRefused(context, 'status', observed.error)
  const present = observed.value
  const last = stored.ok ? stored.value : undefined
  const rules = rulesState(present, last)
  output.say(`rules      ${RULES_WORDS[rules]}${present === undefined ? '' : ` (${sizeWords(present)})`}`)
  output.say(`stored     ${stored.ok ? storedWords(last, statePath) : printable(stored.error.message)}`)
  output.say('undo       none: automatic undo and confirmation are not part of this version')
  output.say(`forwarding ${forwardWords(present, host.facts.forwarding)}`)
  for (const other of host.facts.otherFirewalls) {
    output.say(`beside     ${printable(other.name)} (${printable(other.evidence)})`)
  }
  for (const note of host.notes) output.warn(`note: ${printable(note)}`)
  output.document('status', {
    result: rules,
    stored: !stored.ok ? 'unusable' : last === undefined ? 'none' : 'present',
    ...(stored.ok ? {} : { storedProblem: stored.error.message }),
    sets: present?.sets.map((set) => ({ name: set.name, elements: set.elements.length })) ?? [],
    otherFirewalls: host.facts.otherFirewalls,
  })
  return rules === 'in-force' ? EXIT.done : EXIT.no
}

type RulesState = 'in-force' | 'none' | 'dormant' | 'differ' | 'not-stored'

const RULES_WORDS: Readonly<Record<RulesState, string>> = {
  'in-force': 'in force, exactly those last applied',
  none: 'none: admit keeps nobody out of this host now',
  dormant:
    'dormant: somebody has set that flag on `table inet admit`, and admit keeps nobody out of this host now; `admit reload` ends it',
  differ:
    "in force, but not those last applied: `admit plan` shows the policy's side, `admit reload` loads the stored ones",
  'not-stored': 'in force, but none are stored: `admit start` could not bring them back',
}

function rulesState(present: Table | undefined, last: Table | undefined): RulesState {
  if (present === undefined) return 'none'
  if (present.dormant === true) return 'dormant'
  if (last === undefined) return 'not-stored'
  return sameTable(present, last) ? 'in-force' : 'differ'
}

function sizeWords(table: Table): string {
  const rules = table.chains.reduce((sum, chain) => sum + chain.rules.length, 0)
  const elements = table.sets.reduce((sum, set) => sum + set.elements.length, 0)
  return `${counted(rules, 'rule')}, ${counted(elements, 'identity').replace('identitys', 'identities')} in ${counted(table.sets.length, 'set')}`
}

function storedWords(last: Table | undefined, folder: string): string {
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

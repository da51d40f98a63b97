import type { Packet } from '../packet/packet.ts'
import type { Chain, Rule, Ruleset, Statement, TableRef, Verdict } from '../ruleset/ruleset.ts'
import type { Step } from './evaluate.ts'
import { bitsHold, fieldHolds, marked } from './holds.ts'
import type { JourneyOptions, Stop } from './journey.ts'
import { journey, packetAt } from './journey.ts'

/** What becomes of a packet whatever the statements do that the model cannot tell: opaque ones and limits. */
export type Decision =
  | { readonly kind: 'accept' }
  /** Refused for every value of them; `path` as in `evaluate`, of one refusal. */
  | { readonly kind: 'refuse'; readonly path: readonly Step[] }
  /** For some values of them refused, or not to be told; `path` is that case's. */
  | { readonly kind: 'hangs'; readonly on: readonly Unknown[]; readonly path: readonly Step[] }

/** A statement whose effect on the packet is not known. */
export interface Unknown {
  readonly table: TableRef
  readonly chain: string
  /** Absent where the whole chain is in doubt. */
  readonly rule?: Rule
  readonly index?: number
  /** The statement as text. */
  readonly text: string
}

/**
 * Judges a packet over its whole journey (`journey`) for all values of what is not modelled. Every occurrence that it
 * meets may hold or not, independently of the others, so that what can become of the packet is the union over the
 * ways through each chain; no product of assumptions is tried.
 */
export function decide(ruleset: Ruleset, packet: Packet, options: JourneyOptions = {}): Decision {
  let states: readonly State[] = [{ mark: packet.tracking.mark }]
  const refused: State[] = []
  const doubted: State[] = []
  for (const stop of journey(ruleset, packet, options)) {
    const run: Run = { stop, packet: packetAt(packet, stop), refused: [], accepted: [] }
    const through = runChain(run, stop.chain, states, 0)
    const { table, chain, base } = stop
    const step: Step = { table, chain: chain.name, verdict: { kind: base.policy } }
    ;(base.policy === 'drop' ? run.refused : run.accepted).push(
      ...through.map((state) => walked(state, step)),
    )
    if (stop.certain) {
      refused.push(...run.refused)
      states = merged(run.accepted)
    } else {
      doubted.push(...run.refused.map((state) => doubting(state, stop)))
    }
  }
  return conclude(states, refused, doubted)
}

/** A way that the packet may have come so far. */
interface State {
  /** Of its connection; undefined where someone may have set it to anything. */
  readonly mark: number | undefined
  readonly steps?: Trail<Step>
  readonly assumed?: Trail<Unknown>
  /** What made the mark unknown. */
  readonly markedBy?: Unknown
  /** Something changed the packet or its connection: what the model says of it from here on means nothing. */
  readonly changed?: true
}

/** A list that is shared between the ways that branch off it, last first. */
interface Trail<T> {
  readonly item: T
  readonly before: Trail<T> | undefined
  readonly length: number
}

interface Run {
  readonly stop: Stop
  readonly packet: Packet
  readonly accepted: State[]
  readonly refused: State[]
}

function conclude(
  accepted: readonly State[],
  refused: readonly State[],
  doubted: readonly State[],
): Decision {
  if (accepted.length === 0 && refused.every((state) => state.changed !== true)) {
    return { kind: 'refuse', path: listOf(leastAssumed(refused)?.steps) }
  }
  const changed = accepted.filter((state) => state.changed === true)
  const worst = leastAssumed(refused) ?? leastAssumed(doubted) ?? leastAssumed(changed)
  if (worst === undefined) return { kind: 'accept' }
  const on = [...new Map(listOf(worst.assumed).map((item) => [keyOf(item), item])).values()]
  return { kind: 'hangs', on, path: listOf(worst.steps) }
}

/** The states that reach the chain's end or return from it; verdicts go into the run. */
function runChain(run: Run, chain: Chain, entering: readonly State[], depth: number): readonly State[] {
  const left: State[] = []
  let states = entering
  for (const [index, rule] of chain.rules.entries()) {
    if (states.length === 0) break
    if (!decides(rule)) continue
    const next: State[] = []
    for (const state of states) {
      const { missed, matched } = runRule(run, chain, rule, index, state)
      next.push(...missed)
      if (matched === undefined) continue
      const step: Step = { table: run.stop.table, chain: chain.name, rule, index, ...matched.said }
      obey(run, walked(matched.state, step), matched.said.verdict, depth, next, left)
    }
    states = merged(next)
  }
  return merged([...left, ...states])
}

/** A rule that neither judges nor changes anything is passed over. */
function decides(rule: Rule): boolean {
  return rule.statements.some(
    (statement) =>
      statement.kind === 'verdict' ||
      statement.kind === 'mark-connection' ||
      (statement.kind === 'opaque' && statement.effect !== undefined && statement.effect !== 'none'),
  )
}

interface RuleResult {
  /** The packet as it goes on to the next rule, where a match may fail. */
  readonly missed: readonly State[]
  readonly matched?: { readonly state: State; readonly said: { readonly verdict?: Verdict } }
}

function runRule(run: Run, chain: Chain, rule: Rule, index: number, entering: State): RuleResult {
  const missed: State[] = []
  let state = entering
  for (const statement of rule.statements) {
    if (statement.kind === 'verdict')
      return { missed, matched: { state, said: { verdict: statement.verdict } } }
    const text = textOf(statement)
    const unknown: Unknown = { table: run.stop.table, chain: chain.name, rule, index, text }
    const answer = ask(run, state, statement, unknown)
    if (answer === 'no') return { missed: missing(entering, [...missed, state]) }
    if (answer === 'yes') continue
    if (answer.kind === 'maybe') {
      // The first doubt decides what missing takes: later ones are only met where it held.
      missed.push(assuming(state, answer.on))
      state = assuming(state, answer.on)
      if (statement.kind === 'opaque' && statement.effect === 'verdict') {
        run.accepted.push(state)
        run.refused.push(state)
      }
    } else state = answer.state
  }
  return { missed, matched: { state, said: {} } }
}

function textOf(statement: Statement): string {
  if (statement.kind === 'opaque') return statement.text
  if (statement.kind === 'limit') return `limit rate ${statement.rate}/${statement.per}`
  return statement.kind === 'field' ? statement.fields.join(' . ') : statement.kind
}

/** A rule that fails whatever its doubtful statements do assumes nothing. */
function missing(entering: State, states: readonly State[]): readonly State[] {
  const same = states.every(({ mark, changed }) => mark === entering.mark && changed === entering.changed)
  return same ? [entering] : states
}

type Answer =
  | 'yes'
  | 'no'
  | { readonly kind: 'maybe'; readonly on: Unknown }
  | { readonly kind: 'becomes'; readonly state: State }

function ask(run: Run, state: State, statement: Statement, unknown: Unknown): Answer {
  switch (statement.kind) {
    case 'field':
      if (!run.stop.certain && statement.fields.includes('iifname')) return { kind: 'maybe', on: unknown }
      return fieldHolds(run.packet, run.stop.table, statement) ? 'yes' : 'no'
    case 'bits':
      if (statement.field === 'ct mark' && state.markedBy !== undefined && isTracked(run.packet)) {
        return { kind: 'maybe', on: state.markedBy }
      }
      return bitsHold(withMark(run.packet, state), statement) ? 'yes' : 'no'
    case 'limit':
      return { kind: 'maybe', on: unknown }
    case 'mark-connection': {
      if (state.mark === undefined) return 'yes'
      const { mark } = marked(withMark(run.packet, state), statement.bits).tracking
      return { kind: 'becomes', state: { ...state, mark } }
    }
    case 'opaque':
      return opaque(state, statement, unknown)
    case 'log':
    case 'counter':
    case 'verdict':
      return 'yes'
    default:
      return statement satisfies never
  }
}

function opaque(state: State, statement: Extract<Statement, { kind: 'opaque' }>, on: Unknown): Answer {
  switch (statement.effect) {
    case undefined:
    case 'verdict':
      return { kind: 'maybe', on }
    case 'none':
      return 'yes'
    case 'mark':
      return { kind: 'becomes', state: { ...state, mark: undefined, markedBy: on } }
    case 'packet':
      return { kind: 'becomes', state: { ...assuming(state, on), changed: true } }
    default:
      return statement.effect satisfies never
  }
}

/** What a rule's verdict does with the packet; `next` goes on in this chain, `left` has left it. */
function obey(
  run: Run,
  state: State,
  verdict: Verdict | undefined,
  depth: number,
  next: State[],
  left: State[],
): void {
  switch (verdict?.kind) {
    case undefined:
    case 'continue':
      next.push(state)
      return
    case 'return':
      left.push(state)
      return
    case 'accept':
      run.accepted.push(state)
      return
    case 'drop':
    case 'reject':
      run.refused.push(state)
      return
    case 'jump':
    case 'goto':
      ;(verdict.kind === 'jump' ? next : left).push(...call(run, state, verdict.chain, depth))
      return
    default:
      verdict satisfies never
  }
}

/** The kernel's limit on nested jumps (NFT_JUMP_STACK_SIZE). */
const JUMP_DEPTH = 16

/** A chain that is not there could not be read: it may do anything. */
function call(run: Run, state: State, name: string, depth: number): readonly State[] {
  const { table } = run.stop
  const chain = table.chains.find((candidate) => candidate.name === name)
  if (chain !== undefined && depth < JUMP_DEPTH) return runChain(run, chain, [state], depth + 1)
  const doubt = assuming(state, { table, chain: name, text: `the chain ${name} could not be read` })
  run.accepted.push(doubt)
  run.refused.push(doubt)
  return [doubt]
}

function withMark(packet: Packet, state: State): Packet {
  const { tracking } = packet
  return state.mark === undefined || state.mark === tracking.mark
    ? packet
    : { ...packet, tracking: { ...tracking, mark: state.mark } }
}

function isTracked(packet: Packet): boolean {
  return packet.tracking.state !== 'invalid' && packet.tracking.state !== 'untracked'
}

function walked(state: State, step: Step): State {
  return { ...state, steps: added(state.steps, step) }
}

function assuming(state: State, unknown: Unknown): State {
  return { ...state, assumed: added(state.assumed, unknown) }
}

function doubting(state: State, { table, chain, base }: Stop): State {
  const text = `whether the packet comes by at ${table.family === 'bridge' ? 'the bridge' : base.hook}`
  return assuming(state, { table, chain: chain.name, text })
}

function added<T>(before: Trail<T> | undefined, item: T): Trail<T> {
  return { item, before, length: (before?.length ?? 0) + 1 }
}

function listOf<T>(trail: Trail<T> | undefined): readonly T[] {
  const items: T[] = []
  for (let at = trail; at !== undefined; at = at.before) items.push(at.item)
  return items.reverse()
}

/** One state for all that no later rule can tell apart, that with the fewest assumptions. */
function merged(states: readonly State[]): readonly State[] {
  if (states.length < 2) return states
  const kept = new Map<string, State>()
  for (const state of states) {
    const key = `${state.mark ?? 'any'} ${state.changed === true}`
    const known = kept.get(key)
    if (known === undefined || assumptions(state) < assumptions(known)) kept.set(key, state)
  }
  return [...kept.values()]
}

function leastAssumed(states: readonly State[]): State | undefined {
  let best: State | undefined
  for (const state of states) if (best === undefined || assumptions(state) < assumptions(best)) best = state
  return best
}

function assumptions(state: State): number {
  return state.assumed?.length ?? 0
}

function keyOf({ table, chain, index, text }: Unknown): string {
  return `${table.family} ${table.name} ${chain} ${index ?? ''} ${text}`
}

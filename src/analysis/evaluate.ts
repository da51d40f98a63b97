import { InternalError } from '../base/internal-error.ts'
import type { Packet } from '../packet/packet.ts'
import type {
  Chain,
  Limit,
  OpaqueMatch,
  Rule,
  Ruleset,
  Statement,
  Table,
  Verdict,
} from '../ruleset/ruleset.ts'
import { bitsHold, fieldHolds, marked } from './holds.ts'

/** What becomes of a packet, and the rules that it met on its way. */
export interface Outcome {
  readonly verdict: 'accept' | 'drop' | 'reject'
  /** Each rule whose statements all held, in order, and at the end of a base chain its policy. */
  readonly path: readonly Step[]
  /** The mark of its connection afterwards. */
  readonly mark: number
}

export interface Step {
  readonly table: Pick<Table, 'family' | 'name'>
  readonly chain: string
  /** Absent where the chain's policy decided. */
  readonly rule?: Rule
  /** Position of the rule in its chain, from 0. */
  readonly index?: number
  /** What the rule said; absent for a rule without a verdict. */
  readonly verdict?: Verdict
}

export interface EvaluateOptions {
  /** Does a match that is not modelled, or a limit, hold? Default: an opaque match is a refusal to answer, a limit holds. */
  readonly assume?: (statement: OpaqueMatch | Limit) => boolean
}

/**
 * The verdict of the whole ruleset on one packet at its hook: base chains of all tables that see its family, in
 * order of priority. A drop is final; an accept ends only its own base chain (nf_hook_slow). Plain and linear: it is
 * the specification that other answers are held against.
 */
export function evaluate(ruleset: Ruleset, packet: Packet, options: EvaluateOptions = {}): Outcome {
  const walk: Walk = { packet: packet, path: [], assume: options.assume ?? refuseToGuess }
  for (const { table, chain } of baseChains(ruleset, packet)) {
    const decided = runChain(walk, table, chain, 0)
    const verdict = decided.kind === 'fall-through' ? policyOf(walk, table, chain) : decided.verdict
    if (verdict.kind === 'drop' || verdict.kind === 'reject') return outcome(walk, verdict.kind)
  }
  return outcome(walk, 'accept')
}

interface Walk {
  packet: Packet
  readonly path: Step[]
  readonly assume: (statement: OpaqueMatch | Limit) => boolean
}

type ChainResult = { readonly kind: 'fall-through' } | { readonly kind: 'decided'; readonly verdict: Verdict }

/** The kernel's limit on nested jumps (NFT_JUMP_STACK_SIZE). */
const JUMP_DEPTH = 16

function refuseToGuess(statement: OpaqueMatch | Limit): boolean {
  if (statement.kind === 'limit') return true
  throw new InternalError(`evaluate met a match that it does not model: ${statement.text}`)
}

function baseChains(ruleset: Ruleset, packet: Packet): readonly { table: Table; chain: Chain }[] {
  return ruleset.tables
    .filter((table) => table.dormant !== true && (table.family === 'inet' || table.family === packet.family))
    .flatMap((table) => table.chains.map((chain) => ({ table, chain })))
    .filter(({ chain }) => chain.base?.type === 'filter' && chain.base.hook === packet.hook)
    .sort((a, b) => (a.chain.base?.priority ?? 0) - (b.chain.base?.priority ?? 0))
}

function policyOf(walk: Walk, table: Table, chain: Chain): Verdict {
  const verdict: Verdict = { kind: chain.base?.policy ?? 'accept' }
  walk.path.push({ table, chain: chain.name, verdict })
  return verdict
}

function runChain(walk: Walk, table: Table, chain: Chain, depth: number): ChainResult {
  for (const [index, rule] of chain.rules.entries()) {
    const verdict = runRule(walk, table, rule)
    if (verdict === 'no-match') continue
    walk.path.push({ table, chain: chain.name, rule, index, ...(verdict === undefined ? {} : { verdict }) })
    if (verdict === undefined || verdict.kind === 'continue') continue
    if (verdict.kind === 'return') return { kind: 'fall-through' }
    if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return { kind: 'decided', verdict }
    const result = runChain(walk, table, chainNamed(table, verdict.chain, depth), depth + 1)
    if (result.kind === 'decided' || verdict.kind === 'goto') return result
  }
  return { kind: 'fall-through' }
}

function chainNamed(table: Table, name: string, depth: number): Chain {
  const chain = table.chains.find((candidate) => candidate.name === name)
  if (chain === undefined) throw new InternalError(`a rule jumps to ${name}, which is not in the table`)
  if (depth >= JUMP_DEPTH) throw new InternalError(`jumps nest deeper than ${JUMP_DEPTH}`)
  return chain
}

/** The rule's verdict, undefined where it has none, or that one of its matches failed. */
function runRule(walk: Walk, table: Table, rule: Rule): Verdict | undefined | 'no-match' {
  for (const statement of rule.statements) {
    if (statement.kind === 'verdict') return statement.verdict
    if (statement.kind === 'mark-connection') walk.packet = marked(walk.packet, statement.bits)
    else if (!holds(walk, table, statement)) return 'no-match'
  }
  return undefined
}

function holds(
  walk: Walk,
  table: Table,
  statement: Exclude<Statement, { kind: 'verdict' | 'mark-connection' }>,
): boolean {
  switch (statement.kind) {
    case 'field':
      return fieldHolds(walk.packet, table, statement)
    case 'bits':
      return bitsHold(walk.packet, statement)
    case 'opaque':
    case 'limit':
      return walk.assume(statement)
    case 'log':
    case 'counter':
      return true
    default:
      return statement satisfies never
  }
}

function outcome(walk: Walk, verdict: Outcome['verdict']): Outcome {
  return { verdict, path: walk.path, mark: walk.packet.tracking.mark }
}

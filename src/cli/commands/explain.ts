import { evaluate } from '../../analysis/evaluate.ts'
import type { Outcome } from '../../analysis/evaluate.ts'
import { describeRule } from '../../backends/nftables/render-rule.ts'
import { InternalError } from '../../base/internal-error.ts'
import { printable } from '../../base/terminal.ts'
import { compile } from '../../compile/compile.ts'
import { parseInterfaceName } from '../../net/interface-name.ts'
import type { Packet } from '../../packet/packet.ts'
import { findTarget } from '../../policy/find-target.ts'
import type { Judgement } from '../../policy/meaning.ts'
import { judge } from '../../policy/meaning.ts'
import type { Arrival } from '../../policy/specimen.ts'
import { judgedInterfaces, requestsFor, specimen } from '../../policy/specimen.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { askedSender } from '../explain-sender.ts'
import type { LoadedPolicy } from '../load-policy.ts'
import { loadPolicy } from '../load-policy.ts'
import { packetWords } from '../packet-words.ts'
import { reasonWords } from '../reason-words.ts'

export interface ExplainOptions {
  readonly from: string
  readonly to: string
  readonly on?: string
  readonly host: boolean
}

/** One packet, what the policy says of it, and the rule that decides it. */
interface Answer {
  readonly packet: Packet
  readonly judgement: Judgement
  readonly outcome: Outcome
}

/**
 * `admit explain`: would this sender get in? Every way that the sender can look and every port of the service is
 * tried; answers that are alike are told once. 0: admitted in all of them, 1: refused in some or all.
 */
export async function explain(context: Context, options: ExplainOptions): Promise<ExitCode> {
  const loaded = await loadPolicy(context, 'explain', options)
  if (loaded.kind === 'failed') return loaded.exit
  const arrivals = arrivalsFor(loaded, options.on)
  if (options.on !== undefined && arrivals.length === 0) {
    return wrongWord(
      context,
      `--on ${options.on}: this host has no such interface, or only as part of another`,
    )
  }
  const asked = askedSender(options.from, loaded.policy, arrivals)
  if (!asked.ok) return wrongWord(context, asked.error)
  const target = findTarget(options.to, loaded.policy, await context.system.systemServices())
  if (!target.ok) return wrongWord(context, `--to ${options.to}: ${target.error}`)
  const now = context.system.now()
  const byName = new Map(arrivals.map((arrival) => [arrival.name, arrival]))
  const packets = requestsFor(target.value, loaded.policy).flatMap((request) =>
    asked.value.senders.map((sender) => specimen(sender, request, byName.get(sender.iif), now)),
  )
  if (packets.length === 0) return nothingToSay(context, asked.value.words)
  return tell(context, asked.value.words, options.to, answers(loaded, packets, now))
}

/** The judged interfaces, or the one asked for; where none is judged, all there are, so that the answer says why. */
function arrivalsFor({ policy, facts }: LoadedPolicy, on: string | undefined): readonly Arrival[] {
  const all = facts.interfaces.filter((candidate) => candidate.master === undefined)
  const judged = judgedInterfaces(policy, facts)
  if (on === undefined) return judged.length > 0 ? judged : all
  if (facts.interfaces.length > 0) return all.filter((arrival) => arrival.name === on)
  // With --no-host any name may be one of that host's.
  const name = parseInterfaceName(on)
  return name.ok ? [{ name: name.value, ethernet: on !== 'lo', addresses: [] }] : []
}

function answers(loaded: LoadedPolicy, packets: readonly Packet[], now: number): readonly Answer[] {
  const table = compile(loaded.policy, loaded.facts, { now: Math.floor(now) })
  return packets.map((packet) => {
    const judgement = judge(loaded.policy, loaded.facts, packet)
    const outcome = evaluate({ tables: [table] }, packet)
    if ((judgement.verdict === 'admitted') !== (outcome.verdict === 'accept')) {
      throw new InternalError(`the policy and its rules disagree about a packet: ${packetWords(packet)}`)
    }
    return { packet, judgement, outcome }
  })
}

function tell(context: Context, from: string, to: string, all: readonly Answer[]): ExitCode {
  const { output, policyPath } = context
  const admitted = all.filter((answer) => answer.judgement.verdict === 'admitted').length
  const word = admitted === all.length ? 'admitted' : admitted === 0 ? 'refused' : 'depends'
  const colour = word === 'admitted' ? 'green' : word === 'refused' ? 'red' : 'yellow'
  output.say(`${output.paint(colour, word)}: ${printable(from)} to ${printable(to)}`)
  for (const [sample, count] of alike(all)) {
    const { packet, judgement, outcome } = sample
    const place = judgement.place === undefined ? '' : `  ${printable(policyPath)}:${judgement.place.line}`
    const more = count > 1 ? `   (and ${count - 1} like it)` : ''
    const last = outcome.path.at(-1)
    output.say()
    output.say(`  packet   ${printable(packetWords(packet))}${more}`)
    output.say(
      `  ${judgement.verdict.padEnd(8)} ${printable(reasonWords(judgement))}${output.paint('dim', place)}`,
    )
    if (last?.rule !== undefined)
      output.say(`  rule     ${last.chain}: ${printable(describeRule(last.rule))}`)
  }
  output.document('explain', { result: word, answers: all.map(answerJson) })
  return word === 'admitted' ? EXIT.done : EXIT.no
}

/** Answers with the same verdict for the same reason by the same rule, one of each and how many. */
function alike(all: readonly Answer[]): readonly (readonly [Answer, number])[] {
  const groups = new Map<string, [Answer, number]>()
  for (const answer of all) {
    const rule = answer.outcome.path.at(-1)?.index ?? -1
    const key = `${answer.judgement.verdict} ${reasonWords(answer.judgement)} ${rule}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [answer, 1])
    else group[1]++
  }
  return [...groups.values()]
}

function answerJson({ packet, judgement, outcome }: Answer): unknown {
  const last = outcome.path.at(-1)
  return {
    verdict: judgement.verdict,
    reason: judgement.reason.kind,
    words: reasonWords(judgement),
    ...(judgement.place === undefined ? {} : { origin: judgement.place.path, line: judgement.place.line }),
    packet,
    ...(last?.rule === undefined
      ? {}
      : { rule: { chain: last.chain, index: last.index, text: describeRule(last.rule) } }),
  }
}

function nothingToSay(context: Context, who: string): ExitCode {
  context.output.warn(
    `admit: no packet on these interfaces can show that it is from ${printable(who)}: a MAC address is only seen on an Ethernet interface`,
  )
  context.output.document('explain', { result: 'refused', answers: [] })
  return EXIT.no
}

function wrongWord(context: Context, message: string): ExitCode {
  context.output.warn(`admit: ${printable(message)}`)
  context.output.document('explain', { result: 'usage', message })
  return EXIT.usage
}

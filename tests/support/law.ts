import { evaluate } from '../../src/analysis/evaluate.ts'
import { readText } from '../../src/backends/nftables/read-text.ts'
import { renderTable } from '../../src/backends/nftables/render.ts'
import { ADMIT_TABLE, compile } from '../../src/compile/compile.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { judge } from '../../src/policy/meaning.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { diffTable } from '../../src/ruleset/diff.ts'
import { sameTable } from '../../src/ruleset/normalise.ts'
import type { Ruleset, Table } from '../../src/ruleset/ruleset.ts'
import { nft } from './nft.ts'
import { expectOk } from './expect-ok.ts'
import type { HostUnderTest } from './host-under-test.ts'
import type { Observation } from './probe.ts'
import { observationKey, readProbe, resetProbe } from './probe.ts'
import type { TestPacket } from './test-packet.ts'

/**
 * The law: the meaning of a policy, its compiled model, what is read back from the rendered text, what is read back
 * from the kernel, and what the kernel does with real packets are the same.
 */
export interface Answers {
  readonly meaning: boolean
  readonly model: boolean
  readonly text: boolean
  readonly readBack: boolean
  readonly kernel: boolean
}

export interface Difference {
  readonly test: TestPacket
  readonly answers: Answers
}

export interface LawRun {
  readonly table: Table
  readonly admitted: number
  readonly differences: readonly Difference[]
  /** Where the kernel saw another packet, or another connection, than the harness meant: bugs of the harness. */
  readonly misbeliefs: readonly string[]
}

export interface LawOptions {
  readonly host: HostUnderTest
  readonly kernel: Kernel
  readonly now: number
  /** What to load instead of what `compile` makes: planted bugs. */
  readonly change?: (table: Table) => Table
}

/** Holds the policy to the law with these packets. */
export async function holdToLaw(
  policy: Policy,
  tests: readonly TestPacket[],
  options: LawOptions,
): Promise<LawRun> {
  const { host, kernel, now } = options
  const { facts } = host.plan
  const compiled = compile(policy, facts, { now })
  const table = options.change === undefined ? compiled : options.change(compiled)
  const text = expectOk(readText(renderTable(table)), 'read(render(model))')
  prepare(host, tests)
  expectOk(await kernel.apply(diffTable(undefined, table)), 'apply')
  const observed = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
  // nft writes some planted rules in another way; their verdicts are compared all the same.
  const same = observed !== undefined && (options.change !== undefined || sameTable(observed, table))
  if (!same) throw new Error('the kernel holds another table')
  const seen = send(host, tests)
  const differences: Difference[] = []
  const misbeliefs: string[] = []
  let admitted = 0
  for (const test of tests) {
    const observation = seen.get(observationKey(test.id, test.packet.hook))
    const belief = misbelief(test, observation)
    if (belief !== undefined) misbeliefs.push(belief)
    const answers: Answers = {
      meaning: judge(policy, facts, test.packet).verdict === 'admitted',
      model: accepts({ tables: [table] }, test),
      text: accepts({ tables: [text] }, test),
      readBack: accepts({ tables: [observed] }, test),
      kernel: observation?.through ?? false,
    }
    if (answers.meaning) admitted++
    if (Object.values(answers).some((answer) => answer !== answers.meaning))
      differences.push({ test, answers })
  }
  return { table, admitted, differences, misbeliefs }
}

/** Makes the connections that the packets belong to, while nothing is refused. */
function prepare(host: HostUnderTest, tests: readonly TestPacket[]): void {
  nft(`add table inet ${ADMIT_TABLE.name}\ndelete table inet ${ADMIT_TABLE.name}\n`)
  resetProbe(tests.flatMap((test) => (test.translation === undefined ? [] : [test.translation])))
  for (const test of tests) for (const { origin, wire } of test.prepare) host.send(origin, wire)
}

function send(host: HostUnderTest, tests: readonly TestPacket[]): ReadonlyMap<string, Observation> {
  for (const { dialled } of tests)
    if (dialled !== undefined) host.send(dialled.sent.origin, dialled.sent.wire)
  for (const { origin, wire } of tests) host.send(origin, wire)
  const deadline = Date.now() + 2000
  for (;;) {
    const seen = readProbe()
    // A busy machine may still have frames on the cable.
    const complete = tests.every((test) => seen.has(observationKey(test.id, test.packet.hook)))
    if (complete || Date.now() > deadline) return seen
  }
}

/** The verdict of the model, a connection that the host dials first having gone through its output chain. */
export function accepts(ruleset: Ruleset, test: TestPacket): boolean {
  return evaluate(ruleset, markedByOutput(ruleset, test)).verdict === 'accept'
}

function markedByOutput(ruleset: Ruleset, { packet, dialled }: TestPacket): TestPacket['packet'] {
  if (dialled === undefined) return packet
  const { mark } = evaluate(ruleset, dialled.packet)
  return { ...packet, tracking: { ...packet.tracking, mark } }
}

/** What the kernel says of the packet before any rule of admit, against what the harness meant it to be. */
function misbelief(test: TestPacket, seen: Observation | undefined): string | undefined {
  const { packet } = test
  const { state, direction, dnat, mark } = packet.tracking
  const tracked = state !== 'invalid' && state !== 'untracked'
  const meant = {
    hook: packet.hook,
    iif: packet.iif,
    oif: packet.oif ?? '',
    state,
    mac: packet.mac,
    ...(tracked ? { direction, dnat } : {}),
    // The mark of a connection dialled through admit's output chain is what is on trial, not a belief.
    ...(tracked && test.dialled === undefined ? { mark } : {}),
  }
  if (seen === undefined) return `never came to a hook: ${describePacket(test)}`
  const wrong = Object.entries(meant).filter(([key, value]) => seen[key as keyof Observation] !== value)
  if (wrong.length === 0) return undefined
  const words = wrong.map(
    ([key, value]) => `${key} ${String(seen[key as keyof Observation])}, not ${String(value)}`,
  )
  return `${words.join('; ')}: ${describePacket(test)}`
}

export function describePacket(test: TestPacket): string {
  return JSON.stringify({
    packet: test.packet,
    origin: test.origin,
    wire: test.wire,
    prepare: test.prepare.length,
    translation: test.translation,
  })
}

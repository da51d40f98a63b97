import { setTimeout as sleep } from 'node:timers/promises'
import type { LabOutcome, LabPlan, LabProbe } from '../lab/lab-plan.ts'
import type { Agent } from './lab-agent.ts'
import type { Lab } from './lab-build.ts'
import { agentOf } from './lab-build.ts'

/** Seconds without an answer after which a probe counts as refused, once all have been sent. */
const PATIENCE = 0.7
/** The same for a second try: a busy machine must not look like a rule. */
const SECOND_PATIENCE = 2.5

/** Collects the agents' answers, by probe. */
export interface Answers {
  readonly admitted: Map<number, boolean>
  onAnswer: (probe: number, admitted: boolean) => void
}

export function collectAnswers(): Answers {
  const answers: Answers = { admitted: new Map(), onAnswer: () => {} }
  answers.onAnswer = (probe, admitted) => answers.admitted.set(probe, admitted)
  return answers
}

/** Before any rule is loaded everyone must get in; the probes that do not are the lab's own fault. */
export async function tryWires(
  lab: Lab,
  plan: LabPlan,
  answers: Answers,
  onProgress: (done: number) => void,
): Promise<ReadonlySet<number>> {
  await round(lab, plan.probes, answers, PATIENCE, onProgress)
  const silent = plan.probes.filter((probe) => answers.admitted.get(probe.id) !== true)
  if (silent.length > 0) await round(lab, silent, answers, SECOND_PATIENCE, () => {})
  const unreached = plan.probes.filter((probe) => answers.admitted.get(probe.id) !== true)
  // With rules, who has which MAC must be asked again, through them.
  await Promise.all([lab.host, ...lab.machines.values()].map((agent) => agent.forgetNeighbours()))
  return new Set(unreached.map((probe) => probe.id))
}

/** What the rules do to every probe. One that differs from what is expected gets a second, more patient try. */
export async function tryRules(
  lab: Lab,
  plan: LabPlan,
  job: { readonly expected: readonly boolean[]; readonly unreached: ReadonlySet<number> },
  answers: Answers,
  onProgress: (done: number) => void,
): Promise<readonly LabOutcome[]> {
  answers.admitted.clear()
  const reached = plan.probes.filter((probe) => !job.unreached.has(probe.id))
  await round(lab, reached, answers, PATIENCE, onProgress)
  const differing = reached.filter(
    (probe) => (answers.admitted.get(probe.id) === true) !== job.expected[probe.id],
  )
  if (differing.length > 0) await round(lab, differing, answers, SECOND_PATIENCE, () => {})
  return plan.probes.map((probe) => {
    if (job.unreached.has(probe.id)) return 'unreached'
    return answers.admitted.get(probe.id) === true ? 'admitted' : 'refused'
  })
}

async function round(
  lab: Lab,
  probes: readonly LabProbe[],
  answers: Answers,
  patience: number,
  onProgress: (done: number) => void,
): Promise<void> {
  const asked = new Set<Agent>()
  for (const probe of probes) {
    const agent = agentOf(lab, probe.machine)
    answers.admitted.delete(probe.id)
    asked.add(agent)
    agent.probe({
      id: probe.id,
      kind: probe.kind,
      target: probe.zone === undefined ? probe.destination : `${probe.destination}%${probe.zone}`,
      ...(probe.port !== undefined && { port: probe.port }),
    })
  }
  await Promise.all([...asked].map((agent) => agent.started()))
  const begun = performance.now()
  const end = begun + patience * 1000
  let again = false
  while (performance.now() < end) {
    const answered = probes.filter((probe) => answers.admitted.has(probe.id)).length
    onProgress(answered)
    if (answered === probes.length) break
    // A wire that has just come up may lose a packet; only rules lose every one.
    if (!again && performance.now() > begun + patience * 400) {
      for (const agent of asked) agent.again()
      again = true
    }
    await sleep(20)
  }
  onProgress(probes.length)
  await Promise.all([...asked].map((agent) => agent.stop()))
}

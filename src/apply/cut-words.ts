import { printable } from '../base/terminal.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import type { CutReport } from './cut.ts'
import type { Ends } from './live.ts'

/** Connections that one line names; a busy server has thousands. */
const NAMED = 5

/** The name of a connection's peer, such as a device's, where the caller knows one. */
export type PeerName = (ends: Ends) => string | undefined

/** What a cut did, as lines for a terminal; none where there was nothing to cut and nothing to say. */
export function cutWords(report: CutReport, nameOf: PeerName = () => undefined): readonly string[] {
  const ends = (one: Ends): string => endsWords(one, nameOf)
  const opened = (by: 'peer' | 'unclear'): readonly Ends[] =>
    report.flows.filter((flow) => flow.opened === by)
  const sayings: readonly (readonly [readonly string[], (count: number) => string])[] = [
    [report.cut.map(ends), (count) => `cut ${connections(count)}`],
    [
      report.remaining.map(ends),
      (count) =>
        `${connections(count)} could not be cut; what the peer sends is refused, what this host sends goes on until TCP gives up`,
    ],
    [
      report.undecided.map(ends),
      (count) =>
        `${connections(count)} left alone, since the peer's MAC address or interface is not known; the rules judge what it sends`,
    ],
    [
      report.silenced.map(ends),
      (count) =>
        `${connections(count)} of this host's own are older than connection tracking, and their answers are refused; dial anew`,
    ],
    [
      opened('peer').map(ends),
      (count) =>
        `${count} UDP ${flows(count)}: what the peer sends is refused; what this host sends to it is not`,
    ],
    [
      opened('unclear').map(ends),
      (count) =>
        `${count} ${flows(count)} under way of which nobody can tell who began: what the peer sends may count as an answer until both are silent (by default 2 minutes)`,
    ],
    [
      report.flowtables,
      (count) =>
        `${count} ${count === 1 ? 'flowtable carries' : 'flowtables carry'} connections past all rules: a revoke is not complete before those end`,
    ],
    [
      report.unloaded.map(flowWords),
      (count) => `${connections(count)} taken out of a flowtable, and refused now`,
    ],
    [
      report.stillOffloaded.map(flowWords),
      (count) => `${count} refused ${flows(count)} still carried by a flowtable, until silent`,
    ],
  ]
  const left = report.entriesLeft
  return [
    ...sayings.flatMap(([names, say]) =>
      names.length === 0 ? [] : [`${say(names.length)}: ${some(names)}`],
    ),
    ...(left === 0
      ? []
      : [
          `${left} ${left === 1 ? 'entry' : 'entries'} of ended connections left in connection tracking; they run out within 10 s`,
        ]),
    ...report.problems.map((problem) => `while cutting connections: ${printable(problem)}`),
  ]
}

function connections(count: number): string {
  return `${count} ${count === 1 ? 'connection' : 'connections'}`
}

function flows(count: number): string {
  return count === 1 ? 'flow' : 'flows'
}

/** `phone 192.0.2.7 port 50122 to port 22` */
function endsWords(ends: Ends, nameOf: PeerName): string {
  const name = nameOf(ends)
  const { local, remote } = ends
  const named = name === undefined ? '' : `${printable(name)} `
  return `${named}${remote.address} port ${remote.port} to port ${local.port}`
}

function flowWords({ protocol, original, reply }: TrackedFlow): string {
  const { source, sourcePort } = original
  return `${source} port ${sourcePort} to ${reply.source} port ${reply.sourcePort}/${protocol}`
}

function some(names: readonly string[]): string {
  const more = names.length - NAMED
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

import type { Result } from '../base/result.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import type { Ways } from '../host/ways.ts'
import { PICKED_UP } from '../policy/meaning.ts'
import type { Table } from '../ruleset/ruleset.ts'
import type { Connections, ConnectionsError } from './connections.ts'
import type { Ends, Judged, Flow } from './live.ts'
import { endsKey, entriesOf, judgeConnections, peersOf, sortConnections } from './live.ts'
import { peerJudge } from './refused.ts'

/** What was cut, and what could not be. */
export interface CutReport {
  /** TCP connections that were ended. */
  readonly cut: readonly Ends[]
  /** Refused, and still there: their kernel would not end them, or the time was over. What they send is refused. */
  readonly remaining: readonly Ends[]
  /** Left alone: whether the rules refuse them hangs on a MAC or an interface that this host does not know. */
  readonly undecided: readonly Ends[]
  /** Opened by this host before connection tracking began: the rules refuse the answers, so they are to be dialled anew. */
  readonly silenced: readonly Ends[]
  /** UDP flows under way whose peers the rules refuse, and forwarded TCP whose opener nobody can tell. */
  readonly flows: readonly Flow[]
  /** Flowtables of the ruleset, as `FAMILY TABLE FLOWTABLE`. */
  readonly flowtables: readonly string[]
  /** Offloaded flows of refused peers whose entries were removed: TCP only. */
  readonly unloaded: readonly TrackedFlow[]
  /** Offloaded flows of refused peers that go on until they end. */
  readonly stillOffloaded: readonly TrackedFlow[]
  /** Entries of ended connections that connection tracking still has; the reset makes them run out within 10 s. */
  readonly entriesLeft: number
  /** What could not be read or done, a sentence each, printable. */
  readonly problems: readonly string[]
}

export interface CutOptions {
  /**
   * Before this change there was no table of admit's: what connection tracking knows it may have met in the middle. The kernel
   * begins to track when a transaction is prepared, and the rules that mark such connections come with its end.
   */
  readonly fresh: boolean
  /** Milliseconds after which no new attempt is begun. */
  readonly time?: number
  /** Looks at the sockets, the first one included. */
  readonly rounds?: number
}

/** Looking again finds what was being opened meanwhile; whoever is refused opens nothing new, so few looks are enough. */
const LIMITS = { time: 5000, rounds: 5 } as const

/**
 * Ends what the rules refuse: to be called when the kernel holds `table`, with `now` in seconds since 1970. TCP connections
 * of this host are ended and their tracking entries removed, until none remains. Of UDP and of forwarded connections no entry is
 * removed: it knows that the refused side opened the connection. Without it the next packet of the other side would make that one
 * the opener, and what the refused side sends an answer. The exception is TCP in a flowtable, which passes no rule at all
 * otherwise; without its entry its next segment is no first SYN, and the forward chain refuses such from either side.
 * Never fails: what went wrong is in the report.
 */
export async function cutRefused(
  connections: Connections,
  table: Table,
  facts: HostFacts,
  now: number,
  options: CutOptions,
): Promise<CutReport> {
  const work: Work = {
    connections,
    table,
    facts,
    now,
    fresh: options.fresh,
    rounds: options.rounds ?? LIMITS.rounds,
    end: connections.elapsed() + (options.time ?? LIMITS.time),
    problems: [],
  }
  const [flows, flowtables] = await Promise.all([
    flowsNow(work),
    valueOf(work, connections.flowtables(), 'the flowtables'),
  ])
  const tcp = await cutSockets(work, flows)
  if (flows !== undefined) await judgeRemaining(work, tcp.remaining)
  const entriesLeft = flows === undefined ? 0 : await forgetEnded(work, tcp.cut)
  // Anew where tracking has just begun: flows show one by one.
  const after = options.fresh && flows !== undefined ? await look(work, await flowsNow(work)) : tcp.first
  const offloaded = await unload(work, after?.offloaded ?? [])
  return {
    cut: tcp.cut,
    remaining: tcp.remaining,
    undecided: tcp.first?.undecided ?? [],
    silenced: tcp.first?.silenced ?? [],
    flows: await judgeAnswers(work, after?.flows ?? []),
    flowtables: flowtables ?? [],
    unloaded: offloaded.gone,
    stillOffloaded: offloaded.there,
    entriesLeft,
    problems: [...new Set(work.problems)],
  }
}

interface Work {
  readonly connections: Connections
  readonly table: Table
  readonly facts: HostFacts
  readonly now: number
  readonly fresh: boolean
  readonly rounds: number
  /** On the clock of `elapsed`. */
  readonly end: number
  readonly problems: string[]
}

/** The value, or undefined with the reason written down. */
async function valueOf<T>(
  work: Work,
  answer: Promise<Result<T, ConnectionsError>>,
  what: string,
): Promise<T | undefined> {
  const result = await answer
  if (result.ok) return result.value
  work.problems.push(`${what} could not be read: ${result.error.message}`)
  return undefined
}

function flowsNow(work: Work): Promise<readonly TrackedFlow[] | undefined> {
  return valueOf(work, work.connections.flows(), 'what connection tracking knows')
}

interface CutSockets {
  readonly cut: readonly Ends[]
  readonly remaining: readonly Ends[]
  /** What the first look found; undefined where there was nothing to be seen. */
  readonly first?: Judged
}

/** Looks, ends what is refused, and looks again until nothing refused is there. */
async function cutSockets(work: Work, flows: readonly TrackedFlow[] | undefined): Promise<CutSockets> {
  const tried = new Map<string, Ends>()
  let first: Judged | undefined
  let remaining: readonly Ends[] = []
  for (let round = 1; ; round++) {
    const judged = await look(work, flows)
    if (judged === undefined) break
    first ??= judged
    const before = remaining
    remaining = judged.refused
    const stuck = round > 2 && before.length === remaining.length
    // The first attempt is made however long the looking took.
    const over = round >= work.rounds || (round > 1 && work.connections.elapsed() >= work.end)
    if (remaining.length === 0 || stuck || over) break
    if (round === 1 && !(await mayKill(work))) break
    for (const socket of judged.refused) tried.set(endsKey(socket), socket)
    const killed = await work.connections.kill(judged.refused)
    if (!killed.ok) work.problems.push(killed.error.message)
  }
  for (const socket of remaining) tried.delete(endsKey(socket))
  return { cut: [...tried.values()], remaining, ...(first === undefined ? {} : { first }) }
}

async function look(work: Work, flows: readonly TrackedFlow[] | undefined): Promise<Judged | undefined> {
  const { connections, table, facts, now } = work
  const sockets = await valueOf(work, connections.sockets(), 'the sockets')
  if (sockets === undefined) return undefined
  const live = sortConnections(sockets, flows, facts, work.fresh)
  const peers = peersOf(live)
  const none: Ways = new Map()
  const ways =
    peers.length === 0 ? none : await valueOf(work, connections.ways(peers), 'the ways to the peers')
  return judgeConnections(live, ways ?? none, peerJudge(table, facts, now))
}

async function mayKill({ connections, problems }: Work): Promise<boolean> {
  const can = await connections.canKill()
  if (!can.ok) problems.push(can.error.message)
  return can.ok
}

/**
 * Marks the entries of flows that a client opened, by their ports, and that tracking met with the other side speaking: the rule
 * for answers leaves marked ones out, so that what the client sends is judged. TCP that is refused so ends by itself; what has to
 * be told about the rest is returned.
 */
async function judgeAnswers(work: Work, refused: readonly Flow[]): Promise<readonly Flow[]> {
  const entries = refused.flatMap(({ entry }) => entry ?? [])
  if (entries.length === 0) return refused
  const marked = await work.connections.mark(entries, PICKED_UP)
  if (!marked.ok) work.problems.push(marked.error.message)
  const flows = await flowsNow(work)
  const judged = new Set((flows ?? []).filter(({ mark }) => (mark & PICKED_UP) !== 0).map(flowKey))
  return refused
    .map(({ entry, ...flow }): Flow => {
      return entry !== undefined && judged.has(flowKey(entry)) ? { ...flow, opened: 'peer' } : flow
    })
    .filter(({ protocol, opened }) => protocol === 'udp' || opened !== 'peer')
}

/**
 * What could not be ended must at least be refused, also where tracking took this host for the opener: with the mark no rule takes
 * what the peer sends for an answer.
 */
async function judgeRemaining(work: Work, remaining: readonly Ends[]): Promise<void> {
  if (remaining.length === 0) return
  const entries = entriesOf(remaining, (await flowsNow(work)) ?? [])
  const marked = await work.connections.mark(
    entries.filter(({ mark }) => (mark & PICKED_UP) === 0),
    PICKED_UP,
  )
  if (!marked.ok) work.problems.push(marked.error.message)
}

/** Removes the entries of ended connections; how many are left. */
async function forgetEnded(work: Work, ended: readonly Ends[]): Promise<number> {
  if (ended.length === 0) return 0
  const { there } = await forgetAll(work, (flows) => entriesOf(ended, flows))
  return there.length
}

/**
 * Takes TCP out of flowtables by removing its entries; of UDP nothing is removed (see `cutRefused`). Kernels before "netfilter:
 * ctnetlink: Support offloaded conntrack entry deletion" (2023) refuse that: the flow is then still there, and named.
 */
async function unload(
  work: Work,
  refused: readonly TrackedFlow[],
): Promise<{ readonly gone: readonly TrackedFlow[]; readonly there: readonly TrackedFlow[] }> {
  const wanted = new Map(
    refused.filter(({ protocol }) => protocol === 'tcp').map((flow) => [flowKey(flow), flow]),
  )
  const udp = refused.filter(({ protocol }) => protocol === 'udp')
  if (wanted.size === 0) return { gone: [], there: udp }
  const { there } = await forgetAll(work, (flows) =>
    flows.filter((flow) => flow.offloaded && wanted.has(flowKey(flow))),
  )
  for (const flow of there) wanted.delete(flowKey(flow))
  return { gone: [...wanted.values()], there: [...there, ...udp] }
}

function flowKey({ protocol, original, reply }: TrackedFlow): string {
  return [protocol, ...Object.values(original), ...Object.values(reply)].join(' ')
}

/** Lists, removes, and lists again until none of the chosen entries is there. */
async function forgetAll(
  work: Work,
  choose: (flows: readonly TrackedFlow[]) => readonly TrackedFlow[],
): Promise<{ readonly there: readonly TrackedFlow[] }> {
  let there: readonly TrackedFlow[] = []
  for (let round = 1; ; round++) {
    const flows = await flowsNow(work)
    if (flows === undefined) return { there }
    there = choose(flows)
    if (there.length === 0) return { there }
    // Once in any case, however long the ending took.
    if (round > 1 && (round >= work.rounds || work.connections.elapsed() >= work.end)) return { there }
    const forgotten = await work.connections.forget(there, flows)
    if (!forgotten.ok) {
      work.problems.push(forgotten.error.message)
      return { there }
    }
  }
}

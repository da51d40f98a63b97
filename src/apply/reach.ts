import type { Decision, Unknown } from '../analysis/decide.ts'
import { decide } from '../analysis/decide.ts'
import type { Step } from '../analysis/evaluate.ts'
import { representatives } from '../analysis/representatives.ts'
import type { Place } from '../base/place.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import { originPath } from '../compile/origin.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import type { AdminStanding } from '../policy/admins.ts'
import { adminStandings } from '../policy/admins.ts'
import { isExpired, recognises } from '../policy/meaning.ts'
import type { Device, Policy } from '../policy/policy.ts'
import type { Ruleset, Table } from '../ruleset/ruleset.ts'
import { replyTo } from './reach-reply.ts'
import type { Scene, SceneContext } from './reach-scenes.ts'
import { adminScenes, callerScenes } from './reach-scenes.ts'

export interface ReachQuestion {
  readonly policy: Policy
  readonly facts: HostFacts
  /** Everything in the kernel, whoever wrote it. */
  readonly observed: Ruleset
  /** Admit's own table as it is to be; undefined: there will be none. */
  readonly candidate: Table | undefined
  /** The SSH connection of whoever applies; absent at a console. */
  readonly caller?: SshConnection
  /** Seconds since 1970. */
  readonly now: number
}

/** Whose way in is proven. */
export type Who =
  | { readonly kind: 'admin'; readonly device: Device }
  /** `devices`: those of the policy that recognise them, expired ones too. */
  | { readonly kind: 'applier'; readonly connection: SshConnection; readonly devices: readonly Device[] }

interface Case {
  readonly who: Who
  /** The packet that shows it; absent where no interface of this host can show the device. */
  readonly packet?: Packet
  /** `reply`: the way in is free, and this host's answer is refused. */
  readonly direction: 'request' | 'reply'
  /** Such as `22/tcp`. */
  readonly request: string
  readonly path: readonly Step[]
}

/** Someone who must get in would be refused. */
export interface ReachFailure extends Case {
  /** The rule or chain policy that refuses; absent with `packet`. */
  readonly by?: Step
  /** The line of the policy at fault, where it is one of the policy's. */
  readonly place?: Place
  /** Somebody else's rule: admit cannot open what others refuse. */
  readonly foreign: boolean
}

/** Whether they get in hangs on what the model cannot tell. */
export interface ReachDoubt extends Case {
  readonly on: readonly Unknown[]
}

export interface UncountedAdmin {
  readonly device: Device
  readonly because: Exclude<
    AdminStanding['because'],
    'no-admin' | 'unseen-allowed' | 'neighbour' | 'ssh-connection'
  >
}

export interface ReachReport {
  readonly failures: readonly ReachFailure[]
  readonly doubts: readonly ReachDoubt[]
  /** The devices that were judged. */
  readonly admins: readonly Device[]
  readonly notCounted: readonly UncountedAdmin[]
  /** What was not proven, and why. */
  readonly notes: readonly string[]
  /** Packets that were judged. */
  readonly packets: number
}

/**
 * Does every admin reach every port on which an SSH server listens, and does whoever applies stay in? Judged over all
 * that the kernel will consult, for every packet that may begin such a connection: `representatives` gives those that
 * stand for all. Refused for certain is a failure, hanging on what is not modelled a doubt.
 */
export function proveReach(question: ReachQuestion): ReachReport {
  const { policy, facts, now, caller } = question
  const context: SceneContext = { policy, facts, now }
  const judge = judging(withCandidate(question.observed, question.candidate), policy)
  const standing = adminStandings(facts)
  const admins: Device[] = []
  const notCounted: UncountedAdmin[] = []
  for (const device of policy.devices) {
    const { counts, because } = standing(device)
    if (counts) admins.push(device)
    else if (because !== 'no-admin') notCounted.push({ device, because })
  }
  if (facts.sshPorts.length > 0) {
    for (const device of admins) {
      const scenes = adminScenes(context, device, facts.sshPorts)
      const who: Who = { kind: 'admin', device }
      if (scenes.length === 0) judge.invisible(who, facts.sshPorts)
      for (const scene of scenes) judge.scene(who, scene)
    }
  }
  if (caller !== undefined) judgeCaller(judge, context, caller)
  const notes = notesOf(facts, admins)
  return {
    failures: judge.failures,
    doubts: judge.doubts,
    admins,
    notCounted,
    notes,
    packets: judge.packets(),
  }
}

function judgeCaller(judge: Judging, context: SceneContext, caller: SshConnection): void {
  for (const scene of callerScenes(context, caller)) {
    const devices = context.policy.devices.filter((device) => recognises(device, scene.packet))
    judge.scene({ kind: 'applier', connection: caller, devices }, scene)
  }
}

function notesOf(facts: HostFacts, admins: readonly Device[]): readonly string[] {
  const notes: string[] = []
  if (facts.sshPorts.length === 0) {
    notes.push('no SSH server is seen listening: nothing is proven about admins')
  } else if (admins.length === 0) {
    notes.push('no device counts as an admin: nothing is proven about admins')
  }
  for (const { name, evidence } of facts.otherFirewalls) {
    if (/legacy/i.test(`${name} ${evidence}`)) {
      notes.push(`${name} (${evidence}): its rules are not visible to nft, and not part of the proof`)
    }
  }
  return notes
}

/** The rules as they will be: admit's table replaced, everybody else's as they are. */
function withCandidate(observed: Ruleset, candidate: Table | undefined): Ruleset {
  const others = observed.tables.filter(
    ({ family, name }) => family !== ADMIT_TABLE.family || name !== ADMIT_TABLE.name,
  )
  return { tables: candidate === undefined ? others : [...others, candidate] }
}

interface Judging {
  readonly failures: ReachFailure[]
  readonly doubts: ReachDoubt[]
  packets(): number
  scene(who: Who, scene: Scene): void
  invisible(who: Who, ports: readonly number[]): void
}

/** A first SYN, plain and with what asks for ECN (RFC 3168). */
const FIRST_FLAGS: readonly number[] = [TCP_FLAGS.syn, TCP_FLAGS.syn | TCP_FLAGS.ecn | TCP_FLAGS.cwr]

function judging(ruleset: Ruleset, policy: Policy): Judging {
  const failures: ReachFailure[] = []
  const doubts: ReachDoubt[] = []
  const told = new Set<string>()
  let count = 0
  const tell = (one: Omit<Case, 'path'>, decision: Decision): void => {
    if (decision.kind === 'accept') return
    const key = `${decision.kind} ${keyOf(one, decision)}`
    if (told.has(key)) return
    told.add(key)
    const { path } = decision
    if (decision.kind === 'hangs') doubts.push({ ...one, path, on: decision.on })
    else failures.push(failure(policy, { ...one, path }))
  }
  const judgeAll = (who: Who, direction: Case['direction'], scene: Scene): void => {
    const { packet, free, bridged } = scene
    const { packets, complete, count: all } = representatives(ruleset, packet, free, { bridged })
    const request = `${direction === 'reply' ? packet.sourcePort : packet.destinationPort}/tcp`
    const flags = direction === 'reply' ? [packet.tcpFlags ?? 0] : FIRST_FLAGS
    const answers = flags.flatMap((tcpFlags) =>
      packets.map((each): Answer => {
        const one = { ...each, tcpFlags }
        return { packet: one, decision: decide(ruleset, one, { bridged }) }
      }),
    )
    count += answers.length
    for (const one of scene.routed ? softened(answers) : answers) {
      tell({ who, direction, request, packet: one.packet }, one.decision)
    }
    if (complete) return
    const text = `only ${packets.length} of ${all} kinds of packets were tried`
    const on = [{ table: ADMIT_TABLE, chain: 'input', text }]
    tell({ who, direction, request, packet }, { kind: 'hangs', on, path: [] })
  }
  return {
    failures,
    doubts,
    packets: () => count,
    scene(who, scene) {
      judgeAll(who, 'request', scene)
      const reply = replyTo(ruleset, scene)
      if (reply !== undefined) judgeAll(who, 'reply', reply)
    },
    invisible(who, ports) {
      for (const port of ports) {
        failures.push({
          who,
          direction: 'request',
          request: `${port}/tcp`,
          path: [],
          foreign: false,
          ...(who.kind === 'admin' ? { place: who.device.place } : {}),
        })
      }
    },
  }
}

interface Answer {
  readonly packet: Packet
  readonly decision: Decision
}

/**
 * Behind a router an admin is at an address that is not known: where others refuse some of these (a jail of banned
 * addresses) and admit the rest, that is a doubt.
 */
function softened(answers: readonly Answer[]): readonly Answer[] {
  const open = new Set(
    answers.filter(({ decision }) => decision.kind === 'accept').map(({ packet }) => butForTheFarEnd(packet)),
  )
  return answers.map((answer): Answer => {
    const { packet, decision } = answer
    const last = decision.kind === 'refuse' ? decision.path.at(-1) : undefined
    if (decision.kind !== 'refuse' || last === undefined || isOwn(last)) return answer
    if (!open.has(butForTheFarEnd(packet))) return answer
    const { table, chain, rule, index } = last
    const on: Unknown = {
      table,
      chain,
      text: 'which of those behind the router it is: some are refused',
      ...(rule === undefined ? {} : { rule }),
      ...(index === undefined ? {} : { index }),
    }
    return { packet, decision: { kind: 'hangs', on: [on], path: decision.path } }
  })
}

function butForTheFarEnd(packet: Packet): string {
  const { source, destination, hook, ...rest } = packet
  return JSON.stringify([hook === 'output' ? source : destination, rest])
}

function isOwn({ table }: Step): boolean {
  return table.family === ADMIT_TABLE.family && table.name === ADMIT_TABLE.name
}

/** One failure for each of: who, port, direction, interface and family, and what refuses. */
function keyOf({ who, request, direction, packet }: Omit<Case, 'path'>, decision: Decision): string {
  const name = who.kind === 'admin' ? who.device.name : ''
  const last = decision.kind === 'refuse' ? decision.path.at(-1) : undefined
  const on =
    decision.kind === 'hangs'
      ? decision.on.map(({ table, chain, index, text }) => [table.family, table.name, chain, index, text])
      : [last?.table.family, last?.table.name, last?.chain, last?.index]
  return JSON.stringify([who.kind, name, request, direction, packet?.iif, packet?.family, on])
}

function failure(policy: Policy, one: Case): ReachFailure {
  const by = one.path.at(-1)
  if (by === undefined) return { ...one, foreign: false }
  if (!isOwn(by)) return { ...one, by, foreign: true }
  const place = placeOf(policy, one, by)
  return { ...one, by, foreign: false, ...(place === undefined ? {} : { place }) }
}

/** The line at fault: that which the refusing rule comes from, else that of the device which no grant admits. */
function placeOf(policy: Policy, { who, packet }: Case, by: Step): Place | undefined {
  const path = originPath(by.rule?.comment ?? '')
  const named = policy.grants.find((grant) => grant.place.path === path)?.place
  if (named !== undefined) return named
  if (who.kind === 'admin') return who.device.place
  const time = packet?.time ?? 0
  return (who.devices.find((device) => !isExpired(device, time)) ?? who.devices[0])?.place
}

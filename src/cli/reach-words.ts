import type { Unknown } from '../analysis/decide.ts'
import type { Step } from '../analysis/evaluate.ts'
import { forceName } from '../apply/force.ts'
import type { ReachDoubt, ReachFailure, ReachReport, UncountedAdmin, Who } from '../apply/reach.ts'
import { describeRule } from '../backends/nftables/render-rule.ts'
import { printable } from '../base/terminal.ts'
import { originPath } from '../compile/origin.ts'
import { isExpired } from '../policy/meaning.ts'
import type { Policy } from '../policy/policy.ts'
import { packetWords } from './packet-words.ts'

/** What the words about a proof are told in. */
export interface ReachWordsOptions {
  /** The policy file as the user named it. */
  readonly file: string
  readonly policy: Policy
}

/**
 * A failure for the user: who is refused where, the packet, what refuses it, what to add, and the word that overrides
 * it. Printable lines without colour; the first begins with the place in the policy where there is one.
 */
export function failureLines(failure: ReachFailure, options: ReachWordsOptions): readonly string[] {
  const { who, request, packet, by, place, direction } = failure
  const at = place === undefined ? '' : `${options.file}:${place.line}:${place.column}: `
  const what =
    direction === 'reply'
      ? `${whoWords(who)} gets in, but this host's answer from ${request} would be refused`
      : `${whoWords(who)} would be refused at ${request}`
  return [
    `${at}${what}`,
    ...(packet === undefined ? [] : [`  packet: ${packetWords(packet)}${flagWords(failure)}`]),
    ...(by === undefined ? [] : [`  refused by: ${stepWords(by)}`]),
    ...fixLines(failure, options.policy).map((line) => `  ${line}`),
    `  to apply all the same: --force '${forceName(who)}'`,
  ].map(printable)
}

/** A doubt for the user: what the answer hangs on. */
export function doubtLines(doubt: ReachDoubt): readonly string[] {
  const { who, request, packet, direction, on } = doubt
  const what =
    direction === 'reply' ? `this host's answer from ${request} to ${whoWords(who)}` : whoWords(who)
  return [
    `whether ${what} gets through${direction === 'reply' ? '' : ` to ${request}`} is not proven: it hangs on`,
    ...on.map((unknown) => `  ${unknownWords(unknown)}`),
    ...(packet === undefined ? [] : [`  packet: ${packetWords(packet)}`]),
  ].map(printable)
}

/** What the proof leaves out: notes, and devices with `admin: true` that do not count. */
export function omissionLines(report: ReachReport): readonly string[] {
  return [...report.notes, ...report.notCounted.map(uncountedWords)].map(printable)
}

/** A failure or doubt in a JSON document. */
export function reachJson(one: ReachFailure | ReachDoubt): unknown {
  const { who, request, direction, packet } = one
  return {
    who: who.kind === 'admin' ? { admin: who.device.name } : { me: who.connection.remote.address },
    request,
    direction,
    ...(packet === undefined ? {} : { packet }),
    ...('on' in one
      ? { hangsOn: one.on.map(unknownWords) }
      : {
          ...(one.by === undefined ? {} : { refusedBy: stepWords(one.by) }),
          ...(one.place === undefined ? {} : { line: one.place.line, origin: one.place.path }),
          foreign: one.foreign,
          force: forceName(who),
        }),
  }
}

export function whoWords(who: Who): string {
  if (who.kind === 'admin') return `admin ${who.device.name}`
  const { address, port } = who.connection.remote
  const names = who.devices.map(({ name }) => name)
  return `your own connection (${names.length === 0 ? '' : `${names.join(', ')}, `}from ${address} port ${port})`
}

function flagWords({ packet }: ReachFailure): string {
  return packet?.sourcePort === undefined ? '' : `, source port ${packet.sourcePort}`
}

function stepWords({ table, chain, rule }: Step): string {
  const where = `table ${table.family} ${table.name}, chain ${chain}`
  if (rule === undefined) return `${where}: its policy`
  const origin = originPath(rule.comment ?? '')
  if (origin !== undefined) return `${where}: ${rule.comment}`
  return `${where}: ${describeRule(rule)}`
}

function unknownWords({ table, chain, rule, text }: Unknown): string {
  const words = rule?.comment === undefined ? text : `${text} (${rule.comment})`
  return `table ${table.family} ${table.name}, chain ${chain}: ${words}`
}

function fixLines(failure: ReachFailure, policy: Policy): readonly string[] {
  const { who, by, packet, foreign, request } = failure
  if (by === undefined) {
    return [
      'no interface of this host can show its identity: a MAC address is only seen on an Ethernet interface',
      'list an address of it, or say it on an interface that this host has',
    ]
  }
  if (foreign) return ['admit cannot open what others refuse: change that rule where it is made']
  const to = targetFor(policy, request)
  if (who.kind === 'admin') return [`add to grants: - { from: ${who.device.name}, to: ${to} }`]
  const living = who.devices.filter((device) => !isExpired(device, packet?.time ?? 0))
  const [device] = living
  if (device !== undefined) return [`add to grants: - { from: ${device.name}, to: ${to} }`]
  const [expired] = who.devices
  if (expired !== undefined) return [`the time of ${expired.name} is over: change its \`until\``]
  const name = unusedName(policy)
  const identity =
    who.connection.mac === undefined
      ? `address: ${quotedAddress(who.connection.remote.address)}`
      : `mac: ${who.connection.mac}`
  return [
    'no device of the policy recognises it',
    `add to devices:  ${name}: { ${identity} }`,
    `add to grants:   - { from: ${name}, to: ${to} }`,
  ]
}

/** `ssh` where that is the port, else the port itself. */
function targetFor(policy: Policy, request: string): string {
  const port = Number(request.slice(0, request.indexOf('/')))
  const own = policy.services.find((service) => service.name === 'ssh')
  const parts = own?.parts ?? []
  const named =
    own === undefined
      ? port === 22
      : parts.some(
          (part) => part.kind === 'ports' && part.protocol === 'tcp' && part.from <= port && port <= part.to,
        )
  return named ? 'ssh' : request
}

/** YAML reads an IPv6 address without quotes as it is; in flow style its colons need them. */
function quotedAddress(address: string): string {
  return address.includes(':') ? `"${address}"` : address
}

function unusedName({ devices, groups }: Policy): string {
  const taken = new Set([...devices, ...groups].map(({ name }) => name))
  let name = 'me'
  for (let count = 2; taken.has(name); count++) name = `me-${count}`
  return name
}

function uncountedWords({ device, because }: UncountedAdmin): string {
  switch (because) {
    case 'until':
      return `${device.name} has an \`until\` and does not count as an admin`
    case 'never-seen':
      return `${device.name} was never seen by this host and does not count as an admin (unseen: true says that this is meant)`
    default:
      return because satisfies never
  }
}

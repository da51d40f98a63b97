import { formatCidr } from '../net/cidr.ts'
import { formatInstant } from './instant.ts'
import type { Device, Grant, HostSettings, Identity, LogRate, Policy, PolicyTest, Target } from './policy.ts'
import { formatServicePart } from './inline-service.ts'

/**
 * The canonical text of a policy: every setting written, one line an entry, groups resolved to devices. Reading it
 * gives the same policy but for places, as long as the system's service list stays the same.
 */
export function formatPolicy(policy: Policy): string {
  const sections = [
    ['admit: 1'],
    ['host:', ...formatHost(policy.host).map((line) => `  ${line}`)],
    section(
      'devices:',
      policy.devices.map((device) => `${key(device.name)}: ${formatDevice(device)}`),
    ),
    section(
      'groups:',
      policy.groups.map((group) => `${key(group.name)}: ${list(group.members.map(text))}`),
    ),
    section(
      'services:',
      policy.services.map(({ name, parts }) => `${key(name)}: ${oneOrList(parts.map(formatServicePart))}`),
    ),
    section(
      'grants:',
      policy.grants.map((grant) => `- ${formatGrant(grant)}`),
    ),
    ['safety:', `  admins: ${policy.safety.admins}`, `  confirm: ${policy.safety.confirm}s`],
    section(
      'tests:',
      policy.tests.map((test) => `- ${formatTest(test)}`),
    ),
  ]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

function section(title: string, entries: readonly string[]): readonly string[] {
  return entries.length === 0 ? [] : [title, ...entries.map((entry) => `  ${entry}`)]
}

function formatHost(host: HostSettings): readonly string[] {
  return [
    `unguarded: ${list(host.unguarded.map(({ value }) => text(value)))}`,
    `forward: ${host.forward}`,
    `refuse: ${host.refuse}`,
    `log: ${host.log === 'off' ? 'off' : formatRate(host.log)}`,
    ...(host.backend === undefined ? [] : [`backend: ${host.backend}`]),
  ]
}

/** A rate as the policy language writes it: `3/minute`. */
export function formatRate(rate: LogRate): string {
  return `${rate.count}/${rate.per}`
}

function formatDevice(device: Device): string {
  const { identities } = device
  const macs = identities.flatMap((identity) => (identity.kind === 'mac' ? [text(identity.mac)] : []))
  const addresses = identities.flatMap((identity) =>
    identity.kind === 'address' ? [cidrText(identity)] : [],
  )
  const bounds = identities.flatMap((identity) =>
    identity.kind === 'bound' ? [`{ mac: ${text(identity.mac)}, address: ${cidrText(identity)} }`] : [],
  )
  return map([
    ['mac', macs.length > 0 ? oneOrList(macs) : undefined],
    ['address', addresses.length > 0 ? oneOrList(addresses) : undefined],
    ['bound', bounds.length > 0 ? oneOrList(bounds) : undefined],
    ['admin', device.admin ? 'true' : undefined],
    ['unseen', device.unseen ? 'true' : undefined],
    ['until', device.until === undefined ? undefined : formatInstant(device.until)],
    ['everyone-behind', device.everyoneBehind],
    ['note', device.note === undefined ? undefined : quoted(device.note)],
  ])
}

function cidrText(identity: Identity & { kind: 'address' | 'bound' }): string {
  return text(formatCidr(identity.cidr))
}

function formatGrant(grant: Grant): string {
  const { from, on, through } = grant
  return map([
    ['from', from.kind === 'anyone' ? 'anyone' : oneOrList(from.written.map(text))],
    ['to', oneOrList(grant.to.map(formatTarget))],
    ['on', on && oneOrList(on.map(({ value }) => text(value)))],
    ['through', through && oneOrList(through.map(({ value }) => text(formatCidr(value))))],
  ])
}

function formatTest(test: PolicyTest): string {
  const { accept, refuse, on } = test
  return map([
    ['from', formatSubject(test.from)],
    ['accept', accept.length > 0 ? oneOrList(accept.map(formatTarget)) : undefined],
    ['refuse', refuse.length > 0 ? oneOrList(refuse.map(formatTarget)) : undefined],
    ['on', on && oneOrList(on.map(({ value }) => text(value)))],
  ])
}

function formatSubject(from: PolicyTest['from']): string {
  switch (from.kind) {
    case 'device':
      return text(from.device)
    case 'group':
      return text(from.group)
    case 'anyone':
    case 'stranger':
      return from.kind
    default:
      return from satisfies never
  }
}

function formatTarget(target: Target): string {
  return target.kind === 'everything' ? 'everything' : text(target.service.name)
}

function map(entries: readonly (readonly [string, string | undefined])[]): string {
  const written = entries.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return written.length === 0 ? '{}' : `{ ${written.join(', ')} }`
}

function oneOrList(items: readonly string[]): string {
  const [only] = items
  return items.length === 1 && only !== undefined ? only : list(items)
}

function list(items: readonly string[]): string {
  return `[${items.join(', ')}]`
}

function key(name: string): string {
  return text(name)
}

/** Words and numbers that YAML programs other than admit would not read as text. */
const NOT_TEXT = /^([-+.]?[0-9][0-9_.:e+-]*|0[ox][0-9a-f]+|true|false|null|yes|no|on|off|y|n)$/i
const PLAIN = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_./-]*$/u
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/

/** A scalar: plain where every YAML program reads it as this text, else in double quotes. */
function text(value: string): string {
  return (PLAIN.test(value) && !NOT_TEXT.test(value)) || MAC.test(value) || isDottedAddress(value)
    ? value
    : quoted(value)
}

function isDottedAddress(value: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(value)
}

/** Double-quoted, with every character escaped that is not plainly visible. */
function quoted(value: string): string {
  const escaped = JSON.stringify(value).replace(
    /[\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return escaped
}

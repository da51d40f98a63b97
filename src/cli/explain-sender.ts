import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { nearest } from '../base/suggest.ts'
import { printable } from '../base/terminal.ts'
import { parseCidr } from '../net/cidr.ts'
import { macKind, parseMacAddress } from '../net/mac-address.ts'
import type { Identity, Policy } from '../policy/policy.ts'
import type { Arrival, Sender } from '../policy/specimen.ts'
import { deviceSenders, identitySenders, strangerSenders } from '../policy/specimen.ts'
import { nowhere } from '../base/place.ts'

/** Who is asked about: how their packets can look on the interfaces given. */
export interface AskedSender {
  readonly words: string
  readonly senders: readonly Sender[]
}

/** Reads `--from`: a device's or group's name, `stranger` (or `anyone`, who may be one), a MAC address, or an address. */
export function askedSender(
  word: string,
  policy: Policy,
  on: readonly Arrival[],
): Result<AskedSender, string> {
  const device = policy.devices.find((candidate) => candidate.name === word)
  if (device !== undefined) return ok({ words: device.name, senders: deviceSenders(policy, device, on) })
  if (word === 'stranger' || word === 'anyone') {
    return ok({ words: word === 'anyone' ? 'anyone' : 'a stranger', senders: strangerSenders(policy, on) })
  }
  const group = policy.groups.find((candidate) => candidate.name === word)
  if (group !== undefined) {
    const members = policy.devices.filter((candidate) => group.members.includes(candidate.name))
    return ok({ words: group.name, senders: members.flatMap((member) => deviceSenders(policy, member, on)) })
  }
  const identity = identityOf(word)
  if (identity.ok) return ok({ words: word, senders: identitySenders(policy, identity.value, on) })
  const named = [...policy.devices, ...policy.groups].map((candidate) => candidate.name)
  const near = nearest(word, [...named, 'stranger'])
  const hint = near === undefined ? '' : ` Did you mean ${near}?`
  return fail(`--from ${printable(word)}: ${identity.error}.${hint}`)
}

function identityOf(word: string): Result<Identity, string> {
  const place = nowhere('--from')
  const mac = parseMacAddress(word)
  if (mac.ok) {
    const kind = macKind(mac.value)
    if (kind === 'local' || kind === 'global') return ok({ kind: 'mac', mac: mac.value, place })
    return fail(`a ${kind} MAC address is never a sender's`)
  }
  const cidr = parseCidr(word)
  if (cidr.ok) return ok({ kind: 'address', cidr: cidr.value, place })
  const looksLikeAddress = /^[0-9a-f:.]+(\/\d+)?$/i.test(word) && /[:.]/.test(word)
  return fail(looksLikeAddress ? cidr.error : 'no device or group of the policy, no MAC address, no address')
}

import { grantWords } from '../compile/grant-rules.ts'
import type { Judgement } from '../policy/meaning.ts'
import { NETWORK_NEEDS } from '../policy/network-needs.ts'
import type { Device } from '../policy/policy.ts'

/** Why the policy admits or refuses, in words. */
export function reasonWords({ reason }: Judgement): string {
  switch (reason.kind) {
    case 'output':
      return 'what leaves this host is not judged'
    case 'loopback':
      return 'lo is never judged'
    case 'unguarded':
      return `${reason.interface} is unguarded`
    case 'reply':
      return 'it answers what this host dialled'
    case 'related-error':
      return 'an ICMP error about a connection of this host'
    case 'network-need':
      return `the network needs it: ${NETWORK_NEEDS.find((need) => need.key === reason.need)?.words ?? reason.need}`
    case 'grant':
      return grantWords(reason.grant)
    case 'forward-keep':
      return 'forwarding is left to others (forward: keep)'
    case 'bridged':
      return 'a frame from port to port of a bridge'
    case 'invalid':
      return 'it belongs to no connection that makes sense'
    case 'no-grant':
      return noGrantWords(reason.recognised, reason.expired)
    case 'forward-drop':
      return 'this host forwards nothing (forward: drop)'
    case 'picked-up':
      return 'a forwarded TCP connection cannot begin in the middle'
    default:
      return reason satisfies never
  }
}

function noGrantWords(recognised: readonly Device[], expired: readonly Device[]): string {
  if (recognised.length === 0) return 'no device of the policy has this MAC or address'
  const names = recognised.map((device) => device.name).join(', ')
  if (recognised.length === expired.length) return `${names}: its time is over (until)`
  return `it is ${names}, and no grant lets that reach it`
}

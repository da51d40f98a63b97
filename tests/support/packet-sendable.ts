import { cidrContains } from '../../src/net/cidr.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { familyOf } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { macToNumber } from '../../src/net/mac-address.ts'
import type { HostPlan } from './host-plan.ts'
import { cidrOf, isOwnAddress, macOf } from './host-plan.ts'
import type { Draft } from './packet-sketch.ts'

const NEVER_A_SOURCE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/80', 'ff00::/8'].map(cidrOf)

export const LINK_LOCAL = cidrOf('fe80::/10')

const ON_LINK = cidrOf('fe80::/64')

/** Would the kernel carry the packet as far as its hook, and would its answers find their way? */
export function canBeSent(plan: HostPlan, { route, history }: Draft): boolean {
  const { source, destination, hook, mac } = route
  if ((macToNumber(mac) & 0x010000000000) !== 0 || isReserved(mac)) return false
  const needsNoAnswer = history.kind === 'first'
  if (!needsNoAnswer || hook === 'forward') {
    if (isOwnAddress(plan, source) || !isUsable(source)) return false
    // Of the link-local addresses only those of the usual prefix have a route.
    if (cidrContains(LINK_LOCAL, source) && !(cidrContains(ON_LINK, source) && route.arrives !== 'lo'))
      return false
  } else if (source !== '::' && !isUsable(source)) return false
  if (isOnBroadcast(source) || familyOf(source) !== familyOf(destination)) return false
  if (hook === 'input') return source !== destination
  if (isOwnAddress(plan, destination) || !isUsable(destination) || isOnBroadcast(destination)) return false
  return !cidrContains(LINK_LOCAL, source) && !cidrContains(LINK_LOCAL, destination) && source !== destination
}

/** MACs that the harness itself uses on the far side must not be learned at the near one. */
function isReserved(mac: MacAddress): boolean {
  return mac.startsWith('02:aa:00:00:00') || mac === macOf('00:00:00:00:00:00')
}

function isUsable(address: IpAddress): boolean {
  return !NEVER_A_SOURCE.some((cidr) => cidrContains(cidr, address)) && address !== '255.255.255.255'
}

/** The host's own networks are 10.N.0.0/24 and 2001:db8:N::/64; a router is also their subnet-router anycast address (RFC 4291 section 2.6.1). */
function isOnBroadcast(address: IpAddress): boolean {
  return /^(10\.\d\.0\.(0|255)|2001:db8:(\d:)?:|fe80::)$/.test(address)
}

/** Can it be the address of one machine? */
export function isUnicast(address: IpAddress): boolean {
  return isUsable(address)
}

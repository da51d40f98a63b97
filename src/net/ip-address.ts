import type { Brand } from '../base/brand.ts'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'

export type Family = 'ip' | 'ip6'

/**
 * An IPv4 address in dotted form or an IPv6 address in the form of RFC 5952 (lower case, longest run of zeros
 * as `::`). Canonical, so `===` is equality. Never a zone (`%eth0`), never an IPv4-mapped `::ffff:` address.
 */
export type IpAddress = Brand<string, 'IpAddress'>

/** Reads one address, strictly: `010.0.0.1`, `10.1`, zones and `::ffff:` addresses are refused with the reason. */
export function parseIpAddress(text: string): Result<IpAddress, string> {
  const value = text.includes(':') ? parse6(text) : parse4(text)
  if (!value.ok) return value
  return ok(ipFromNumber(text.includes(':') ? 'ip6' : 'ip', value.value))
}

export function familyOf(address: IpAddress): Family {
  return address.includes(':') ? 'ip6' : 'ip'
}

/** Bits of an address of this family: 32 or 128. */
export function widthOf(family: Family): 32 | 128 {
  return family === 'ip' ? 32 : 128
}

/** Asked for every packet and element, so it relies on the canonical form instead of checking it again. */
export function ipToNumber(address: IpAddress): bigint {
  if (!address.includes(':')) {
    return BigInt(address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0))
  }
  const cut = address.indexOf('::')
  if (cut === -1) return BigInt(`0x${hexDigits(address)}`)
  return (
    BigInt(`0x${hexDigits(address.slice(0, cut)).padEnd(32, '0')}`) +
    BigInt(`0x0${hexDigits(address.slice(cut + 2))}`)
  )
}

function hexDigits(groups: string): string {
  return groups === '' ? '' : groups.split(':').reduce((digits, group) => digits + group.padStart(4, '0'), '')
}

export function ipFromNumber(family: Family, value: bigint): IpAddress {
  return (family === 'ip' ? format4(value) : format6(value)) as IpAddress
}

function parse4(text: string): Result<bigint, string> {
  const octets = text.split('.')
  const shaped = octets.length === 4 && octets.every((octet) => /^\d{1,3}$/.test(octet))
  if (!shaped) return fail('an IPv4 address is four numbers from 0 to 255, such as 192.0.2.7')
  if (octets.some((octet) => octet.length > 1 && octet.startsWith('0'))) {
    // inet_aton reads 010 as octal 8, people read ten (CVE-2021-28918 in netmask): nobody may guess here.
    return fail('a number of an IPv4 address must not begin with 0: some programs read it as octal')
  }
  if (octets.some((octet) => Number(octet) > 255)) {
    return fail('an IPv4 address is four numbers from 0 to 255, such as 192.0.2.7')
  }
  return ok(octets.reduce((value, octet) => value * 256n + BigInt(octet), 0n))
}

function parse6(text: string): Result<bigint, string> {
  const wrong = fail('an IPv6 address is eight groups of hex digits, such as 2001:db8::7')
  if (text.includes('%')) return fail('an address must not name an interface (%); use `on` in the grant')
  let body = text
  let tail: bigint[] = []
  if (text.includes('.')) {
    const cut = text.lastIndexOf(':') + 1
    const last = parse4(text.slice(cut))
    if (!last.ok) return last
    tail = [last.value >> 16n, last.value & 0xffffn]
    body = text.slice(0, cut - (text.slice(0, cut).endsWith('::') ? 0 : 1))
  }
  const halves = body.split('::')
  if (halves.length > 2) return wrong
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  if (groups.flat().some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return wrong
  const before = (groups[0] ?? []).map((group) => BigInt(`0x${group}`))
  const after = [...(groups[1] ?? []).map((group) => BigInt(`0x${group}`)), ...tail]
  const missing = 8 - before.length - after.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return wrong
  const all = [...before, ...new Array<bigint>(missing).fill(0n), ...after]
  const value = all.reduce((sum, group) => sum * 65536n + group, 0n)
  if (value >> 32n === 0xffffn) {
    return fail('an IPv4-mapped address (::ffff:…) never arrives in a packet; write the IPv4 address itself')
  }
  return ok(value)
}

function format4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
}

function format6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn)
  let bestStart = -1
  let bestLength = 1
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0n) length++
    if (length > bestLength) {
      bestStart = start
      bestLength = length
    }
  }
  const hex = groups.map((group) => group.toString(16))
  if (bestStart < 0) return hex.join(':')
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`
}

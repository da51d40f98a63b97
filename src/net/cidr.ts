import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type { Family, IpAddress } from './ip-address.ts'
import { familyOf, ipFromNumber, ipToNumber, parseIpAddress, widthOf } from './ip-address.ts'

/** A network: an address whose bits beyond `prefix` are zero. A single address has the full width as prefix. */
export interface Cidr {
  readonly family: Family
  readonly address: IpAddress
  readonly prefix: number
}

/** Reads `ADDRESS` or `ADDRESS/PREFIX`. Host bits that are set are an error that names the network meant. */
export function parseCidr(text: string): Result<Cidr, string> {
  const slash = text.indexOf('/')
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address.ok) return address
  const family = familyOf(address.value)
  const width = widthOf(family)
  if (slash < 0) return ok({ family, address: address.value, prefix: width })
  const written = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(written) || Number(written) > width) {
    return fail(`the prefix length after / is a whole number from 0 to ${width}`)
  }
  const prefix = Number(written)
  const network = ipFromNumber(family, firstOf(ipToNumber(address.value), width - prefix))
  if (network !== address.value) {
    return fail(
      `host bits are set: write ${network}/${prefix} for the network, or ${address.value} for one address`,
    )
  }
  return ok({ family, address: network, prefix })
}

export function formatCidr(cidr: Cidr): string {
  return cidr.prefix === widthOf(cidr.family) ? cidr.address : `${cidr.address}/${cidr.prefix}`
}

/** First and last address as numbers, both inclusive. */
export function cidrRange(cidr: Cidr): { readonly low: bigint; readonly high: bigint } {
  const low = ipToNumber(cidr.address)
  return { low, high: low + (1n << BigInt(widthOf(cidr.family) - cidr.prefix)) - 1n }
}

export function cidrContains(cidr: Cidr, address: IpAddress): boolean {
  if (familyOf(address) !== cidr.family) return false
  const { low, high } = cidrRange(cidr)
  const value = ipToNumber(address)
  return low <= value && value <= high
}

function firstOf(value: bigint, hostBits: number): bigint {
  return (value >> BigInt(hostBits)) << BigInt(hostBits)
}

import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import type { Reading, JsonRecord } from './reading.ts'
import { numberField, readRecords, recordField, recordsField, textField } from './reading.ts'

/** Where packets for other networks are handed over. */
export interface NextHop {
  readonly interface: InterfaceName
  readonly address: IpAddress
}

export interface RoutesReading {
  /** Next hops of all routes of all tables, each once. */
  readonly nextHops: readonly NextHop[]
  /** Default routes that name an interface and no next hop: on Ethernet somebody answers ARP for the whole world. */
  readonly openDefaults: readonly { readonly interface: InterfaceName; readonly family: Family }[]
  /** Networks that a route calls directly attached, as `ADDRESS/PREFIX` or an address; default routes excepted. */
  readonly attached: readonly { readonly interface: InterfaceName; readonly destination: string }[]
  /** Some route names its next hop by id only (net.ipv4.nexthop_compat_mode=0): ask `ip -j nexthop`. */
  readonly byId: boolean
}

/** Reads the objects of `ip -j route show table all`, of one family or of both. */
export function readRoutes(records: readonly JsonRecord[]): RoutesReading {
  const nextHops = new Map<string, NextHop>()
  const openDefaults = new Map<string, { interface: InterfaceName; family: Family }>()
  const attached: { interface: InterfaceName; destination: string }[] = []
  let byId = false
  for (const record of records) {
    const type = textField(record, 'type') ?? 'unicast'
    if (type !== 'unicast') continue
    const hops = hopsOf(record)
    for (const hop of hops) nextHops.set(`${hop.interface} ${hop.address}`, hop)
    if (hops.length > 0) continue
    const name = parseInterfaceName(textField(record, 'dev') ?? '')
    const destination = textField(record, 'dst') ?? ''
    if (numberField(record, 'nhid') !== undefined) byId = true
    else if (name.ok && destination === 'default') {
      // iproute2 prints `pref` for IPv6 routes only, and `default` without the family.
      const family = textField(record, 'pref') === undefined ? 'ip' : 'ip6'
      openDefaults.set(`${name.value} ${family}`, { interface: name.value, family })
    } else if (name.ok) attached.push({ interface: name.value, destination })
  }
  return { nextHops: [...nextHops.values()], openDefaults: [...openDefaults.values()], attached, byId }
}

/** Reads `ip -j nexthop`: the next hops that routes may name by id. */
export function readNextHops(text: string): Reading<readonly NextHop[]> {
  const records = readRecords(text, 'ip -j nexthop')
  return { value: records.value.flatMap(hopsOf), notes: records.notes }
}

/** The next hops in one route, nexthop object or answer of `ip -j route get`. */
export function hopsOf(record: JsonRecord): readonly NextHop[] {
  return [record, ...recordsField(record, 'nexthops')].flatMap((hop) => {
    const name = parseInterfaceName(textField(hop, 'dev') ?? textField(record, 'dev') ?? '')
    // An IPv4 route may have an IPv6 next hop (RFC 5549): then it stands in `via`.
    const written = textField(hop, 'gateway') ?? textField(recordField(hop, 'via'), 'host')
    const address = parseIpAddress(written ?? '')
    return name.ok && address.ok ? [{ interface: name.value, address: address.value }] : []
  })
}

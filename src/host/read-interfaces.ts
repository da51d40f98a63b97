import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import { familyOf, parseIpAddress, widthOf } from '../net/ip-address.ts'
import { parseMacAddress } from '../net/mac-address.ts'
import type { InterfaceAddress, InterfaceKind, NetworkInterface } from './host-facts.ts'
import type { JsonRecord, Reading } from './reading.ts'
import { listHas, numberField, recordField, recordsField, textField } from './reading.ts'

/** What the interfaces are, and what they do with netfilter. */
export interface InterfacesReading {
  readonly interfaces: readonly NetworkInterface[]
  /**
   * Some bridge sends its frames through iptables by itself (its nf_call_iptables and nf_call_ip6tables), whatever
   * the sysctl of that name says: br_netfilter looks at both.
   */
  readonly bridgesCallNetfilter: { readonly ip: boolean; readonly ip6: boolean }
}

/**
 * Reads the objects of `ip -d -j address` (or `ip -d -j link`, then without addresses). `-d` is what names the
 * kinds; without it every kind but loopback is `physical` or `other`.
 */
export function readInterfaces(records: readonly JsonRecord[]): Reading<InterfacesReading> {
  const notes: string[] = []
  // iproute2 4.x and 5.x print an empty object for every interface that a filter leaves out.
  const named = records.filter((record) => textField(record, 'ifname') !== undefined)
  const kinds = new Map(named.map((record) => [textField(record, 'ifname'), kindOf(record)]))
  const interfaces: NetworkInterface[] = []
  for (const record of named) {
    const written = textField(record, 'ifname') ?? ''
    const name = parseInterfaceName(written)
    if (name.ok) interfaces.push(readInterface(record, name.value, kinds, notes))
    else notes.push(`the interface ${JSON.stringify(written)} cannot be named in a policy: ${name.error}`)
  }
  const bridges = named.map((record) => recordField(recordField(record, 'linkinfo'), 'info_data'))
  const bridgesCallNetfilter = {
    ip: bridges.some((data) => numberField(data, 'nf_call_iptables') === 1),
    ip6: bridges.some((data) => numberField(data, 'nf_call_ip6tables') === 1),
  }
  return { value: { interfaces, bridgesCallNetfilter }, notes }
}

function readInterface(
  record: JsonRecord,
  name: InterfaceName,
  kinds: ReadonlyMap<string | undefined, InterfaceKind>,
  notes: string[],
): NetworkInterface {
  const ethernet = textField(record, 'link_type') === 'ether'
  const mac = parseMacAddress(textField(record, 'address') ?? '')
  const master = readMaster(record, kinds)
  return {
    name,
    kind: kindOf(record),
    ethernet,
    ...(ethernet && mac.ok ? { mac: mac.value } : {}),
    addresses: readAddresses(record, name, notes),
    up: listHas(record, 'flags', 'UP'),
    ...(master === undefined ? {} : { master }),
  }
}

function readMaster(
  record: JsonRecord,
  kinds: ReadonlyMap<string | undefined, InterfaceKind>,
): NetworkInterface['master'] {
  const written = textField(record, 'master')
  if (written === undefined) return undefined
  const name = parseInterfaceName(written)
  if (!name.ok) return undefined
  const slaveKind = textField(recordField(record, 'linkinfo'), 'info_slave_kind')
  return { name: name.value, kind: kinds.get(written) ?? namedKind(slaveKind) ?? 'other' }
}

function kindOf(record: JsonRecord): InterfaceKind {
  const linkType = textField(record, 'link_type')
  if (linkType === 'loopback') return 'loopback'
  const written = textField(recordField(record, 'linkinfo'), 'info_kind')
  if (written !== undefined) return namedKind(written) ?? 'other'
  if (linkType === 'ppp') return 'ppp'
  return linkType === 'ether' ? 'physical' : 'other'
}

/** The kinds that admit tells apart, by the kernel's own name (rtnl_link_ops.kind). */
function namedKind(kind: string | undefined): InterfaceKind | undefined {
  switch (kind) {
    case 'veth':
    case 'bridge':
    case 'bond':
    case 'vlan':
    case 'vrf':
    case 'macvlan':
    case 'dummy':
    case 'tun':
    case 'wireguard':
    case 'ppp':
      return kind
    default:
      return undefined
  }
}

function readAddresses(record: JsonRecord, name: InterfaceName, notes: string[]): InterfaceAddress[] {
  const addresses: InterfaceAddress[] = []
  for (const info of recordsField(record, 'addr_info')) {
    const written = textField(info, 'local')
    const prefix = numberField(info, 'prefixlen')
    if (written === undefined || prefix === undefined) continue
    const address = parseIpAddress(written)
    if (!address.ok) {
      notes.push(`an address of ${name} was left out, ${JSON.stringify(written)}: ${address.error}`)
    } else if (Number.isInteger(prefix) && prefix >= 0 && prefix <= widthOf(familyOf(address.value))) {
      addresses.push({ address: address.value, prefix, scope: scopeOf(textField(info, 'scope')) })
    }
  }
  return addresses
}

function scopeOf(scope: string | undefined): InterfaceAddress['scope'] {
  switch (scope) {
    case 'global':
    case 'link':
    case 'host':
      return scope
    default:
      return 'other'
  }
}

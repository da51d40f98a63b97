import type { Port } from '../net/port.ts'
import type { PortProtocol } from '../net/protocol.ts'
import type { ServicePart } from './policy.ts'

/**
 * Services that every admit knows, so that a policy means the same on a host without /etc/services. Few: what a
 * server's owner names daily, and what a system list has wrongly or not at all (HTTP/3, WireGuard, IPsec as a whole).
 * Ports are those of IANA's registry.
 */
const TABLE: { readonly [name: string]: readonly (readonly [PortProtocol, number] | 'esp' | 'ping')[] } = {
  ping: ['ping'],
  ssh: [['tcp', 22]],
  http: [['tcp', 80]],
  https: [
    ['tcp', 443],
    ['udp', 443],
  ],
  dns: [
    ['tcp', 53],
    ['udp', 53],
  ],
  dhcp: [['udp', 67]],
  ntp: [['udp', 123]],
  mdns: [['udp', 5353]],
  wireguard: [['udp', 51820]],
  ipsec: [['udp', 500], ['udp', 4500], 'esp'],
}

/** Names of the built-in services, `everything` aside. */
export const BUILT_IN_NAMES: readonly string[] = Object.keys(TABLE)

/** The parts of a built-in service, or undefined where there is none of this name. */
export function builtInService(name: string): readonly ServicePart[] | undefined {
  return Object.hasOwn(TABLE, name) ? TABLE[name]?.map(toPart) : undefined
}

function toPart(entry: readonly [PortProtocol, number] | 'esp' | 'ping'): ServicePart {
  if (entry === 'ping') return { kind: 'ping' }
  if (entry === 'esp') return { kind: 'protocol', protocol: 'esp' }
  const port = entry[1] as Port
  return { kind: 'ports', protocol: entry[0], from: port, to: port }
}

import { nowhere } from '../../src/base/place.ts'
import type { HostFacts, NetworkInterface } from '../../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../../src/host/host-facts.ts'
import type { Cidr } from '../../src/net/cidr.ts'
import { parseCidr } from '../../src/net/cidr.ts'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import { parseInterfaceName } from '../../src/net/interface-name.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { parseIpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import type { Port } from '../../src/net/port.ts'
import { parsePort } from '../../src/net/port.ts'
import type { Result } from '../../src/base/result.ts'
import type { Device, Grant, HostSettings, Identity, Policy, Service } from '../../src/policy/policy.ts'

function sure<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(result.error)
  return result.value
}

export const mac = (text: string): MacAddress => sure(parseMacAddress(text))
export const ip = (text: string): IpAddress => sure(parseIpAddress(text))
export const cidr = (text: string): Cidr => sure(parseCidr(text))
export const port = (number: number): Port => sure(parsePort(String(number)))
export const face = (text: string): InterfaceName => sure(parseInterfaceName(text))

/** `byMac('…')`, `byAddress('…')` and `bound('…', '…')` are the identities of the language. */
export const byMac = (text: string): Identity => ({ kind: 'mac', mac: mac(text), place: nowhere('mac') })
export const byAddress = (text: string): Identity => ({
  kind: 'address',
  cidr: cidr(text),
  place: nowhere('address'),
})
export const bound = (one: string, at: string): Identity => ({
  kind: 'bound',
  mac: mac(one),
  cidr: cidr(at),
  place: nowhere('bound'),
})

export function device(name: string, identities: readonly Identity[], more: Partial<Device> = {}): Device {
  return { name, identities, admin: false, unseen: true, place: nowhere(`devices.${name}`), ...more }
}

/** `service('web', '80/tcp', '443/udp')`, with `8000-8010/tcp` for a range. */
export function service(name: string, ...written: readonly string[]): Service {
  return {
    name,
    parts: written.map((text) => {
      const [, from = '', to = from, protocol] = /^(\d+)(?:-(\d+))?\/(tcp|udp)$/.exec(text) ?? []
      if (protocol !== 'tcp' && protocol !== 'udp') throw new Error(`no service: ${text}`)
      return { kind: 'ports', protocol, from: port(Number(from)), to: port(Number(to)) }
    }),
  }
}

export const PING: Service = { name: 'ping', parts: [{ kind: 'ping' }] }

export function grant(
  from: readonly string[] | 'anyone',
  to: readonly Service[] | 'everything',
  on: readonly string[] = [],
): Grant {
  return {
    from: from === 'anyone' ? { kind: 'anyone' } : { kind: 'devices', written: from, devices: from },
    to: to === 'everything' ? [{ kind: 'everything' }] : to.map((one) => ({ kind: 'service', service: one })),
    ...(on.length > 0 && { on: on.map((name) => ({ value: face(name), place: nowhere('on') })) }),
    place: nowhere('grants[0]'),
  }
}

export function policy(
  devices: readonly Device[],
  grants: readonly Grant[],
  more: { readonly host?: Partial<HostSettings>; readonly services?: readonly Service[] } = {},
): Policy {
  return {
    host: {
      unguarded: [],
      forward: 'drop',
      refuse: 'drop',
      log: 'off',
      place: nowhere('host'),
      ...more.host,
    },
    devices,
    groups: [],
    services: more.services ?? [],
    grants: grants.map((one, index) => ({ ...one, place: nowhere(`grants[${index}]`) })),
    safety: { admins: 0, confirm: 60 },
    tests: [],
  }
}

/** `link('eth0', 'physical', '192.168.1.1/24', …)`: up, Ethernet unless its kind has none. */
export function link(
  name: string,
  kind: NetworkInterface['kind'],
  addresses: readonly string[],
  more: Partial<NetworkInterface> = {},
): NetworkInterface {
  return {
    name: face(name),
    kind,
    ethernet: !['loopback', 'tun', 'wireguard', 'ppp'].includes(kind),
    addresses: addresses.map((text) => {
      const [address = '', prefix] = text.split('/')
      const scope = address.startsWith('fe80') ? 'link' : kind === 'loopback' ? 'host' : 'global'
      return { address: ip(address), prefix: Number(prefix), scope }
    }),
    up: true,
    ...more,
  }
}

export const LO = link('lo', 'loopback', ['127.0.0.1/8', '::1/128'])

export function host(interfaces: readonly NetworkInterface[], more: Partial<HostFacts> = {}): HostFacts {
  return { ...UNKNOWN_HOST, interfaces: [LO, ...interfaces], ...more }
}

export function gateway(on: string, address: string, its?: string): HostFacts['gateways'][number] {
  return { interface: face(on), address: ip(address), ...(its !== undefined && { mac: mac(its) }) }
}

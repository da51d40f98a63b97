import type { Place } from '../base/place.ts'
import type { Cidr } from '../net/cidr.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Port } from '../net/port.ts'
import type { PlainProtocol, PortProtocol } from '../net/protocol.ts'

/** A policy that has been read and resolved: every name in it is known, every value has passed its door. */
export interface Policy {
  readonly host: HostSettings
  readonly devices: readonly Device[]
  readonly groups: readonly Group[]
  /** The services that the policy itself defines; grants carry their targets resolved. */
  readonly services: readonly Service[]
  readonly grants: readonly Grant[]
  readonly safety: Safety
  readonly tests: readonly PolicyTest[]
}

export interface HostSettings {
  readonly unguarded: readonly Placed<InterfaceName>[]
  readonly forward: 'drop' | 'keep' | 'guard'
  readonly refuse: 'drop' | 'reject'
  readonly log: LogRate | 'off'
  /** Absent: what this host's rules are written with, nft where there are none. */
  readonly backend?: 'nft' | 'iptables'
  /** Where `host:` stands; its keys are `host.forward` and so on. */
  readonly place: Place
}

export interface LogRate {
  readonly count: number
  readonly per: 'second' | 'minute' | 'hour' | 'day'
}

/** A value and where it was written. */
export interface Placed<T> {
  readonly value: T
  readonly place: Place
}

/** Letters and digits of any script, `_` and `-`, beginning with a letter or digit; at most 63 characters. */
export type Name = string

export interface Device {
  readonly name: Name
  /** Alternatives: any one of them makes a packet the device's. Never empty. */
  readonly identities: readonly Identity[]
  readonly admin: boolean
  readonly unseen: boolean
  /** Seconds since 1970: past it the device is not admitted. */
  readonly until?: number
  readonly everyoneBehind?: 'gateway'
  readonly note?: string
  readonly place: Place
}

export type Identity =
  | { readonly kind: 'mac'; readonly mac: MacAddress; readonly place: Place }
  | { readonly kind: 'address'; readonly cidr: Cidr; readonly place: Place }
  /** Both must fit. */
  | { readonly kind: 'bound'; readonly mac: MacAddress; readonly cidr: Cidr; readonly place: Place }

export interface Group {
  readonly name: Name
  /** Devices, groups inside it resolved; each once, in order of first mention. */
  readonly members: readonly Name[]
  readonly place: Place
}

export interface Service {
  readonly name: string
  readonly parts: readonly ServicePart[]
}

/** What a service lets through: ports of a protocol (from and to inclusive), a protocol without ports, or echo requests of both families. */
export type ServicePart =
  | { readonly kind: 'ports'; readonly protocol: PortProtocol; readonly from: Port; readonly to: Port }
  | { readonly kind: 'protocol'; readonly protocol: PlainProtocol }
  | { readonly kind: 'ping' }

/** What a grant reaches: `everything`, or a service as the policy wrote it (`ssh`, `8080/tcp`). */
export type Target = { readonly kind: 'everything' } | { readonly kind: 'service'; readonly service: Service }

export interface Grant {
  readonly from: Audience
  /** Never empty. */
  readonly to: readonly Target[]
  /** Arriving interfaces; absent means every judged one. */
  readonly on?: readonly Placed<InterfaceName>[]
  /** Networks behind this host. With it the grant is about them alone, not about this host. */
  readonly through?: readonly Placed<Cidr>[]
  readonly place: Place
}

export type Audience =
  | { readonly kind: 'anyone' }
  /** `written`: the names as the policy has them; `devices`: groups resolved, each once. */
  | { readonly kind: 'devices'; readonly written: readonly Name[]; readonly devices: readonly Name[] }

export interface Safety {
  /** Fewest devices that must count as admins; a whole number from 0. */
  readonly admins: number
  /** Seconds within which an apply must be confirmed. */
  readonly confirm: number
}

export interface PolicyTest {
  readonly from:
    | { readonly kind: 'device'; readonly device: Name }
    | { readonly kind: 'group'; readonly group: Name; readonly devices: readonly Name[] }
    | { readonly kind: 'anyone' }
    | { readonly kind: 'stranger' }
  readonly accept: readonly Target[]
  readonly refuse: readonly Target[]
  readonly on?: readonly Placed<InterfaceName>[]
  readonly place: Place
}

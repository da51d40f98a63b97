import type { InterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import { macKind } from '../net/mac-address.ts'
import type { HostFacts, NetworkInterface, SshConnection } from './host-facts.ts'

/** What this machine is to the machines around it: what `admit whoami` prints, and its JSON, version 1. */
export interface WhoAmI {
  readonly version: 1
  readonly interfaces: readonly OwnInterface[]
  readonly gateways: readonly OwnGateway[]
  /** Who the caller is to this machine, where they came by SSH. */
  readonly you?: CallerIdentity
}

export interface OwnInterface {
  readonly name: InterfaceName
  readonly kind: NetworkInterface['kind']
  readonly up: boolean
  /**
   * The MAC address that others on this link see as the sender of this machine's packets: what to list for it in
   * their policies. Absent where no MAC is seen, and on members of a bridge or bond: those send with the master's.
   */
  readonly mac?: MacAddress
  /** The MAC was not given by the maker of a card: a virtual one, or a private one that changes from network to network. */
  readonly localMac: boolean
  /** As `ADDRESS/PREFIX`. */
  readonly addresses: readonly string[]
  readonly master?: InterfaceName
}

export interface OwnGateway {
  readonly interface: InterfaceName
  readonly address: IpAddress
  readonly mac?: MacAddress
}

export interface CallerIdentity {
  readonly address: IpAddress
  readonly interface?: InterfaceName
  /** Present where the caller is a neighbour: the MAC that this machine sees. */
  readonly mac?: MacAddress
  /** Present where the caller comes through a gateway, so that this machine sees the gateway's MAC only. */
  readonly gateway?: IpAddress
}

/** What this machine is to others, and who `caller` is to it. Loopback says nothing about either and is left out. */
export function whoAmI(facts: HostFacts, caller: SshConnection | undefined): WhoAmI {
  return {
    version: 1,
    interfaces: facts.interfaces.filter((link) => link.kind !== 'loopback').map(ownInterface),
    gateways: facts.gateways,
    ...(caller === undefined ? {} : { you: callerIdentity(caller) }),
  }
}

function ownInterface(link: NetworkInterface): OwnInterface {
  // A bridge or bond sends with its own MAC by whichever port; a VRF member keeps sending with its own.
  const hidden = link.master !== undefined && link.master.kind !== 'vrf'
  const mac = hidden ? undefined : link.mac
  return {
    name: link.name,
    kind: link.kind,
    up: link.up,
    ...(mac === undefined ? {} : { mac }),
    localMac: mac !== undefined && macKind(mac) === 'local',
    addresses: link.addresses.map((entry) => `${entry.address}/${entry.prefix}`),
    ...(link.master === undefined ? {} : { master: link.master.name }),
  }
}

function callerIdentity(caller: SshConnection): CallerIdentity {
  const { remote, interface: name, mac, gateway } = caller
  return {
    address: remote.address,
    ...(name === undefined ? {} : { interface: name }),
    ...(mac === undefined ? {} : { mac }),
    ...(gateway === undefined ? {} : { gateway }),
  }
}

/** The same for a person: one line an interface, gateway and caller, without control characters. */
export function whoAmILines(who: WhoAmI): readonly string[] {
  const wide = Math.max(0, ...who.interfaces.map((link) => link.name.length))
  return [
    ...who.interfaces.map((link) => `${link.name.padEnd(wide)}  ${interfaceWords(link)}`),
    ...who.gateways.map((gateway) => {
      const mac = gateway.mac === undefined ? '' : `, MAC ${gateway.mac}`
      return `gateway ${gateway.address} on ${gateway.interface}${mac}: beyond it, others see its MAC, never this machine's`
    }),
    ...(who.you === undefined ? [] : [callerWords(who.you)]),
  ]
}

function interfaceWords(link: OwnInterface): string {
  const addresses = link.addresses.length === 0 ? '' : `  ${link.addresses.join('  ')}`
  const down = link.up ? '' : '  (down)'
  return `${macWords(link)}${addresses}${down}`
}

function macWords(link: OwnInterface): string {
  if (link.mac !== undefined) return `${link.mac}${link.localMac ? ' (local)' : ''}`
  if (link.master !== undefined) return `part of ${link.master}, seen with its MAC`
  return 'no MAC address'
}

function callerWords(you: CallerIdentity): string {
  const on = you.interface === undefined ? '' : ` on ${you.interface}`
  if (you.mac !== undefined) return `you are ${you.address}${on}, with the MAC ${you.mac}`
  if (you.gateway !== undefined) {
    return `you are ${you.address}, through the gateway ${you.gateway}${on}: known by your address, never by a MAC`
  }
  return `you are ${you.address}${on}: no MAC of yours is seen`
}

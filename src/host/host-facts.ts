import type { InterfaceName } from '../net/interface-name.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'

/** What an interface is, as `ip -d -j link` tells it (`linkinfo.info_kind`); `physical` where the kernel names no kind. */
export type InterfaceKind =
  | 'loopback'
  | 'physical'
  | 'veth'
  | 'bridge'
  | 'bond'
  | 'vlan'
  | 'vrf'
  | 'macvlan'
  | 'dummy'
  | 'tun'
  | 'wireguard'
  | 'ppp'
  | 'other'

export interface InterfaceAddress {
  readonly address: IpAddress
  readonly prefix: number
  readonly scope: 'global' | 'link' | 'host' | 'other'
}

export interface NetworkInterface {
  readonly name: InterfaceName
  readonly kind: InterfaceKind
  /** Its frames have an Ethernet header (ARPHRD_ETHER), so a sender's MAC address can be seen. Never lo. */
  readonly ethernet: boolean
  /** Its own MAC address; absent where it has none. */
  readonly mac?: MacAddress
  readonly addresses: readonly InterfaceAddress[]
  readonly up: boolean
  /** The bridge, bond or VRF it belongs to: packets then show that one as their arriving interface. */
  readonly master?: { readonly name: InterfaceName; readonly kind: InterfaceKind }
}

/** A next hop of some route, and its MAC address where the neighbour table knows it. */
export interface Gateway {
  readonly interface: InterfaceName
  readonly address: IpAddress
  readonly mac?: MacAddress
}

export interface Neighbour {
  readonly interface: InterfaceName
  readonly address: IpAddress
  readonly mac: MacAddress
}

/** A socket that waits for connections or datagrams; `address` absent means every address of its families. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly address?: IpAddress
  /** The program's name where the reader may see it, such as `sshd`. */
  readonly program?: string
}

/** An established SSH connection to this host. */
export interface SshConnection {
  readonly local: { readonly address: IpAddress; readonly port: number }
  readonly remote: { readonly address: IpAddress; readonly port: number }
  /** The interface that the route to the peer uses, and the peer's MAC where it is a neighbour there. */
  readonly interface?: InterfaceName
  readonly mac?: MacAddress
  /** The peer is reached through a gateway: `mac` is then absent, since a packet would carry the gateway's. */
  readonly gateway?: IpAddress
}

/** Someone else who writes netfilter rules here, with what shows it. */
export interface OtherFirewall {
  readonly name: string
  readonly evidence: string
}

/** All that admit reads about the host before it judges; one network namespace's view. Any list may be empty. */
export interface HostFacts {
  readonly interfaces: readonly NetworkInterface[]
  readonly gateways: readonly Gateway[]
  readonly neighbours: readonly Neighbour[]
  readonly listeners: readonly Listener[]
  /** Ports on which an SSH server really listens. */
  readonly sshPorts: readonly number[]
  readonly sshConnections: readonly SshConnection[]
  readonly forwarding: { readonly ip: boolean; readonly ip6: boolean }
  /** net.bridge.bridge-nf-call-iptables and -ip6tables; false where the module is not loaded. */
  readonly bridgeNetfilter: { readonly ip: boolean; readonly ip6: boolean }
  readonly otherFirewalls: readonly OtherFirewall[]
}

/** A host of which nothing is known. */
export const UNKNOWN_HOST: HostFacts = {
  interfaces: [],
  gateways: [],
  neighbours: [],
  listeners: [],
  sshPorts: [],
  sshConnections: [],
  forwarding: { ip: false, ip6: false },
  bridgeNetfilter: { ip: false, ip6: false },
  otherFirewalls: [],
}

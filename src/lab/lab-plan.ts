import type { HostFacts } from '../host/host-facts.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Packet } from '../packet/packet.ts'

/**
 * A copy of the host, and everyone who may knock at it, as data: which machines stand where, and what each of
 * them tries. Holds only values that have passed their doors, so it can be sent to another process as JSON.
 */
export interface LabPlan {
  /** What the host copy's interfaces are. */
  readonly links: readonly LabLink[]
  readonly hostRoutes: readonly LabRoute[]
  readonly forwarding: HostFacts['forwarding']
  readonly bridgeNetfilter: HostFacts['bridgeNetfilter']
  readonly machines: readonly LabMachine[]
  readonly listeners: readonly LabListener[]
  /** The rows of the matrix: someone in a place. */
  readonly callers: readonly LabCaller[]
  /** The columns of the matrix. */
  readonly services: readonly LabService[]
  readonly probes: readonly LabProbe[]
  /** Where the copy differs from the host or leaves something out, a sentence each. */
  readonly notes: readonly string[]
}

/** An interface of the host copy and what it is plugged into: one wire that all its machines share. */
export interface LabLink {
  readonly name: InterfaceName
  /** `ethernet` is one end of a veth; a `bridge` has such ends as ports; a `tun` carries bare IP packets. */
  readonly kind: 'ethernet' | 'bridge' | 'tun'
  readonly mac?: MacAddress
  readonly addresses: readonly LabAddress[]
  /** The ports of a bridge; empty for the others. Machines are plugged into the first one's wire. */
  readonly ports: readonly { readonly name: InterfaceName; readonly mac?: MacAddress }[]
}

export interface LabAddress {
  readonly address: IpAddress
  readonly prefix: number
}

/** A route of a machine or of the host copy. Without `via` the destination is on the wire itself. */
export interface LabRoute {
  readonly destination: LabAddress | 'default'
  readonly family: Family
  readonly via?: IpAddress
  /** An interface of the host copy, or of the machine that has the route. */
  readonly interface: string
}

/** A machine: one network namespace. */
export interface LabMachine {
  readonly id: string
  readonly interfaces: readonly LabInterface[]
  readonly routes: readonly LabRoute[]
  /** It passes packets on: a router. */
  readonly forwards: boolean
}

export interface LabInterface {
  /** The name inside the machine: that of the link, or `lan` towards a router. */
  readonly name: string
  readonly plug:
    | { readonly kind: 'link'; readonly link: InterfaceName }
    /** The other end is an interface of that router. */
    | { readonly kind: 'router'; readonly router: string }
  readonly mac?: MacAddress
  readonly addresses: readonly LabAddress[]
}

/** A socket of the host copy, or of a machine behind it. It is bound to the one address, since UDP must answer from the address that was asked. */
export interface LabListener {
  /** `host`, or a machine's id. */
  readonly machine: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly address: IpAddress
  /** The host's interface, where the address is link-local. */
  readonly zone?: InterfaceName
}

/** A row: who sends, and from where. */
export interface LabCaller {
  readonly id: string
  readonly role: 'device' | 'stranger' | 'router' | 'behind' | 'self'
  /** `laptop`, `stranger`, `the router`, `behind the router`, `this host itself`. */
  readonly title: string
  /** How the sender looks to the host: its MAC where that is its own and can be seen, else an address. */
  readonly looks: string
  /** The interface of the host that it arrives on. */
  readonly on: InterfaceName
  /** Its packets come through a router, and so with the router's MAC. */
  readonly routed?: true
  /** It calls somebody on another link of the host, not the host itself. */
  readonly through?: { readonly on: InterfaceName; readonly title: string }
}

/** A column. */
export interface LabService {
  readonly id: string
  readonly title: string
}

/** One packet with its answer: sent by a machine, to one address and port of the host, or through it. */
export interface LabProbe {
  readonly id: number
  readonly caller: string
  readonly service: string
  /** The machine that sends; `host` is the host copy itself. */
  readonly machine: string
  /** The machine that is called: `host`, or one behind it. */
  readonly called: string
  readonly kind: 'ping' | 'tcp' | 'udp'
  readonly destination: IpAddress
  /** The sender's interface, which a link-local destination needs. */
  readonly zone?: string
  /** Absent for a ping. */
  readonly port?: number
  /** The first packet as netfilter sees it in the host: what the answer is judged by. */
  readonly packet: Packet
}

/** What became of a probe: the answer came, it did not, or not even before any rule was loaded. */
export type LabOutcome = 'admitted' | 'refused' | 'unreached'

export interface LabResult {
  readonly probe: number
  readonly expected: boolean
  readonly outcome: LabOutcome
}

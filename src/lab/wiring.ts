import { familyOf } from '../net/ip-address.ts'
import type { LabAddress, LabInterface, LabLink, LabMachine, LabPlan, LabRoute } from './lab-plan.ts'
import { INNER_ADDRESSES } from './plan-routers.ts'

/**
 * The plan as lines for `ip -batch`, by where they run. Hundreds of links are then a few processes. Names stand
 * after `name` or `dev`, so that one that is also a word of iproute2's (`eth` or `up`) stays a name.
 */
export interface Wiring {
  /** In the host copy: creates every link; the namespaces are known by the processes that live in them. */
  readonly create: readonly string[]
  /** In the host copy, after `create`. */
  readonly host: readonly string[]
  /** In the namespace that has the bridges; last, so that every other end is up when these come up. */
  readonly wire: readonly string[]
  readonly machines: ReadonlyMap<string, readonly string[]>
  /** Non-Ethernet links, each with the ends that must exist in the host copy before `create` moves all but its own. */
  readonly tuns: readonly TunWire[]
}

/** The ends of one wire for bare IP packets: the first is the host's, which also gets what is nobody else's. */
export interface TunWire {
  readonly ends: readonly { readonly name: string; readonly addresses: readonly string[] }[]
}

/** The process that lives in a machine's namespace; `wire` is the bridges'. */
export type ProcessOf = (machine: string) => number

export function planWiring(plan: LabPlan, pidOf: ProcessOf): Wiring {
  const create: string[] = []
  const host: string[] = ['link set dev lo up']
  const wire: string[] = ['link set dev lo up']
  const machines = new Map(plan.machines.map((machine) => [machine.id, ['link set dev lo up']]))
  const tuns: TunWire[] = []
  const counter = { next: 0 }
  for (const [index, link] of plan.links.entries()) {
    const plugged = plan.machines.flatMap((machine) =>
      machine.interfaces
        .filter((one) => one.plug.kind === 'link' && one.plug.link === link.name)
        .map((one) => ({ machine, one })),
    )
    if (link.kind === 'tun') {
      const ends = [
        { name: `lab-t${index}`, addresses: [] },
        ...plugged.map(({ machine, one }, number) => ({
          name: `lab-t${index}x${number}`,
          addresses: [...one.addresses, ...behind(plan, machine)].map((each) => each.address),
        })),
      ]
      tuns.push({ ends })
      create.push(...moveTuns(ends, plugged, pidOf))
      host.push(`link set dev lab-t${index} name ${link.name}`)
      for (const [number, { machine, one }] of plugged.entries()) {
        machines.get(machine.id)?.push(`link set dev lab-t${index}x${number} name ${one.name}`)
      }
    } else {
      wireBridges(link, index, plugged, { create, host, wire }, pidOf, counter)
    }
    host.push(...setUp(link.name, link.addresses))
  }
  for (const machine of plan.machines) plugIntoRouters(machine, create, machines, pidOf, counter)
  for (const machine of plan.machines) {
    const lines = machines.get(machine.id)
    for (const one of machine.interfaces) lines?.push(...setUp(one.name, one.addresses))
    // A route through a next hop needs the next hop's own route first.
    lines?.push(...routeLines(machine.routes.toSorted(byNextHop)))
  }
  host.push(...routeLines(plan.hostRoutes.toSorted(byNextHop)))
  return { create, host, wire, machines, tuns }
}

/** What a router must get besides its own. */
function behind(plan: LabPlan, router: LabMachine): readonly LabAddress[] {
  return plan.machines
    .flatMap((machine) => machine.interfaces)
    .filter((one) => one.plug.kind === 'router' && one.plug.router === router.id)
    .flatMap((one) => one.addresses)
}

interface Lines {
  readonly create: string[]
  readonly host: string[]
  readonly wire: string[]
}
type Plugged = readonly { readonly machine: LabMachine; readonly one: LabInterface }[]

/** The wire of an Ethernet link, and of each port of a bridge: a bridge that floods, so that two machines may share a MAC. */
function wireBridges(
  link: LabLink,
  index: number,
  plugged: Plugged,
  lines: Lines,
  pidOf: ProcessOf,
  counter: { next: number },
): void {
  const wirePid = pidOf('wire')
  const ends = link.kind === 'bridge' ? link.ports : [link]
  if (link.kind === 'bridge') {
    lines.host.push(`link add name ${link.name}${mac(link)} type bridge stp_state 0 mcast_snooping 0`)
  }
  for (const [number, end] of ends.entries()) {
    const bridge = `b${index}x${number}`
    lines.wire.push(`link add name ${bridge} type bridge stp_state 0 mcast_snooping 0`)
    const peer = `w${counter.next++}`
    lines.create.push(
      `link add name ${end.name}${own(counter)}${mac(end)} type veth peer name ${peer} netns ${wirePid}`,
    )
    lines.wire.push(...inBridge(peer, bridge))
    if (link.kind === 'bridge') {
      lines.host.push(`link set dev ${end.name} master ${link.name}`, `link set dev ${end.name} up`)
    }
    if (number === 0) {
      for (const { machine, one } of plugged) {
        const port = `w${counter.next++}`
        lines.create.push(
          `link add name ${one.name} netns ${pidOf(machine.id)}${own(counter)}${mac(one)} type veth peer name ${port} netns ${wirePid}`,
        )
        lines.wire.push(...inBridge(port, bridge))
      }
    }
    lines.wire.push(`link set dev ${bridge} up`)
  }
}

function inBridge(port: string, bridge: string): readonly string[] {
  return [
    `link set dev ${port} master ${bridge}`,
    `link set dev ${port} type bridge_slave learning off`,
    `link set dev ${port} up`,
  ]
}

/** The first end stays with the host. */
function moveTuns(ends: TunWire['ends'], plugged: Plugged, pidOf: ProcessOf): readonly string[] {
  return plugged.map(
    ({ machine }, number) => `link set dev ${ends[number + 1]?.name} netns ${pidOf(machine.id)}`,
  )
}

function plugIntoRouters(
  machine: LabMachine,
  create: string[],
  machines: ReadonlyMap<string, string[]>,
  pidOf: ProcessOf,
  counter: { next: number },
): void {
  for (const one of machine.interfaces) {
    if (one.plug.kind !== 'router') continue
    const { router } = one.plug
    const inner = `lab-in${counter.next++}`
    create.push(
      `link add name ${one.name} netns ${pidOf(machine.id)}${own(counter)} type veth peer name ${inner} netns ${pidOf(router)}`,
    )
    machines.get(router)?.push(...setUp(inner, INNER_ADDRESSES))
    machines.get(router)?.push(
      ...routeLines(
        one.addresses.map((each) => ({
          destination: each,
          family: familyOf(each.address),
          interface: inner,
        })),
      ),
    )
  }
}

function setUp(name: string, addresses: readonly LabAddress[]): readonly string[] {
  return [
    ...addresses.map(({ address, prefix }) => {
      // Duplicate address detection would hold an IPv6 address back for a second.
      const ready = familyOf(address) === 'ip6' ? ' nodad' : ''
      return `address add ${address}/${prefix} dev ${name}${ready}`
    }),
    `link set dev ${name} up`,
  ]
}

function routeLines(routes: readonly LabRoute[]): readonly string[] {
  const lines = routes.map((route) => {
    const to =
      route.destination === 'default' ? 'default' : `${route.destination.address}/${route.destination.prefix}`
    const via = route.via === undefined ? '' : ` via ${route.via}`
    const onlink = route.via === undefined ? '' : ' onlink'
    return `route replace ${to}${via} dev ${route.interface}${onlink}`
  })
  return [...new Set(lines)]
}

function byNextHop(a: LabRoute, b: LabRoute): number {
  return Number(a.via !== undefined) - Number(b.via !== undefined)
}

function mac(one: { readonly mac?: string }): string {
  return one.mac === undefined ? '' : ` address ${one.mac}`
}

/**
 * An interface number that the other end of the wire does not have. Where both are equal, Linux takes the link for a
 * physical one and tells of its coming up a second later (linkwatch_urgent_event in net/core/link_watch.c).
 */
function own(counter: { readonly next: number }): string {
  return ` index ${10_000 + counter.next}`
}

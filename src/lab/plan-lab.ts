import type { HostFacts } from '../host/host-facts.ts'
import type { Policy } from '../policy/policy.ts'
import { addressBook } from './address-book.ts'
import type { LabPlan, LabRoute } from './lab-plan.ts'
import { gatewaysLeftOut, planDevice, planSelf, planStrangers } from './plan-crowd.ts'
import { planLinks } from './plan-links.ts'
import { planListeners, planProbes, planServices } from './plan-probes.ts'
import { planRouters } from './plan-routers.ts'
import { planThrough, routedByHost, sendsThrough } from './plan-through.ts'
import { together } from './stands.ts'

export interface LabMeans {
  /** Seconds since 1970: the time by which `until` is judged. */
  readonly now: number
  /** Links without Ethernet can be copied: /dev/net/tun may be used here. */
  readonly tun: boolean
}

/** At most this many devices: each is a network namespace with processes of its own. */
const MOST_DEVICES = 250

/**
 * Plans a copy of the host with everyone who may call: each device of the policy wherever it can be recognised, a
 * stranger on every link, each gateway as a router with a stranger behind it, and the host itself; and with
 * `forward: guard` whom they call through it.
 */
export function planLab(policy: Policy, facts: HostFacts, { now, tun }: LabMeans): LabPlan {
  const { links, notes: linkNotes } = planLinks(facts, tun)
  const book = addressBook(policy, facts)
  const routers = planRouters(policy, facts, links, book)
  const leftOut = facts.interfaces.filter(
    (one) => one.kind !== 'loopback' && !links.some((link) => link.name === one.name),
  )
  const apart = sendsThrough(policy, facts)
  const ground = { links, routers, book, leftOut, apart }
  const devices = policy.devices.slice(0, MOST_DEVICES)
  const direct = together([
    ...devices.flatMap((device, index) => planDevice(device, index, ground)),
    ...routers.map((router) => router.crowd),
    ...planStrangers(ground),
  ])
  const crowd = together([direct, planThrough(policy, facts, ground, direct)])
  const stands = [...crowd.stands, ...planSelf(facts)].filter((stand) => stand.ways.length > 0)
  const { services, notes: serviceNotes } = planServices(policy)
  const probes = planProbes(stands, services, now)
  const left = policy.devices.length - devices.length
  return {
    links,
    hostRoutes: oneDefaultEach(crowd.hostRoutes),
    forwarding: facts.forwarding,
    bridgeNetfilter: facts.bridgeNetfilter,
    machines: apart ? routedByHost(crowd.machines, links) : crowd.machines,
    listeners: planListeners(probes),
    callers: stands.map((stand) => stand.caller),
    services: services.map(({ service }) => service),
    probes,
    notes: [
      ...linkNotes,
      ...gatewaysLeftOut(facts, routers),
      ...crowd.notes,
      ...serviceNotes,
      ...(left > 0
        ? [`the last ${left} devices of the policy were left out: the lab takes ${MOST_DEVICES}`]
        : []),
    ],
  }
}

/** Everyone of the lab has a route of its own, so one default route a family is enough to look like the host. */
function oneDefaultEach(routes: readonly LabRoute[]): readonly LabRoute[] {
  const first = (route: LabRoute): boolean =>
    routes.find((one) => one.destination === 'default' && one.family === route.family) === route
  return routes.filter((route) => route.destination !== 'default' || first(route))
}

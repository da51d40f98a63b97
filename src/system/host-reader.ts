import type { HostFacts } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { findGateways } from '../host/gateways.ts'
import { findOtherFirewalls } from '../host/read-firewalls.ts'
import { readInterfaces } from '../host/read-interfaces.ts'
import { readNeighbours } from '../host/read-neighbours.ts'
import { readNextHops, readRoutes } from '../host/read-routes.ts'
import { listenersOf, readListeningSockets } from '../host/read-sockets.ts'
import { readChains, readForwarding } from './host-reader-netfilter.ts'
import { readSsh } from './host-reader-ssh.ts'
import type { Reader, Run } from './host-reader-tools.ts'
import { ask } from './host-reader-tools.ts'

/** The parts of HostFacts that cost a command of their own. Interfaces are always read. */
export type HostPart = 'gateways' | 'neighbours' | 'listeners' | 'ssh' | 'forwarding' | 'firewalls'

export const ALL_HOST_PARTS: readonly HostPart[] = [
  'gateways',
  'neighbours',
  'listeners',
  'ssh',
  'forwarding',
  'firewalls',
]

/**
 * Reads the facts about this host, as the network namespace shows them in which this process runs. Parts that are
 * not asked for stay as in UNKNOWN_HOST. It never fails: what could not be read is in `notes`, a sentence each,
 * which may quote the system's text (print them through `printable()`).
 */
export async function readHostFacts(
  run: Run,
  parts: readonly HostPart[] = ALL_HOST_PARTS,
): Promise<{ readonly facts: HostFacts; readonly notes: readonly string[] }> {
  const reader: Reader = { run, notes: [] }
  const wanted = new Set(parts)
  const needsLinks = wanted.has('ssh') || wanted.has('gateways')
  const needsSockets = wanted.has('ssh') || wanted.has('listeners')
  const links = readLinks(reader, needsLinks || wanted.has('neighbours'), needsLinks)
  const sockets = needsSockets
    ? ask(reader, 'ss', ['-H', '-tulnp'], readListeningSockets)
    : Promise.resolve([])
  const [link, listening, ssh, chains] = await Promise.all([
    links,
    sockets,
    wanted.has('ssh') ? readSsh(reader, sockets, links) : {},
    wanted.has('firewalls') ? readChains(reader) : [],
  ])
  const facts: HostFacts = {
    ...UNKNOWN_HOST,
    interfaces: link.interfaces,
    gateways: link.gateways,
    neighbours: link.neighbours,
    listeners: listenersOf(listening),
    ...ssh,
    ...(wanted.has('forwarding') ? await readForwarding(link) : {}),
    otherFirewalls: wanted.has('firewalls') ? findOtherFirewalls(chains, link.interfaces) : [],
  }
  return { facts, notes: reader.notes }
}

/** What the commands about links tell, put together. */
async function readLinks(reader: Reader, withNeighbours: boolean, withRoutes: boolean) {
  const routesOf = (family: '-4' | '-6') =>
    withRoutes ? ask(reader, 'ip', [family, '-j', 'route', 'show', 'table', 'all'], readRoutes) : NO_ROUTES
  const [link, neighbours, routes4, routes6] = await Promise.all([
    ask(reader, 'ip', ['-d', '-j', 'address'], readInterfaces),
    withNeighbours ? ask(reader, 'ip', ['-j', 'neigh'], readNeighbours) : [],
    routesOf('-4'),
    routesOf('-6'),
  ])
  const byId = routes4.byId || routes6.byId
  const named = byId ? await ask(reader, 'ip', ['-j', 'nexthop'], readNextHops) : []
  const routes = {
    openDefaults: [...routes4.openDefaults, ...routes6.openDefaults],
    attached: [...routes4.attached, ...routes6.attached],
  }
  const hops = [...routes4.nextHops, ...routes6.nextHops, ...named]
  return { ...link, neighbours, gateways: findGateways(hops, routes, neighbours, link.interfaces) }
}

const NO_ROUTES = { nextHops: [], openDefaults: [], attached: [], byId: false } as const

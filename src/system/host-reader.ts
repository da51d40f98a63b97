import { findGateways } from '../host/gateways.ts'
import type { HostFacts } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { findOtherFirewalls } from '../host/read-firewalls.ts'
import { LINK_QUESTIONS, readLinks } from '../host/read-links.ts'
import { readNextHops } from '../host/read-routes.ts'
import { listenersOf } from '../host/read-sockets.ts'
import type { RunCommand } from './command.ts'
import { readChains, readForwarding } from './host-reader-netfilter.ts'
import { connectionsOf, readSshSockets } from './host-reader-ssh.ts'
import type { Reader } from './host-reader-tools.ts'
import { ask } from './host-reader-tools.ts'

/**
 * The parts of HostFacts that cost a command of their own: sockets (`listeners`, `sshPorts`, `sshConnections`),
 * firewalls (`otherFirewalls`). Everything else is always read.
 */
export type HostPart = 'sockets' | 'firewalls'

/**
 * Reads the facts about this host, as the network namespace shows them in which this process runs. Parts that are
 * not asked for stay empty. It never fails: what could not be read is in `notes`, a sentence each, which may
 * quote the system's text (print them through `printable()`).
 */
export async function readHostFacts(
  run: RunCommand,
  parts: readonly HostPart[] = ['sockets', 'firewalls'],
): Promise<{ readonly facts: HostFacts; readonly notes: readonly string[] }> {
  const reader: Reader = { run, notes: [] }
  const [links, sockets, chains] = await Promise.all([
    readNetwork(reader),
    parts.includes('sockets') ? readSshSockets(reader) : undefined,
    parts.includes('firewalls') ? readChains(reader) : [],
  ])
  const [forwarding, sshConnections] = await Promise.all([
    readForwarding(links),
    connectionsOf(reader, sockets?.established ?? [], links),
  ])
  const facts: HostFacts = {
    ...UNKNOWN_HOST,
    interfaces: links.interfaces,
    gateways: links.gateways,
    neighbours: links.neighbours,
    listeners: listenersOf(sockets?.listening ?? []),
    sshPorts: sockets?.sshPorts ?? [],
    sshConnections,
    ...forwarding,
    otherFirewalls: findOtherFirewalls(chains, links.interfaces),
  }
  return { facts, notes: reader.notes }
}

async function readNetwork(reader: Reader) {
  const stdin = `${LINK_QUESTIONS.join('\n')}\n`
  const links = await ask(reader, 'ip', ['-d', '-j', '-force', '-batch', '-'], readLinks, { stdin })
  const named = links.routes.byId ? await ask(reader, 'ip', ['-j', 'nexthop'], readNextHops) : []
  const hops = [...links.routes.nextHops, ...named]
  return { ...links, gateways: findGateways(hops, links.routes, links.neighbours, links.interfaces) }
}

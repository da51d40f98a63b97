import type { Transport } from './frames.ts'
import type { PlannedInterface } from './host-plan.ts'
import { ipOf } from './host-plan.ts'
import type { Random } from './random.ts'
import type { Route } from './wire-route.ts'
import type { Draft, Scene } from './packet-sketch.ts'
import { strangeMac } from './packet-places.ts'

/** What the network itself needs, or nearly. */
export function networkNeedDraft(random: Random, { plan }: Scene): Draft | undefined {
  const arrives = random.pick(plan.interfaces)
  const { transport, family, hopLimit, source, destination } = random.pick([
    neighbourDiscovery,
    listenerQuery,
    groupQuery,
    dhcpAnswer,
    dhcp6Answer,
    strayError,
  ])(random, arrives)
  const route: Route = {
    hook: 'input',
    arrives,
    mac: strangeMac(random),
    bridged: false,
    family,
    source,
    destination,
    hopLimit,
  }
  return { route, history: { kind: 'first', transport, notrack: random.chance(0.2) } }
}

type Need = Pick<Route, 'family' | 'source' | 'destination' | 'hopLimit'> & { readonly transport: Transport }

function neighbourDiscovery(random: Random, arrives: PlannedInterface): Need {
  const type = random.pick([133, 134, 135, 136, 135, 136, 132, 137, 143, 131])
  return {
    transport: { kind: 'icmp', protocol: 58, type, code: 0, identifier: 0 },
    family: 'ip6',
    source: random.pick([ipOf('fe80::77'), ipOf('2001:db8:77::7'), ipOf('::')]),
    destination: random.pick([arrives.linkLocal, arrives.address6, ipOf('ff02::1')]),
    hopLimit: random.pick([255, 255, 255, 254, 64, 1]),
  }
}

function listenerQuery(random: Random, arrives: PlannedInterface): Need {
  const type = random.pick([130, 130, 131, 128])
  return {
    transport: { kind: 'icmp', protocol: 58, type, code: 0, identifier: 0, routerAlert: random.chance(0.7) },
    family: 'ip6',
    source: random.pick([ipOf('fe80::77'), ipOf('2001:db8:77::7')]),
    destination: random.pick([ipOf('ff02::1'), arrives.linkLocal]),
    hopLimit: random.pick([1, 1, 255, 64]),
  }
}

function groupQuery(random: Random, arrives: PlannedInterface): Need {
  const type = random.pick([0x11, 0x11, 0x11, 0x16, 0x17, 0x12])
  const six = random.chance(0.15)
  return {
    transport: { kind: 'igmp', type, group: ipOf('0.0.0.0') },
    family: six ? 'ip6' : 'ip',
    source: six ? ipOf('fe80::77') : ipOf('10.200.0.7'),
    destination: six ? arrives.linkLocal : random.pick([ipOf('224.0.0.1'), arrives.address]),
    hopLimit: random.pick([1, 1, 64]),
  }
}

/** An error message about nothing: not related to any connection, and untracked where there is a notrack rule. */
function strayError(random: Random, arrives: PlannedInterface): Need {
  const six = random.chance(0.5)
  const type = random.pick(six ? [1, 2, 3, 4] : [3, 11, 12])
  return {
    transport: { kind: 'icmp', protocol: six ? 58 : 1, type, code: 0, identifier: 0 },
    family: six ? 'ip6' : 'ip',
    source: six ? ipOf('2001:db8:77::7') : ipOf('192.0.2.9'),
    destination: six ? arrives.address6 : arrives.address,
    hopLimit: 64,
  }
}

function dhcpAnswer(random: Random, arrives: PlannedInterface): Need {
  const six = random.chance(0.2)
  const [sourcePort, destinationPort] = random.pick([
    [67, 68],
    [67, 68],
    [68, 67],
    [67, 67],
    [68, 68],
    [66, 68],
  ] as const)
  return {
    transport: { kind: 'udp', sourcePort, destinationPort },
    family: six ? 'ip6' : 'ip',
    source: six ? ipOf('fe80::77') : random.pick([ipOf('10.200.0.7'), ipOf('192.0.2.9')]),
    destination: six ? arrives.address6 : random.pick([ipOf('255.255.255.255'), arrives.address]),
    hopLimit: 64,
  }
}

function dhcp6Answer(random: Random, arrives: PlannedInterface): Need {
  const six = random.chance(0.85)
  const [sourcePort, destinationPort] = random.pick([
    [547, 546],
    [547, 546],
    [546, 547],
    [547, 547],
  ] as const)
  const source = random.pick(['fe80::77', 'fe80::77', 'febf:ffff::1', 'fec0::1', '2001:db8:77::7'].map(ipOf))
  return {
    transport: { kind: 'udp', sourcePort, destinationPort },
    family: six ? 'ip6' : 'ip',
    source: six ? source : ipOf('10.200.0.7'),
    destination: six ? random.pick([arrives.linkLocal, arrives.address6]) : arrives.address,
    hopLimit: 64,
  }
}

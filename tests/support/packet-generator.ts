import type { Cidr } from '../../src/net/cidr.ts'
import { cidrContains, cidrRange } from '../../src/net/cidr.ts'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { familyOf, ipFromNumber, ipToNumber, widthOf } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { macFromNumber, macToNumber } from '../../src/net/mac-address.ts'
import type { Port } from '../../src/net/port.ts'
import { PROTOCOL_NUMBER } from '../../src/net/protocol.ts'
import type { Device, Grant, Identity, Policy, ServicePart } from '../../src/policy/policy.ts'
import type { Conversation } from './connection.ts'
import type { Transport } from './frames.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import { cidrOf, ipOf, isOwnAddress, macOf, routeOf } from './host-plan.ts'
import { hasBridgeNetfilter } from './host-under-test.ts'
import { addressInside } from './law-policies.ts'
import type { MarkCode } from './probe.ts'
import { EXPECTATIONS } from './probe.ts'
import type { Random } from './random.ts'
import type { Dialled, History, Recipe, Route, TestPacket } from './test-packet.ts'
import { testPacket } from './test-packet.ts'

/** Packets aimed at the corners of the policy: what its grants admit, and one step beside it. */
export function randomPackets(
  random: Random,
  plan: HostPlan,
  policy: Policy,
  count: number,
  time: number,
): readonly TestPacket[] {
  const packets: TestPacket[] = []
  const taken = new Set<string>()
  const sources = new Set<IpAddress>()
  const expected = new Set<IpAddress>()
  while (packets.length < count) {
    const draft = draftPacket(random, { plan, policy })
    if (draft === undefined) continue
    const keys = connectionKeys(draft)
    if (keys.some((key) => taken.has(key))) continue
    // Whatever else came from there might be what tracking takes for the expected connection.
    const { source } = draft.route
    const expects = draft.history.kind === 'expected'
    if (expected.has(source) || (expects && sources.has(source))) continue
    if (expects) expected.add(source)
    sources.add(source)
    for (const key of keys) taken.add(key)
    packets.push(testPacket(plan, { ...draft, id: packets.length + 1, time }))
  }
  return packets
}

type Draft = Omit<Recipe, 'id' | 'time'>

interface Scene {
  readonly plan: HostPlan
  readonly policy: Policy
}

function draftPacket(random: Random, scene: Scene): Draft | undefined {
  const draft = random.weighted([
    [6, grantedDraft],
    [0.4, midStreamDraft],
    [1, strangerDraft],
    [1, networkNeedDraft],
  ])(random, scene)
  return draft !== undefined && canBeSent(scene.plan, draft) ? draft : undefined
}

/** What a packet is before its route and history are settled. */
interface Sketch {
  arrives: PlannedInterface | 'lo'
  hook: 'input' | 'forward'
  bridged: boolean
  mac: MacAddress
  family: Family
  source: IpAddress
  destination: IpAddress | undefined
  part: ServicePart | 'anything'
  /** A TCP connection whose beginning nobody saw. */
  midStream?: boolean
}

/** A packet that a grant is about, as it should be or with one or two things changed. */
function grantedDraft(random: Random, scene: Scene): Draft | undefined {
  const { plan, policy } = scene
  if (policy.grants.length === 0) return strangerDraft(random, scene)
  const grant = random.pick(policy.grants)
  const device = granted(random, policy, grant)
  const identity = device === undefined ? undefined : random.pick(device.identities)
  const family = familyFor(random, identity, grant)
  const hook = grant.through !== undefined || random.chance(0.2) ? 'forward' : 'input'
  const sketch: Sketch = {
    arrives: arrivalFor(random, plan, grant, identity),
    hook,
    bridged: false,
    mac: identity !== undefined && identity.kind !== 'address' ? identity.mac : strangeMac(random),
    family,
    source:
      identity !== undefined && identity.kind !== 'mac'
        ? ipFromNumber(family, addressInside(random, identity.cidr))
        : strangeAddress(random, family),
    destination: throughDestination(random, grant, family),
    part: partFor(random, grant),
  }
  const changes = random.weighted([
    [5, 0],
    [4, 1],
    [1, 2],
  ])
  for (let index = 0; index < changes; index++) random.pick(CHANGES)(random, scene, sketch, identity)
  const dnat = sketch.hook === 'forward' ? (grant.through === undefined ? 0.85 : 0.1) : 0.06
  return finish(random, scene, sketch, random.chance(dnat))
}

type Change = (random: Random, scene: Scene, sketch: Sketch, identity: Identity | undefined) => void

/** One step beside what a grant admits. */
const CHANGES: readonly Change[] = [
  (random, _, sketch) => {
    sketch.mac = macFromNumber(macToNumber(sketch.mac) ^ random.pick([1, 2, 0x100, 0x020000000000]))
  },
  (random, { policy }, sketch) => {
    const others = policy.devices.flatMap((device) => device.identities)
    const macs = others.flatMap((other) => (other.kind === 'address' ? [] : [other.mac]))
    if (macs.length > 0) sketch.mac = random.pick(macs)
  },
  (random, _, sketch, identity) => {
    if (identity === undefined || identity.kind === 'mac')
      sketch.source = strangeAddress(random, sketch.family)
    else sketch.source = beside(random, identity.cidr)
  },
  (random, { policy }, sketch) => {
    const cidrs = policy.devices
      .flatMap((device) => device.identities)
      .flatMap((other) => (other.kind === 'mac' ? [] : [other.cidr]))
      .filter((cidr) => cidr.family === sketch.family)
    if (cidrs.length > 0)
      sketch.source = ipFromNumber(sketch.family, addressInside(random, random.pick(cidrs)))
  },
  (random, { plan }, sketch) => {
    sketch.arrives = random.chance(0.1) ? 'lo' : random.pick(plan.interfaces)
  },
  (random, _, sketch) => {
    sketch.part = besidePart(random, sketch.part)
  },
  (random, { policy }, sketch) => {
    sketch.part = partFor(random, random.pick(policy.grants))
  },
  (random, _, sketch) => {
    sketch.hook = random.pick(['input', 'forward'])
    sketch.destination = undefined
  },
  (random, { plan }, sketch) => {
    const bridge = plan.interfaces.find((planned) => planned.kind === 'bridge')
    if (bridge === undefined || !hasBridgeNetfilter()) return
    sketch.arrives = bridge
    sketch.hook = 'forward'
    sketch.bridged = random.chance(0.7)
  },
  (random, { policy }, sketch) => {
    const cidrs = policy.grants
      .flatMap((grant) => grant.through ?? [])
      .map((entry) => entry.value)
      .filter((cidr) => cidr.family === sketch.family)
    if (cidrs.length === 0) return
    sketch.hook = 'forward'
    sketch.destination = beside(random, random.pick(cidrs))
  },
]

const TCP_ANY: ServicePart = { kind: 'ports', protocol: 'tcp', from: 1 as Port, to: 65_535 as Port }

/** A forwarded TCP connection that begins in the middle, often towards an interface that is not judged. */
function midStreamDraft(random: Random, scene: Scene): Draft | undefined {
  const { plan, policy } = scene
  const family = random.pick(['ip', 'ip6'] as const)
  const unguarded = plan.interfaces.filter((planned) =>
    policy.host.unguarded.some((entry) => entry.value === planned.name),
  )
  const towards = random.pick([...unguarded, ...unguarded, random.pick(plan.interfaces)])
  const behind = towards.behind.filter((cidr) => cidr.family === family)
  return finish(
    random,
    scene,
    {
      arrives: random.pick(unguarded.length > 0 && random.chance(0.6) ? unguarded : plan.interfaces),
      hook: 'forward',
      bridged: false,
      mac: strangeMac(random),
      family,
      source: strangeAddress(random, family),
      destination: ipFromNumber(family, addressInside(random, random.pick(behind))),
      part: TCP_ANY,
      midStream: true,
    },
    random.chance(0.2),
  )
}

function strangerDraft(random: Random, scene: Scene): Draft | undefined {
  const { plan, policy } = scene
  const family = random.pick(['ip', 'ip6'] as const)
  const part = policy.grants.length > 0 ? partFor(random, random.pick(policy.grants)) : 'anything'
  return finish(
    random,
    scene,
    {
      arrives: random.chance(0.05) ? 'lo' : random.pick(plan.interfaces),
      hook: random.chance(0.7) ? 'input' : 'forward',
      bridged: false,
      mac: strangeMac(random),
      family,
      source: strangeAddress(random, family),
      destination: undefined,
      part: random.chance(0.5) ? part : 'anything',
    },
    random.chance(0.2),
  )
}

/** What the network itself needs, or nearly. */
function networkNeedDraft(random: Random, { plan }: Scene): Draft | undefined {
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

function finish(random: Random, scene: Scene, sketch: Sketch, dnat: boolean): Draft | undefined {
  const { plan } = scene
  const destination = sketch.destination ?? destinationFor(random, plan, sketch)
  const route: Route = {
    hook: sketch.hook,
    arrives: sketch.arrives,
    mac: sketch.mac,
    bridged:
      sketch.bridged &&
      sketch.hook === 'forward' &&
      sketch.arrives !== 'lo' &&
      sketch.arrives.kind === 'bridge',
    family: sketch.family,
    source: sketch.source,
    destination,
    hopLimit: random.pick([64, 63, 254, 1]),
  }
  const transport = transportFor(random, sketch)
  const history = historyFor(random, route, transport)
  const unfit = route.bridged || sketch.arrives === 'lo' || cidrContains(LINK_LOCAL, destination)
  if (!dnat || unfit || turnsAtBridge(plan, route)) return { route, history }
  return translated(random, plan, route, history)
}

/** Translated so that it leaves by the bridge that it came by: br_netfilter then passes it on as a frame, unrouted. */
function turnsAtBridge(plan: HostPlan, route: Route): boolean {
  const bridges = plan.interfaces
    .filter((planned) => planned.kind === 'bridge')
    .map((planned) => planned.name)
  const ways = [routeOf(plan, route.source), routeOf(plan, route.destination)]
  if (route.arrives !== 'lo') ways.push(route.arrives.name)
  return route.hook === 'forward' && bridges.some((name) => ways.filter((way) => way === name).length > 1)
}

/** Moves the service's port to what the client dialled; the server behind has another. */
function translated(random: Random, plan: HostPlan, route: Route, history: History): Draft {
  const address = random.pick(plan.interfaces)[route.family === 'ip' ? 'address' : 'address6']
  const hidden = random.between(1, 65_535)
  const keep = random.chance(0.2) && address !== route.destination
  if (history.kind === 'first') {
    const { transport } = history
    if (transport.kind !== 'tcp' && transport.kind !== 'udp') {
      const unported = transport.kind === 'sctp' || address === route.destination ? undefined : { address }
      return { route, history, ...(unported === undefined ? {} : { dialled: unported }) }
    }
    const dialled: Dialled = { address, port: transport.destinationPort }
    const there = keep ? transport : { ...transport, destinationPort: hidden }
    return { route, history: { ...history, transport: there }, dialled }
  }
  if (history.kind !== 'conversation') return { route, history }
  const { talk } = history
  if (talk.kind === 'sctp') return { route, history }
  // A connection that the host itself dials is translated in output; its first destination must not be local.
  const outward = route.hook === 'input' && history.direction === 'reply'
  const first = outward ? ipFromNumber(route.family, addressInside(random, OUTSIDE[route.family])) : address
  if (talk.kind !== 'tcp' && talk.kind !== 'udp')
    return first === route.destination ? { route, history } : { route, history, dialled: { address: first } }
  const dialled: Dialled = { address: first, port: talk.answererPort }
  return { route, history: { ...history, talk: keep ? talk : { ...talk, answererPort: hidden } }, dialled }
}

function historyFor(random: Random, route: Route, transport: Transport): History {
  const first: History = { kind: 'first', transport, notrack: random.chance(0.04) }
  if (random.chance(0.62) || !isUnicast(route.destination)) return first
  const mark = random.weighted<MarkCode>([
    [5, 'prepare'],
    [2, 'pickedUp'],
    [1, 'otherMark'],
    [1, 'bothMarks'],
  ])
  const flags = random.pick([16, 24, 17, 48, 20])
  const direction = random.pick(['original', 'reply'] as const)
  const talk = conversationFor(random, route.family, transport, direction)
  if (talk === undefined) return first
  const dialling = route.hook === 'input' && random.chance(0.25) && talk.kind !== 'plain'
  if (route.hook === 'input' && random.chance(0.06)) {
    const expectation = random.pick(EXPECTATIONS)
    const master: Conversation = {
      kind: 'udp',
      openerPort: ephemeral(random),
      answererPort: ephemeral(random),
    }
    return { kind: 'expected', talk: master, expectation, sourcePort: ephemeral(random) }
  }
  if (dialling) {
    const asAnswer = conversationFor(random, route.family, transport, 'reply')
    const hostFlags = random.pick([2, 2, 16, 24, 0xc2])
    if (asAnswer !== undefined) {
      return {
        kind: 'dialled',
        talk: asAnswer,
        hostFlags,
        flags: hostFlags === 16 || hostFlags === 24 ? 16 : 18,
      }
    }
  }
  if (random.chance(0.2)) {
    const types = route.family === 'ip' ? [3, 3, 11, 12, 5, 4] : [1, 2, 3, 4, 1, 5, 100]
    const far = strangeAddress(random, route.family)
    const openedBy = random.pick(['near', 'far'] as const)
    return { kind: 'error', talk, far, openedBy, type: random.pick(types), mark }
  }
  return { kind: 'conversation', talk, direction, fresh: random.chance(0.5), flags, mark }
}

/** The connection in which the sender's packet to that port is the opener's, or the answerer's. */
function conversationFor(
  random: Random,
  family: Family,
  transport: Transport,
  direction: 'original' | 'reply',
): Conversation | undefined {
  const opens = direction === 'original'
  switch (transport.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp': {
      const { kind, sourcePort, destinationPort } = transport
      return {
        kind,
        openerPort: opens ? sourcePort : destinationPort,
        answererPort: opens ? destinationPort : sourcePort,
      }
    }
    case 'icmp':
      // A request inside the other family's packet is invalid.
      if (transport.type !== (family === 'ip' ? 8 : 128) || transport.protocol !== (family === 'ip' ? 1 : 58))
        return undefined
      return { kind: 'echo', protocol: transport.protocol, identifier: random.between(1, 65_535) }
    case 'plain':
      return { kind: 'plain', protocol: transport.protocol }
    case 'igmp':
      return undefined
    default:
      return transport satisfies never
  }
}

function transportFor(random: Random, sketch: Sketch): Transport {
  const { part, family } = sketch
  const icmp = family === 'ip' ? 1 : 58
  const identifier = random.between(1, 65_535)
  if (part === 'anything') {
    return random.weighted<() => Transport>([
      [3, () => segment(random, random.between(1, 65_535), sketch.midStream)],
      [2, () => datagram(random, random.between(1, 65_535))],
      [2, () => ({ kind: 'icmp', protocol: icmp, type: random.between(0, 150), code: 0, identifier })],
      [
        1,
        () => ({
          kind: 'icmp',
          protocol: random.pick([1, 58]),
          type: random.pick([8, 128, 135]),
          code: 0,
          identifier,
        }),
      ],
      [
        1,
        () => ({
          kind: 'plain',
          protocol: random.pick(
            family === 'ip' ? [4, 41, 47, 50, 51, 89, 103, 253] : [4, 47, 50, 89, 103, 253],
          ),
        }),
      ],
    ])()
  }
  switch (part.kind) {
    case 'ports': {
      const port = random.pick([part.from, part.to, random.between(part.from, part.to)])
      if (part.protocol === 'tcp') return segment(random, port, sketch.midStream)
      if (part.protocol === 'udp') return datagram(random, port)
      const sourcePort = ephemeral(random)
      const tags = { verificationTag: 0, initiateTag: 1000 }
      return { kind: 'sctp', sourcePort, destinationPort: port, chunk: 'init', ...tags }
    }
    case 'protocol':
      return { kind: 'plain', protocol: PROTOCOL_NUMBER[part.protocol] }
    case 'ping':
      return { kind: 'icmp', protocol: icmp, type: icmp === 1 ? 8 : 128, code: 0, identifier }
    default:
      return part satisfies never
  }
}

function segment(random: Random, destinationPort: number, midStream = false): Transport {
  const flags = midStream
    ? 16
    : random.weighted([
        [12, 2],
        [1, 0xc2],
        [2, 16],
        [1, 24],
        [1, 18],
        [1, 3],
        [1, 0],
        [1, 4],
        [1, 17],
        [1, 0x29],
      ])
  return { kind: 'tcp', sourcePort: ephemeral(random), destinationPort, flags }
}

function datagram(random: Random, destinationPort: number): Transport {
  return { kind: 'udp', sourcePort: ephemeral(random), destinationPort }
}

function ephemeral(random: Random): number {
  return random.between(1024, 65_535)
}

function besidePart(random: Random, part: ServicePart | 'anything'): ServicePart | 'anything' {
  if (part === 'anything' || part.kind !== 'ports') {
    return random.pick<ServicePart | 'anything'>([
      'anything',
      { kind: 'ping' },
      { kind: 'protocol', protocol: 'gre' },
    ])
  }
  const port = random.pick([part.from - 1, part.to + 1, part.from])
  const protocol = random.pick(['tcp', 'udp', 'sctp'] as const)
  const moved = Math.min(65_535, Math.max(1, port)) as typeof part.from
  return { kind: 'ports', protocol: random.chance(0.5) ? part.protocol : protocol, from: moved, to: moved }
}

function granted(random: Random, policy: Policy, grant: Grant): Device | undefined {
  if (grant.from.kind === 'anyone')
    return random.chance(0.5) ? undefined : random.pick([...policy.devices, undefined])
  const { devices } = grant.from
  return policy.devices.find((device) => device.name === random.pick(devices))
}

function familyFor(random: Random, identity: Identity | undefined, grant: Grant): Family {
  if (identity !== undefined && identity.kind !== 'mac') return identity.cidr.family
  const through = grant.through?.map((entry) => entry.value.family)
  return random.pick(through ?? ['ip', 'ip6'])
}

function arrivalFor(
  random: Random,
  plan: HostPlan,
  grant: Grant,
  identity: Identity | undefined,
): PlannedInterface {
  const named = plan.interfaces.filter(
    (planned) => grant.on?.some((entry) => entry.value === planned.name) ?? true,
  )
  const shows = named.filter(
    (planned) => identity === undefined || identity.kind === 'address' || planned.mac !== undefined,
  )
  const choices = shows.length > 0 ? shows : named
  return random.pick(choices.length > 0 ? choices : plan.interfaces)
}

function partFor(random: Random, grant: Grant): ServicePart | 'anything' {
  const target = random.pick(grant.to)
  if (target.kind === 'everything' || target.service.parts.length === 0) return 'anything'
  return random.pick(target.service.parts)
}

function throughDestination(random: Random, grant: Grant, family: Family): IpAddress | undefined {
  const cidrs = grant.through?.map((entry) => entry.value).filter((cidr) => cidr.family === family)
  if (cidrs === undefined || cidrs.length === 0) return undefined
  return ipFromNumber(family, addressInside(random, random.pick(cidrs)))
}

function destinationFor(random: Random, plan: HostPlan, { hook, arrives, family }: Sketch): IpAddress {
  if (hook === 'forward') {
    const behind = plan.interfaces.flatMap((planned) => planned.behind)
    return ipFromNumber(
      family,
      addressInside(random, random.pick(behind.filter((cidr) => cidr.family === family))),
    )
  }
  const here = arrives === 'lo' ? random.pick(plan.interfaces) : arrives
  const other = random.pick(plan.interfaces)
  if (family === 'ip') return random.pick([here.address, here.address, other.address])
  return random.pick([
    here.address6,
    here.address6,
    other.address6,
    arrives === 'lo' ? here.address6 : here.linkLocal,
  ])
}

function strangeMac(random: Random): MacAddress {
  return macFromNumber(0x02_5e_00_00_00_00 + random.below(0x7fffffff))
}

const OUTSIDE: Readonly<Record<Family, Cidr>> = {
  ip: cidrOf('198.18.0.0/15'),
  ip6: cidrOf('2001:db8:200::/48'),
}

const STRANGE: Readonly<Record<Family, readonly Cidr[]>> = {
  ip: ['10.200.0.0/16', '192.0.2.0/24', '100.64.0.0/10', '8.0.0.0/8'].map(cidrOf),
  ip6: ['2001:db8:5000::/36', '2a00::/16', 'fd00::/8', '2001:db8:77::/48'].map(cidrOf),
}

function strangeAddress(random: Random, family: Family): IpAddress {
  return ipFromNumber(family, addressInside(random, random.pick(STRANGE[family])))
}

/** The neighbours of a network's ends, or one with a bit flipped. */
function beside(random: Random, cidr: Cidr): IpAddress {
  const { low, high } = cidrRange(cidr)
  const top = (1n << BigInt(widthOf(cidr.family))) - 1n
  const bit = 1n << BigInt(widthOf(cidr.family) - Math.max(1, cidr.prefix))
  const value = random.pick([low > 0n ? low - 1n : low, high < top ? high + 1n : high, low ^ bit])
  return ipFromNumber(cidr.family, value)
}

const NEVER_A_SOURCE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/80', 'ff00::/8'].map(cidrOf)
const LINK_LOCAL = cidrOf('fe80::/10')
const ON_LINK = cidrOf('fe80::/64')

/** Would the kernel carry the packet as far as its hook, and would its answers find their way? */
function canBeSent(plan: HostPlan, { route, history }: Draft): boolean {
  const { source, destination, hook, mac } = route
  if ((macToNumber(mac) & 0x010000000000) !== 0 || isReserved(mac)) return false
  const needsNoAnswer = history.kind === 'first'
  if (!needsNoAnswer || hook === 'forward') {
    if (isOwnAddress(plan, source) || !isUsable(source)) return false
    // Of the link-local addresses only those of the usual prefix have a route.
    if (cidrContains(LINK_LOCAL, source) && !(cidrContains(ON_LINK, source) && route.arrives !== 'lo'))
      return false
  } else if (source !== '::' && !isUsable(source)) return false
  if (isOnBroadcast(source) || familyOf(source) !== familyOf(destination)) return false
  if (hook === 'input') return source !== destination
  if (isOwnAddress(plan, destination) || !isUsable(destination) || isOnBroadcast(destination)) return false
  return !cidrContains(LINK_LOCAL, source) && !cidrContains(LINK_LOCAL, destination) && source !== destination
}

/** MACs that the harness itself uses on the far side must not be learned at the near one. */
function isReserved(mac: MacAddress): boolean {
  return mac.startsWith('02:aa:00:00:00') || mac === macOf('00:00:00:00:00:00')
}

function isUsable(address: IpAddress): boolean {
  return !NEVER_A_SOURCE.some((cidr) => cidrContains(cidr, address)) && address !== '255.255.255.255'
}

/** The host's own networks are 10.N.0.0/24 and 2001:db8:N::/64; a router is also their subnet-router anycast address (RFC 4291 section 2.6.1). */
function isOnBroadcast(address: IpAddress): boolean {
  return /^(10\.\d\.0\.(0|255)|2001:db8:(\d:)?:|fe80::)$/.test(address)
}

function isUnicast(address: IpAddress): boolean {
  return isUsable(address)
}

/** The connections that sending this makes or meets: two packets must not share one. */
function connectionKeys(draft: Draft): readonly string[] {
  const { route, history, dialled } = draft
  const keys: string[] = []
  const add = (a: IpAddress, b: IpAddress, what: string): void => {
    keys.push(ipToNumber(a) < ipToNumber(b) ? `${a} ${b} ${what}` : `${b} ${a} ${what}`)
  }
  const what = history.kind === 'first' ? keyOf(history.transport) : keyOfTalk(history.talk)
  const far = history.kind === 'error' ? history.far : route.source
  add(far, route.destination, what)
  if (dialled !== undefined) {
    for (const key of dialledKeys(draft, dialled)) {
      add(far, dialled.address, key)
      add(route.destination, dialled.address, key)
    }
  }
  return keys
}

/** A connection and its reverse are the same key. */
function keyOf(transport: Transport): string {
  switch (transport.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return portKey(transport.kind, transport.sourcePort, transport.destinationPort)
    case 'icmp':
      return `icmp ${transport.identifier}`
    case 'igmp':
      return 'igmp'
    case 'plain':
      return `plain ${transport.protocol}`
    default:
      return transport satisfies never
  }
}

function portKey(kind: string, a: number, b: number): string {
  return `${kind} ${Math.min(a, b)} ${Math.max(a, b)}`
}

function keyOfTalk(talk: Conversation): string {
  switch (talk.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return portKey(talk.kind, talk.openerPort, talk.answererPort)
    case 'echo':
      return `icmp ${talk.identifier}`
    case 'plain':
      return `plain ${talk.protocol}`
    default:
      return talk satisfies never
  }
}

/** The connection as the client dialled it, before its destination was translated. */
function dialledKeys({ history }: Draft, { port }: Dialled): readonly string[] {
  if (history.kind === 'first') {
    const { transport } = history
    const ports = transport.kind === 'tcp' || transport.kind === 'udp'
    return [
      ports && port !== undefined ? portKey(transport.kind, transport.sourcePort, port) : keyOf(transport),
    ]
  }
  const { talk } = history
  const ports = talk.kind === 'tcp' || talk.kind === 'udp'
  return [ports && port !== undefined ? portKey(talk.kind, talk.openerPort, port) : keyOfTalk(talk)]
}

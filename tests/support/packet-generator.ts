import { cidrContains } from '../../src/net/cidr.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { ipFromNumber } from '../../src/net/ip-address.ts'
import { macFromNumber, macToNumber } from '../../src/net/mac-address.ts'
import type { Identity, Policy } from '../../src/policy/policy.ts'
import type { HostPlan } from './host-plan.ts'
import { routeOf } from './host-plan.ts'
import { hasBridgeNetfilter } from './host-under-test.ts'
import { addressInside } from './law-policies.ts'
import type { Random } from './random.ts'
import type { Dialled, History, TestPacket } from './test-packet.ts'
import type { Route } from './wire-route.ts'
import { testPacket } from './test-packet.ts'
import type { Draft, Scene, Sketch } from './packet-sketch.ts'
import { TCP_ANY, historyFor, transportFor, besidePart, partFor } from './packet-histories.ts'
import { networkNeedDraft } from './packet-needs.ts'
import {
  granted,
  familyFor,
  arrivalFor,
  throughDestination,
  destinationFor,
  strangeMac,
  OUTSIDE,
  strangeAddress,
  beside,
} from './packet-places.ts'
import { LINK_LOCAL, canBeSent } from './packet-sendable.ts'
import { connectionKeys } from './packet-keys.ts'

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

function draftPacket(random: Random, scene: Scene): Draft | undefined {
  const draft = random.weighted([
    [6, grantedDraft],
    [0.4, midStreamDraft],
    [1, strangerDraft],
    [1, networkNeedDraft],
  ])(random, scene)
  return draft !== undefined && canBeSent(scene.plan, draft) ? draft : undefined
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

import { nowhere } from '../../src/base/place.ts'
import type { Cidr } from '../../src/net/cidr.ts'
import { cidrRange } from '../../src/net/cidr.ts'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import type { Family } from '../../src/net/ip-address.ts'
import { ipFromNumber, widthOf } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { macFromNumber } from '../../src/net/mac-address.ts'
import type { Port } from '../../src/net/port.ts'
import { PLAIN_PROTOCOLS, PORT_PROTOCOLS } from '../../src/net/protocol.ts'
import type {
  Audience,
  Device,
  Grant,
  Group,
  Identity,
  Policy,
  ServicePart,
  Target,
} from '../../src/policy/policy.ts'
import { formatServicePart } from '../../src/policy/inline-service.ts'
import type { HostPlan } from './host-plan.ts'
import { cidrOf, ownNetworks } from './host-plan.ts'
import type { Random } from './random.ts'

/** A policy that fits the host: its interfaces are in `on` and `unguarded`, its networks among the addresses. */
export function randomPolicy(random: Random, plan: HostPlan, now: number): Policy {
  const world = worldOf(random, plan)
  const devices = Array.from({ length: random.between(1, 7) }, (_, index) =>
    randomDevice(random, world, index, now),
  )
  const groups = Array.from({ length: random.between(0, 2) }, (_, index) =>
    randomGroup(random, devices, index),
  )
  const forward = random.weighted([
    [5, 'guard'],
    [2, 'drop'],
    [2, 'keep'],
  ] as const)
  const grants = Array.from({ length: random.between(1, 5) }, (_, index) =>
    randomGrant(random, world, { devices, groups, forward, index }),
  )
  return {
    host: {
      unguarded: random.chance(0.35)
        ? random
            .some(world.names, 1, 1)
            .map((value, index) => ({ value, place: nowhere(`host.unguarded[${index}]`) }))
        : [],
      forward,
      refuse: random.chance(0.3) ? 'reject' : 'drop',
      log: random.chance(0.2) ? { count: random.between(1, 9), per: 'minute' } : 'off',
      place: nowhere('host'),
    },
    devices,
    groups,
    services: [],
    grants,
    safety: { admins: 0, confirm: 60 },
    tests: [],
  }
}

/** Few values that meet often: what random bytes would never do. */
interface World {
  readonly names: readonly InterfaceName[]
  readonly macs: readonly MacAddress[]
  readonly networks: readonly Cidr[]
  readonly behind: readonly Cidr[]
  readonly ports: readonly number[]
}

function worldOf(random: Random, plan: HostPlan): World {
  const first = 0x02_11_22_00_00_00 + random.below(0xffff) * 2
  const macs = Array.from({ length: 8 }, (_, index) =>
    macFromNumber(first + (index >> 1) * 4096 + (index & 1)),
  )
  const behind = plan.interfaces.flatMap((planned) => planned.behind)
  const networks = [
    ...plan.interfaces.flatMap(ownNetworks),
    ...behind,
    ...['0.0.0.0/0', '::/0', '192.0.2.0/24', '203.0.113.128/25', '198.51.100.7', '128.0.0.0/1'].map(cidrOf),
    ...['2001:db8:ffff::/48', '2001:db8:ffff:1::7', 'fe80::/10', '8000::/1', 'fd00::/8'].map(cidrOf),
  ]
  const base = random.between(20, 60_000)
  return {
    names: plan.interfaces.map((planned) => planned.name),
    macs,
    networks: [...networks, ...Array.from({ length: 8 }, () => narrower(random, random.pick(networks)))],
    behind: [...behind, ...behind.map((cidr) => narrower(random, cidr)), ...networks],
    ports: [22, 80, 443, 67, 68, 546, 547, 1, 65_535, base, base + 1, base + 3],
  }
}

/** A smaller network, or one address, inside the network. */
function narrower(random: Random, cidr: Cidr): Cidr {
  const width = widthOf(cidr.family)
  const prefix = random.chance(0.4) ? width : random.between(cidr.prefix, width)
  return networkAround(cidr.family, addressInside(random, cidr), prefix)
}

function networkAround(family: Family, value: bigint, prefix: number): Cidr {
  const hostBits = BigInt(widthOf(family) - prefix)
  return { family, address: ipFromNumber(family, (value >> hostBits) << hostBits), prefix }
}

/** Any address of the network, often its first or last. */
export function addressInside(random: Random, cidr: Cidr): bigint {
  const { low, high } = cidrRange(cidr)
  const size = high - low + 1n
  const inside = (): bigint =>
    low + ((BigInt(random.below(0x7fffffff)) * BigInt(random.below(0x7fffffff))) % size)
  return random.weighted([
    [1, low],
    [1, high],
    [3, inside()],
  ])
}

function randomDevice(random: Random, world: World, index: number, now: number): Device {
  const name = `d${index}`
  const until = random.weighted([
    [7, undefined],
    [2, now + random.pick([3600, 86_400, 10_000_000])],
    [2, now - random.pick([60, 3600, 10_000_000])],
  ])
  return {
    name,
    identities: Array.from({ length: random.between(1, 3) }, (_, at) =>
      randomIdentity(random, world, `devices.${name}[${at}]`),
    ),
    admin: false,
    unseen: true,
    ...(until === undefined ? {} : { until }),
    place: nowhere(`devices.${name}`),
  }
}

function randomIdentity(random: Random, world: World, path: string): Identity {
  const place = nowhere(path)
  const cidr = (): Cidr => {
    const chosen = random.pick(world.networks)
    return random.chance(0.4) ? narrower(random, chosen) : chosen
  }
  return random.weighted<() => Identity>([
    [3, () => ({ kind: 'mac', mac: random.pick(world.macs), place })],
    [2, () => ({ kind: 'address', cidr: cidr(), place })],
    [2, () => ({ kind: 'bound', mac: random.pick(world.macs), cidr: cidr(), place })],
  ])()
}

function randomGroup(random: Random, devices: readonly Device[], index: number): Group {
  const members = random.some(devices, 1, devices.length).map((device) => device.name)
  return { name: `g${index}`, members, place: nowhere(`groups.g${index}`) }
}

interface GrantContext {
  readonly devices: readonly Device[]
  readonly groups: readonly Group[]
  readonly forward: 'drop' | 'keep' | 'guard'
  readonly index: number
}

function randomGrant(random: Random, world: World, context: GrantContext): Grant {
  const path = `grants[${context.index}]`
  const on = random.chance(0.35) ? random.some(world.names, 1, 2) : undefined
  const through =
    context.forward === 'guard' && random.chance(0.4)
      ? Array.from({ length: random.between(1, 3) }, () => random.pick(world.behind))
      : undefined
  const place = nowhere(path)
  return {
    from: randomAudience(random, context),
    to: Array.from({ length: random.between(1, 2) }, () => randomTarget(random, world)),
    ...(on === undefined ? {} : { on: on.map((value) => ({ value, place })) }),
    ...(through === undefined ? {} : { through: through.map((value) => ({ value, place })) }),
    place,
  }
}

function randomAudience(random: Random, { devices, groups }: GrantContext): Audience {
  if (random.chance(0.12)) return { kind: 'anyone' }
  const written = random.some([...devices, ...groups], 1, 3).map((member) => member.name)
  const resolved = written.flatMap((name) => groups.find((group) => group.name === name)?.members ?? [name])
  return { kind: 'devices', written, devices: [...new Set(resolved)] }
}

function randomTarget(random: Random, world: World): Target {
  if (random.chance(0.2)) return { kind: 'everything' }
  const parts = Array.from({ length: random.between(1, 3) }, () => randomPart(random, world))
  return { kind: 'service', service: { name: parts.map(formatServicePart).join(' '), parts } }
}

function randomPart(random: Random, world: World): ServicePart {
  return random.weighted<() => ServicePart>([
    [
      6,
      () => {
        const from = random.pick(world.ports)
        const to = random.chance(0.3) ? Math.min(65_535, from + random.pick([1, 2, 100])) : from
        const protocol = random.weighted([
          [3, PORT_PROTOCOLS[0]],
          [3, PORT_PROTOCOLS[1]],
          [1, PORT_PROTOCOLS[2]],
        ] as const)
        return { kind: 'ports', protocol: protocol ?? 'tcp', from: from as Port, to: to as Port }
      },
    ],
    [1, () => ({ kind: 'protocol', protocol: random.pick(PLAIN_PROTOCOLS) })],
    [2, () => ({ kind: 'ping' })],
  ])()
}

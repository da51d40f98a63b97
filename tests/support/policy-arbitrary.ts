import * as fc from 'fast-check'
import { InternalError } from '../../src/base/internal-error.ts'
import { macFromNumber } from '../../src/net/mac-address.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { readPolicy } from '../../src/policy/read.ts'
import type { SystemServices } from '../../src/policy/system-services.ts'
import { parseSystemServices } from '../../src/policy/system-services.ts'
import { emitYaml } from './emit-yaml.ts'
import type { Plain } from './emit-yaml.ts'

/** The moment at which generated policies are read: some of their devices' times are over then, some are not. */
export const GENERATED_NOW = 1_800_000_000

/** The system's list of services as generated policies know it. */
export const GENERATED_SERVICES: SystemServices = parseSystemServices(
  'smtp 25/tcp mail\nsip 5060/tcp\nsip 5060/udp\n',
)

export interface PolicyArbitraryOptions {
  /** Names that `on` and `unguarded` draw from. */
  readonly interfaces?: readonly string[]
  /** What `host.forward` draws from; `through` appears with `guard` only. */
  readonly forward?: readonly Policy['host']['forward'][]
  readonly maxDevices?: number
  readonly maxGrants?: number
  /** MAC addresses and networks that identities draw from; few of them make packets meet devices often. */
  readonly macs?: readonly string[]
  readonly addresses?: readonly string[]
  /** Networks that `through` draws from. */
  readonly networks?: readonly string[]
  /** Whether `tests:` and notes are generated (default true). */
  readonly tests?: boolean
}

export interface GeneratedPolicy {
  readonly text: string
  /** What `readPolicy` makes of the text, at GENERATED_NOW and with GENERATED_SERVICES. */
  readonly policy: Policy
}

const NAMES = [
  'laptop',
  'Laptop',
  'phone',
  'gerät-1',
  '家',
  'नेटवर्क',
  '1e5',
  '007',
  'no',
  'y',
  'x_y',
  'a-b',
  'ssh',
  'web',
  'z'.repeat(63),
  'off',
  'drucker',
]
const GROUPS = ['family', 'staff', '事務所', 'all', '12', 'on']
const SERVICES = ['web', 'shell', 'post', 'ゲーム', 'http', 'x1', 'e-9']
const NOTES = [
  '',
  'in the drawer',
  '"; } drop table',
  "it's # not: a comment",
  'a\nb\tc',
  '\u202eevil\u0000',
  '$(reboot)',
  '- x',
  '日本語',
  '\u{1f4a9}',
  ' lead',
  'trail ',
  '0x10',
  '~',
  '\\',
]

/** Policies that read without an error, in many spellings, with every kind of identity, audience and target. */
export function arbitraryPolicy(options: PolicyArbitraryOptions = {}): fc.Arbitrary<GeneratedPolicy> {
  const style = fc.record({
    flowFrom: fc.integer({ min: 0, max: 4 }),
    quote: fc.constantFrom('plain', 'double', 'single'),
    indent: fc.constantFrom(2, 4),
  })
  return fc.tuple(draft(options), style).map(([value, { flowFrom, quote, indent }]) => {
    const text = emitYaml(value, { flowFrom, quote, indent })
    const { policy, diagnostics } = readPolicy(text, {
      systemServices: GENERATED_SERVICES,
      now: GENERATED_NOW,
    })
    if (policy === undefined)
      throw new InternalError(`generated policy has errors: ${JSON.stringify(diagnostics)}\n${text}`)
    return { text, policy }
  })
}

interface Seeds {
  readonly devices: readonly DeviceSeed[]
  readonly groups: readonly (readonly number[])[]
  readonly services: readonly (readonly string[])[]
  readonly grants: readonly GrantSeed[]
  readonly tests: readonly TestSeed[]
}

interface DeviceSeed {
  readonly macs: number
  readonly addresses: readonly string[]
  readonly bound: readonly string[]
  readonly admin: boolean
  readonly unseen: boolean
  readonly until: string | undefined
  readonly gateway: boolean
  readonly note: string | undefined
}

interface GrantSeed {
  readonly from: readonly number[]
  readonly to: readonly (string | number)[]
  readonly on: readonly string[]
  readonly through: readonly string[]
}

interface TestSeed {
  readonly from: number
  readonly accept: readonly (string | number)[]
  readonly refuse: readonly (string | number)[]
  readonly on: readonly string[]
}

function draft(options: PolicyArbitraryOptions): fc.Arbitrary<Plain> {
  const interfaces = options.interfaces ?? ['eth0', 'br-lan', 'wg0', 'wan.7']
  const seeds: fc.Arbitrary<Seeds> = fc.record({
    devices: fc.array(deviceSeed(options), { maxLength: options.maxDevices ?? 6 }),
    groups: fc.array(fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
    services: fc.array(fc.array(servicePart(), { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    grants: fc.array(grantSeed(options, interfaces), { maxLength: options.maxGrants ?? 5 }),
    tests: options.tests === false ? fc.constant([]) : fc.array(testSeed(interfaces), { maxLength: 3 }),
  })
  const host = fc.record({
    unguarded: fc.subarray([...interfaces], { maxLength: Math.max(0, interfaces.length - 2) }),
    forward: fc.constantFrom(...(options.forward ?? (['drop', 'keep', 'guard'] as const))),
    refuse: fc.constantFrom('drop', 'reject'),
    log: fc.constantFrom('off', '3/minute', '10/second', '1/hour', '99999/day'),
    backend: fc.constantFrom(undefined, 'nft'),
  })
  const macs = fc.shuffledSubarray([...(options.macs ?? defaultMacs())], {
    minLength: (options.macs ?? defaultMacs()).length,
  })
  const names = fc.tuple(shuffled(NAMES), shuffled(GROUPS), shuffled(SERVICES))
  const confirm = fc.constantFrom('60s', '1s', '1h', '5m')
  return fc
    .tuple(seeds, host, macs, names, confirm, fc.nat(3))
    .map(([seed, hostDraft, macPool, [devices, groups, services], wait, wanted]) => {
      const audience = buildAudience(seed, macPool, devices, groups)
      const serviceDraft = buildServices(seed.services, services)
      const rest = { ...seed, forward: hostDraft.forward, unguarded: hostDraft.unguarded }
      return {
        admit: '1',
        host: hostDraft,
        ...audience.sections,
        services: serviceDraft,
        grants: buildGrants(rest, audience.all, Object.keys(serviceDraft)),
        safety: { admins: String(Math.min(wanted, audience.admins)), confirm: wait },
        tests: buildTests(rest, audience.all, Object.keys(serviceDraft)),
      }
    })
}

function shuffled(words: readonly string[]): fc.Arbitrary<string[]> {
  return fc.shuffledSubarray([...words], { minLength: words.length })
}

function defaultMacs(): readonly string[] {
  return Array.from({ length: 24 }, (_, index) =>
    macFromNumber(index % 3 === 0 ? 0x020000000000 + index : 0x00163e000000 + index * 0x10107),
  )
}

const ADDRESSES = [
  '192.0.2.7',
  '192.0.2.0/24',
  '10.0.0.0/8',
  '203.0.113.9',
  '198.51.100.128/25',
  '2001:db8::/32',
  '2001:db8:1::7',
  'fe80::/10',
  'fd00:1::/64',
]

function deviceSeed(options: PolicyArbitraryOptions): fc.Arbitrary<DeviceSeed> {
  const address = fc.constantFrom(...(options.addresses ?? ADDRESSES))
  const few = fc.uniqueArray(address, { maxLength: 2 })
  return fc.record({
    macs: fc.nat(2),
    addresses: few,
    bound: few,
    admin: fc.boolean(),
    unseen: fc.boolean(),
    until: fc.option(
      fc.constantFrom('2026-12-31T18:00:00+09:00', '2031-01-01T00:00:00Z', '2040-02-29T12:30:00-03:30'),
      { nil: undefined, freq: 3 },
    ),
    gateway: fc.boolean(),
    note:
      options.tests === false
        ? fc.constant(undefined)
        : fc.option(fc.constantFrom(...NOTES), { nil: undefined }),
  })
}

function servicePart(): fc.Arbitrary<string> {
  const port = fc.oneof(fc.constantFrom(22, 53, 80, 443, 8080), fc.integer({ min: 1, max: 65535 }))
  const protocol = fc.constantFrom('tcp', 'udp', 'sctp')
  const one = fc.tuple(port, protocol).map(([number, name]) => `${number}/${name}`)
  const range = fc
    .tuple(port, fc.nat(1000), protocol)
    .map(([from, more, name]) => `${from}-${Math.min(65535, from + more)}/${name}`)
  return fc.oneof(one, range, fc.constantFrom('ping', 'esp', 'gre', 'ssh', 'https', 'ipsec', 'mail', 'sip'))
}

function targets(): fc.Arbitrary<(string | number)[]> {
  return fc.array(fc.oneof(servicePart(), fc.constantFrom('everything', 'ping', 'ssh'), fc.nat(5)), {
    minLength: 1,
    maxLength: 3,
  })
}

function grantSeed(options: PolicyArbitraryOptions, interfaces: readonly string[]): fc.Arbitrary<GrantSeed> {
  const networks = options.networks ?? ['10.8.0.0/24', '2001:db8:8::/48', '10.9.0.1', '0.0.0.0/0']
  return fc.record({
    from: fc.array(fc.nat(20), { maxLength: 3 }),
    to: targets(),
    on: fc.oneof(
      fc.constant([]),
      fc.subarray([...interfaces], { minLength: Math.min(1, interfaces.length) }),
    ),
    through: fc.oneof(fc.constant([]), fc.subarray([...networks])),
  })
}

function testSeed(interfaces: readonly string[]): fc.Arbitrary<TestSeed> {
  const some = fc.oneof(fc.constant([]), targets())
  return fc.record({
    from: fc.nat(20),
    accept: targets(),
    refuse: some,
    on: fc.subarray([...interfaces], { maxLength: 1 }),
  })
}

function buildAudience(
  seed: Seeds,
  macPool: readonly string[],
  deviceNames: readonly string[],
  groupNames: readonly string[],
) {
  const devices: { [name: string]: Plain } = {}
  let used = 0
  const takeMacs = (count: number): readonly string[] => {
    const taken = macPool.slice(used, used + count)
    used += taken.length
    return taken
  }
  let admins = 0
  const boundUsed = new Set<string>()
  for (const [index, device] of seed.devices.entries()) {
    const name = deviceNames[index]
    if (name === undefined) break
    const mac = takeMacs(device.macs)
    const boundMacs = device.bound.length > 0 ? takeMacs(1) : []
    const bound = boundMacs.length === 0 || boundUsed.has(boundMacs.join()) ? [] : device.bound
    const nothing = mac.length + device.addresses.length + bound.length === 0
    devices[name] = {
      mac: single(mac),
      address: nothing ? '192.0.2.99' : single(device.addresses),
      bound: bound.length === 0 ? undefined : { mac: single(boundMacs), address: single(bound) },
      admin: device.admin ? 'true' : undefined,
      unseen: device.unseen ? 'true' : undefined,
      until: device.until,
      'everyone-behind': device.gateway ? 'gateway' : undefined,
      note: device.note,
    }
    if (device.admin && device.until === undefined) admins++
  }
  const names = Object.keys(devices)
  const all = [...names]
  const groups: { [name: string]: Plain } = {}
  for (const [index, members] of seed.groups.entries()) {
    const name = groupNames[index]
    // A group needs a member before it: the first ones are devices, later ones may be groups, so that none loops.
    if (name === undefined || all.length === 0) break
    groups[name] = members.map((member) => all[member % all.length] ?? '')
    all.push(name)
  }
  return { sections: { devices, groups }, all, admins }
}

function single<T>(items: readonly T[]): T | readonly T[] | undefined {
  const [only] = items
  return items.length === 0 ? undefined : items.length === 1 ? only : items
}

function buildServices(
  seeds: readonly (readonly string[])[],
  names: readonly string[],
): { [name: string]: Plain } {
  const services: { [name: string]: Plain } = {}
  for (const [index, parts] of seeds.entries()) {
    const name = names[index]
    if (name !== undefined) services[name] = parts
  }
  return services
}

interface Rest extends Seeds {
  readonly forward: Policy['host']['forward']
  readonly unguarded: readonly string[]
}

function buildGrants(seed: Rest, audience: readonly string[], services: readonly string[]): Plain {
  return seed.grants.map(({ from, to, on, through }) => {
    const who = audience.length === 0 ? [] : from.map((index) => audience[index % audience.length] ?? '')
    return {
      from: who.length === 0 ? 'anyone' : single(who),
      to: single(toTargets(to, services)),
      on: single(on.filter((name) => !seed.unguarded.includes(name))),
      through: seed.forward === 'guard' ? single(through) : undefined,
    }
  })
}

function buildTests(seed: Rest, audience: readonly string[], services: readonly string[]): Plain {
  const subjects = [...audience, 'anyone', 'stranger']
  return seed.tests.map(({ from, accept, refuse, on }) => ({
    from: subjects[from % subjects.length],
    accept: single(toTargets(accept, services)),
    refuse: single(toTargets(refuse, services)),
    on: single(on.filter((name) => !seed.unguarded.includes(name))),
  }))
}

function toTargets(words: readonly (string | number)[], services: readonly string[]): readonly string[] {
  return words.map((word) =>
    typeof word === 'string' ? word : (services[word % Math.max(1, services.length)] ?? 'https'),
  )
}

import type { HostFacts, NetworkInterface } from '../host/host-facts.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { nearest } from '../base/suggest.ts'
import { adminStandings, mayCountAsAdmin } from './admins.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { Device, Placed, Policy } from './policy.ts'
import { judgedInterfaces } from './specimen.ts'

/**
 * What this policy says about a host that is not so, or that would not do what is meant. The facts must be read from
 * a host: on one of which nothing is known, no interface exists and no admin was seen.
 */
export function checkAgainstHost(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  const diagnostics = [
    ...checkInterfaces(policy, facts),
    ...checkJudged(policy, facts),
    ...checkMacs(policy, facts),
    ...checkEthernet(policy, facts),
    ...checkAdmins(policy, facts),
  ]
  return diagnostics.toSorted((a, b) => a.place.start - b.place.start)
}

/** With every interface unguarded the policy keeps nobody out. */
function checkJudged(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  const unguarded = policy.host.unguarded[0]
  if (unguarded === undefined || judgedInterfaces(policy, facts).length > 0) return []
  return [
    {
      code: 'nothing-judged',
      severity: 'warning',
      place: unguarded.place,
      message: 'no interface of this host is judged: everybody gets in',
      fix: 'take out of unguarded: the interfaces by which strangers could come',
    },
  ]
}

function checkInterfaces(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  const byName = new Map(facts.interfaces.map((entry) => [entry.name, entry]))
  const on = [...policy.grants, ...policy.tests].flatMap((entry) => entry.on ?? [])
  return [
    ...on.flatMap((entry) => checkInterface(entry, 'error', byName)),
    ...policy.host.unguarded.flatMap((entry) => checkInterface(entry, 'warning', byName)),
  ]
}

function checkInterface(
  entry: Placed<InterfaceName>,
  whenMissing: 'error' | 'warning',
  byName: ReadonlyMap<InterfaceName, NetworkInterface>,
): readonly Diagnostic[] {
  const { value: name, place } = entry
  const found = byName.get(name)
  if (found === undefined) {
    const meant = nearest(name, namable(byName))
    const have = namable(byName).slice(0, 8)
    const fix =
      meant === undefined
        ? `this host has ${have.length === 0 ? 'lo only' : have.join(', ')}`
        : `did you mean ${meant}?`
    return [
      {
        code: 'unknown-interface',
        severity: whenMissing,
        place,
        message: `this host has no interface ${name}`,
        fix,
      },
    ]
  }
  const master = found.master
  if (master === undefined) return []
  const part =
    master.kind === 'bridge'
      ? 'a port of the bridge'
      : master.kind === 'bond'
        ? 'a member of the bond'
        : 'a member of'
  const message = `${name} is ${part} ${master.name}: its packets arrive on ${master.name}, as far as rules can see`
  return [{ code: 'interface-has-master', severity: 'error', place, message, fix: `write ${master.name}` }]
}

/** Interfaces that packets are seen to arrive on. */
function namable(byName: ReadonlyMap<InterfaceName, NetworkInterface>): readonly string[] {
  return [...byName.values()]
    .filter((entry) => entry.kind !== 'loopback' && entry.master === undefined)
    .map((entry) => entry.name)
}

function checkMacs(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  const own = new Map(
    facts.interfaces.flatMap((entry) => (entry.mac === undefined ? [] : [[entry.mac, entry.name]])),
  )
  const gateways = new Map(
    facts.gateways.flatMap((entry) => (entry.mac === undefined ? [] : [[entry.mac, entry]])),
  )
  if (own.size === 0 && gateways.size === 0) return []
  const diagnostics: Diagnostic[] = []
  for (const device of policy.devices) {
    for (const identity of device.identities) {
      if (identity.kind === 'address') continue
      const interfaceName = own.get(identity.mac)
      const gateway = gateways.get(identity.mac)
      if (interfaceName !== undefined) {
        const message = `${identity.mac} is this host's own MAC address (${interfaceName}): no packet arrives with it`
        const fix =
          'write the MAC address of the other machine; `ip link` there shows it, or run `admit whoami` there'
        diagnostics.push({ code: 'own-mac', severity: 'error', place: identity.place, message, fix })
      } else if (gateway !== undefined && device.everyoneBehind !== 'gateway' && identity.kind === 'mac') {
        const message = `${identity.mac} is the gateway ${gateway.address} on ${gateway.interface}: everyone who comes through it, often the whole Internet, would be "${device.name}"`
        const fix = `list the device by address:, or say everyone-behind: gateway if that is what you want`
        diagnostics.push({ code: 'gateway-mac', severity: 'error', place: identity.place, message, fix })
      }
    }
  }
  return diagnostics
}

function checkEthernet(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  if (facts.interfaces.length === 0) return []
  const ethernet = new Set(facts.interfaces.filter((entry) => entry.ethernet).map((entry) => entry.name))
  const unguarded = new Set(policy.host.unguarded.map((entry) => entry.value))
  const judged = facts.interfaces.filter((entry) => entry.master === undefined && !unguarded.has(entry.name))
  if (!judged.some((entry) => entry.ethernet)) return policy.devices.flatMap(unrecognisable)
  const macOnly = new Set(policy.devices.filter(needsMac).map((device) => device.name))
  return policy.grants.flatMap(({ from, on }) => {
    const first = on?.[0]
    if (on === undefined || first === undefined || from.kind === 'anyone' || from.devices.length === 0)
      return []
    if (on.some((entry) => ethernet.has(entry.value)) || !from.devices.every((name) => macOnly.has(name)))
      return []
    const message = `nobody can be recognised by MAC address on ${on.map((entry) => entry.value).join(', ')}`
    const fix = 'give the devices an address:, or name an interface with an Ethernet header'
    return [{ code: 'no-ethernet', severity: 'warning', place: first.place, message, fix }]
  })
}

function needsMac(device: Device): boolean {
  return device.identities.every((identity) => identity.kind !== 'address')
}

function unrecognisable(device: Device): readonly Diagnostic[] {
  const [identity] = device.identities
  if (identity === undefined || !needsMac(device)) return []
  const message = `"${device.name}" can never be recognised: no judged interface of this host carries MAC addresses`
  const severity = device.admin ? 'error' : 'warning'
  return [
    { code: 'no-ethernet', severity, place: identity.place, message, fix: 'list the device by address:' },
  ]
}

function checkAdmins(policy: Policy, facts: HostFacts): readonly Diagnostic[] {
  const able = policy.devices.filter(mayCountAsAdmin)
  const standing = adminStandings(facts)
  const unseen = able.filter((device) => !standing(device).counts)
  const counted = able.length - unseen.length
  const wanted = policy.safety.admins
  if (counted >= wanted) return []
  return unseen.map((device) => {
    const message = `admin "${device.name}" was never seen by this host, so ${counted} of the ${wanted} admins that safety.admins asks for count`
    const fix = `connect from it once, or write unseen: true if you are sure of its ${device.identities.some((identity) => identity.kind !== 'address') ? 'MAC' : 'address'}`
    return { code: 'admin-never-seen', severity: 'error', place: device.place, message, fix }
  })
}

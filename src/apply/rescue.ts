import { nowhere } from '../base/place.ts'
import { compile } from '../compile/compile.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Port } from '../net/port.ts'
import { parsePort } from '../net/port.ts'
import { isExpired } from '../policy/meaning.ts'
import type { Policy, Service, ServicePart, Target } from '../policy/policy.ts'
import type { Table } from '../ruleset/ruleset.ts'

/** The path that the admins-only rules carry as their origin: it is in no policy. */
export const RESCUE_PATH = 'meaning.rescue'

/**
 * The admins-only rules, for when nothing else can be loaded: a policy's admins whose time is not over reach SSH and
 * ping, nobody else anything; what is unguarded or forwarded stays as the policy has it. Undefined where there is no
 * policy or no such admin: rules that let nobody in rescue nobody. `now` is in seconds since 1970.
 */
export function rescueTable(
  policy: Policy | undefined,
  facts: HostFacts,
  options: { readonly now: number },
): Table | undefined {
  if (policy === undefined) return undefined
  const derived = rescuePolicy(policy, facts, options.now)
  return derived === undefined ? undefined : compile(derived, facts, options)
}

/** The policy that the admins-only rules say; a whole one, so that it can be judged like any other. */
export function rescuePolicy(policy: Policy, facts: HostFacts, now: number): Policy | undefined {
  const devices = policy.devices.filter((device) => device.admin && !isExpired(device, now))
  if (devices.length === 0) return undefined
  const place = nowhere(RESCUE_PATH)
  const names = devices.map((device) => device.name)
  const to: readonly Target[] = [
    { kind: 'service', service: sshService(policy, facts) },
    { kind: 'service', service: { name: 'ping', parts: [{ kind: 'ping' }] } },
  ]
  return {
    ...policy,
    host: { ...policy.host, refuse: 'drop', place },
    devices,
    groups: [],
    services: [],
    grants: [{ from: { kind: 'devices', written: names, devices: names }, to, place }],
    tests: [],
  }
}

/** Where an SSH server listens, else what the policy calls `ssh`, else port 22. */
function sshService({ services }: Policy, facts: HostFacts): Service {
  const parts = facts.sshPorts.flatMap((port) => portPart(String(port)))
  if (parts.length > 0) return { name: 'ssh', parts }
  const own = services.find((service) => service.name === 'ssh')
  return own ?? { name: 'ssh', parts: portPart('22') }
}

function portPart(text: string): readonly ServicePart[] {
  const port = parsePort(text)
  return port.ok ? [tcp(port.value)] : []
}

function tcp(port: Port): ServicePart {
  return { kind: 'ports', protocol: 'tcp', from: port, to: port }
}

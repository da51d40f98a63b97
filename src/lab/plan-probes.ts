import type { Family } from '../net/ip-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import { ECHO_REQUEST } from '../policy/meaning.ts'
import type { Policy, Service, ServicePart, Target } from '../policy/policy.ts'
import type { LabListener, LabProbe, LabService } from './lab-plan.ts'
import type { Stand, Way } from './stands.ts'

/** A column with what is tried for it. */
export interface ServiceProbes {
  readonly service: LabService
  readonly tries: readonly Try[]
}

type Try = { readonly kind: 'ping' } | { readonly kind: 'tcp' | 'udp'; readonly port: number }

/** Ping, every service that the policy names anywhere, and a port that none of them has. */
export function planServices(policy: Policy): {
  readonly services: readonly ServiceProbes[]
  readonly notes: readonly string[]
} {
  const named = new Map<string, Service>()
  const targets: readonly Target[] = [
    ...policy.grants.flatMap((grant) => grant.to),
    ...policy.tests.flatMap((test) => [...test.accept, ...test.refuse]),
  ]
  for (const service of policy.services) named.set(service.name, service)
  for (const target of targets) {
    if (target.kind === 'service' && !named.has(target.service.name)) {
      named.set(target.service.name, target.service)
    }
  }
  const isPing = (service: Service): boolean => service.parts.every((part) => part.kind === 'ping')
  const services = [...named.values()].filter((service) => !isPing(service))
  const other = unnamedPort(services.flatMap((service) => service.parts))
  const columns = services.map((service) => ({ service, tries: service.parts.flatMap(triesOf) }))
  return {
    services: [
      { service: { id: 'ping', title: 'ping' }, tries: [{ kind: 'ping' }] },
      ...columns
        .filter((column) => column.tries.length > 0)
        .map(({ service, tries }) => ({
          service: { id: `service ${service.name}`, title: service.name },
          tries,
        })),
      {
        service: { id: 'other', title: `port ${other}` },
        tries: [
          { kind: 'tcp', port: other },
          { kind: 'udp', port: other },
        ],
      },
    ],
    notes: services.flatMap((service) => service.parts.flatMap((part) => notTried(service, part))),
  }
}

/** The lowest and highest port of a range stand for all of it. */
function triesOf(part: ServicePart): readonly Try[] {
  switch (part.kind) {
    case 'ping':
      return [{ kind: 'ping' }]
    case 'protocol':
      return []
    case 'ports': {
      if (part.protocol === 'sctp') return []
      const kind = part.protocol
      const ports = part.from === part.to ? [part.from] : [part.from, part.to]
      return ports.map((port) => ({ kind, port }))
    }
    default:
      return part satisfies never
  }
}

function notTried(service: Service, part: ServicePart): readonly string[] {
  switch (part.kind) {
    case 'ping':
      return []
    case 'protocol':
      return [`${part.protocol} of ${service.name} is not tried: nothing here can send it`]
    case 'ports':
      if (part.protocol === 'sctp') {
        return [`${part.from}/sctp of ${service.name} is not tried: nothing here can send it`]
      }
      return part.from === part.to
        ? []
        : [`of ${part.from}-${part.to}/${part.protocol} (${service.name}) the first and last port are tried`]
    default:
      return part satisfies never
  }
}

function unnamedPort(parts: readonly ServicePart[]): number {
  let port = 40_000
  const isNamed = (): boolean =>
    parts.some((part) => part.kind === 'ports' && part.from <= port && port <= part.to)
  while (isNamed() && port < 65_535) port++
  return port
}

/** Every try of every service by everyone in every family that leads to the host. `now`: seconds since 1970. */
export function planProbes(
  stands: readonly Stand[],
  services: readonly ServiceProbes[],
  now: number,
): readonly LabProbe[] {
  const all = stands.flatMap((stand) =>
    services.flatMap(({ service, tries }) =>
      tries.flatMap((attempt) =>
        stand.ways.map((way) => ({
          caller: stand.caller.id,
          service: service.id,
          machine: stand.machine,
          called: stand.through?.machine ?? 'host',
          kind: attempt.kind,
          destination: way.destination,
          ...(way.zone !== undefined && { zone: way.zone }),
          ...(attempt.kind !== 'ping' && { port: attempt.port }),
          packet: firstPacket(stand, way, attempt, now),
        })),
      ),
    ),
  )
  return all.map((probe, id) => ({ id, ...probe }))
}

/** Linux's own first hop limit. */
const HOP_LIMIT = 64
/** Any port from the range of which Linux chooses; no rule of admit's asks for the port of a client. */
const CLIENT_PORT = 49_152

function firstPacket(stand: Stand, way: Way, attempt: Try, now: number): Packet {
  const hops = (stand.behind ? 1 : 0) + (stand.through === undefined ? 0 : 1)
  return {
    ...(stand.through === undefined ? { hook: 'input' } : { hook: 'forward', oif: stand.through.link }),
    iif: stand.caller.on,
    ...(stand.mac !== undefined && { mac: stand.mac }),
    family: way.family,
    source: way.source,
    destination: way.destination,
    ...transport(attempt, way.family),
    // The host lowers it before its forward hook.
    hopLimit: HOP_LIMIT - hops,
    tracking: { state: 'new', direction: 'original', mark: 0, dnat: false },
    time: now,
  }
}

function transport(attempt: Try, family: Family) {
  switch (attempt.kind) {
    case 'ping':
      return family === 'ip'
        ? { protocol: PROTOCOL_NUMBER.icmp, messageType: ECHO_REQUEST.ip }
        : { protocol: PROTOCOL_NUMBER.icmpv6, messageType: ECHO_REQUEST.ip6 }
    case 'tcp':
      return {
        protocol: PROTOCOL_NUMBER.tcp,
        sourcePort: CLIENT_PORT,
        destinationPort: attempt.port,
        tcpFlags: TCP_FLAGS.syn,
      }
    case 'udp':
      return { protocol: PROTOCOL_NUMBER.udp, sourcePort: CLIENT_PORT, destinationPort: attempt.port }
    default:
      return attempt satisfies never
  }
}

/** The sockets that the probes need. */
export function planListeners(probes: readonly LabProbe[]): readonly LabListener[] {
  const listeners = new Map<string, LabListener>()
  for (const { called, kind, port, destination, zone, packet } of probes) {
    if (port === undefined || kind === 'ping') continue
    // The zone of a link-local address is the interface of whoever binds it: here the host's.
    const scope = zone === undefined || packet.iif === undefined ? {} : { zone: packet.iif }
    listeners.set(`${called} ${kind} ${port} ${destination} ${scope.zone ?? ''}`, {
      machine: called,
      protocol: kind,
      port,
      address: destination,
      ...scope,
    })
  }
  return [...listeners.values()]
}

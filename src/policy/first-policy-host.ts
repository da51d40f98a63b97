import { printable } from '../base/terminal.ts'
import type { HostFacts, Listener, NetworkInterface } from '../host/host-facts.ts'
import { familyOf } from '../net/ip-address.ts'
import { comment, commented, listed, quoted, shortList } from './first-policy-text.ts'

/** Programs that run guests of their own on this host, and so are no rivals of admit's. */
export const RUNNERS: ReadonlyMap<string, string> = new Map([
  ['docker', 'Docker'],
  ['podman', 'Podman'],
  ['libvirt', 'libvirt'],
  ['lxd', 'LXD'],
  ['incus', 'Incus'],
  ['kubernetes', 'Kubernetes'],
])

/** What the policy says about forwarding, and why. */
export function forwardingOf(facts: HostFacts): {
  readonly lines: readonly string[]
  readonly warnings: readonly string[]
} {
  const runners = facts.otherFirewalls.flatMap((one) => {
    const name = RUNNERS.get(one.name)
    return name === undefined ? [] : [`${name} is here (${printable(one.evidence)})`]
  })
  const bridges = facts.interfaces.filter((link) => link.kind === 'bridge').map((link) => link.name)
  const families = [...(facts.forwarding.ip ? ['IPv4'] : []), ...(facts.forwarding.ip6 ? ['IPv6'] : [])]
  const reasons = [
    ...runners,
    ...(families.length > 0 ? [`this host forwards ${families.join(' and ')}`] : []),
    ...(bridges.length > 0 ? [`it has bridges (${shortList(bridges)})`] : []),
  ]
  if (reasons.length === 0)
    return { lines: [...comment('this host forwards nothing'), '  forward: drop'], warnings: [] }
  const among = runners.length > 0 ? ', published ports of containers among it,' : ''
  const unjudged = `What is forwarded${among} is not judged; with \`forward: guard\` it would be.`
  return {
    lines: [
      ...comment(`Forwarding is left to others: ${reasons.join('; ')}. ${unjudged}`),
      '  forward: keep',
    ],
    warnings: [`forward: keep, because ${reasons.join('; ')}. ${unjudged}`],
  }
}

const MACHINE_BRIDGE = /^(virbr|lxdbr|incusbr)\d+$/
const PODMAN_BRIDGE = /^(cni-)?podman\d+$/
const DOCKER_BRIDGE = /^(docker0|br-[0-9a-f]{12})$/

/** Behind these are this host's own guests, not devices of the owner's. */
export const GUEST_BRIDGE = new RegExp(
  [MACHINE_BRIDGE, PODMAN_BRIDGE, DOCKER_BRIDGE].map((shape) => shape.source).join('|'),
)

export interface Containers {
  readonly unguarded: readonly string[]
  readonly grants: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * What guests need of the host itself. Virtual machines (libvirt, LXD, Incus) get their address and names from the
 * dnsmasq at the bridge: a grant for just that. Containers reach published ports through the host (docker-proxy),
 * services bound to the bridge, or Podman's name server, on bridges that come and go: those are not judged.
 */
export function containersOf(facts: HostFacts, links: readonly NetworkInterface[]): Containers {
  const bridges = (shape: RegExp) => links.filter((link) => shape.test(link.name))
  const machines = bridges(MACHINE_BRIDGE)
  const podman = bridges(PODMAN_BRIDGE)
  const docker = bridges(DOCKER_BRIDGE)
  const served = docker.some((link) =>
    facts.listeners.some(
      (one) => one.program === 'docker-proxy' || link.addresses.some((own) => own.address === one.address),
    ),
  )
  const open = [...podman, ...(served ? docker : [])].map((link) => link.name)
  const closed = served ? [] : docker.map((link) => link.name)
  const list = (names: readonly string[]) => `unguarded: [${names.map(quoted).join(', ')}]`
  const unguarded = [
    ...(open.length === 0
      ? []
      : [
          ...comment('Containers use services of this host: what they send to it is not judged.'),
          `  ${list(open)}`,
        ]),
    ...(closed.length === 0
      ? []
      : [
          ...comment('If containers call services of this host, let them, by not judging what they send:'),
          commented(list([...open, ...closed])),
        ]),
  ]
  return {
    unguarded,
    grants: machines.flatMap((link) => [
      ...comment(`machines on ${link.name} get their address and names from this host`),
      `  - { from: anyone, to: ${link.addresses.some((own) => familyOf(own.address) === 'ip6' && own.scope === 'global') ? '[dhcp, dns, 547/udp]' : '[dhcp, dns]'}, on: ${quoted(link.name)} }`,
    ]),
    warnings:
      open.length === 0
        ? []
        : [
            `Containers on ${open.join(', ')} may reach every port of this host, as before; a network made later is judged until you add it`,
          ],
  }
}

/** What listens for others and would become closed, by program, as grants to uncomment. */
export function suggestions(facts: HostFacts): readonly string[] {
  const programs = new Map<string, Set<string>>()
  for (const one of facts.listeners.filter((listener) => isService(listener, facts.sshPorts))) {
    const program = one.program ?? ''
    programs.set(program, (programs.get(program) ?? new Set()).add(`${one.port}/${one.protocol}`))
  }
  if (programs.size === 0) return []
  const all = [...programs].map(([program, ports]) => {
    const hint = program === '' ? '' : `   # ${printable(program)}`
    return commented(`- { from: anyone, to: ${listed([...ports].slice(0, 8))} }${hint}`)
  })
  const more = all.length > 10 ? comment(`and ${all.length - 10} more: \`ss -tulnp\` shows them`) : []
  return [
    ...comment(
      'Others can reach these now, and no longer once this is applied. Uncomment what is to stay open:',
    ),
    ...all.slice(0, 10),
    ...more,
  ]
}

/** UDP ports from here on are mostly a client's own (net.ipv4.ip_local_port_range), not a service's. */
const FIRST_EPHEMERAL_PORT = 32768

function isService(one: Listener, sshPorts: readonly number[]): boolean {
  if (one.address !== undefined && (one.address === '::1' || one.address.startsWith('127.'))) return false
  // Docker forwards what comes from outside to a published port; the proxy is for what comes from the host.
  if (one.program === 'docker-proxy') return false
  if (one.protocol === 'tcp') return !sshPorts.includes(one.port)
  const dhcpClient = one.port === 68 || one.port === 546
  return !dhcpClient && one.port < FIRST_EPHEMERAL_PORT
}

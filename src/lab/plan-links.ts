import type { HostFacts, NetworkInterface } from '../host/host-facts.ts'
import type { LabAddress, LabLink } from './lab-plan.ts'

/** The host copy's interfaces, by name and, as far as one kernel can play another's hardware, by kind. */
export function planLinks(
  facts: HostFacts,
  tun: boolean,
): {
  readonly links: readonly LabLink[]
  readonly notes: readonly string[]
} {
  const links: LabLink[] = []
  const notes: string[] = []
  for (const one of facts.interfaces) {
    const planned = planLink(one, facts, tun)
    if (typeof planned === 'string') notes.push(planned)
    else if (planned !== undefined) {
      links.push(planned.link)
      if (planned.note !== undefined) notes.push(planned.note)
    }
  }
  return { links, notes }
}

/** The link, a note why there is none, or undefined where none is expected: lo, and what belongs to a bridge or bond. */
function planLink(
  one: NetworkInterface,
  facts: HostFacts,
  tun: boolean,
): { readonly link: LabLink; readonly note?: string } | string | undefined {
  if (one.kind === 'loopback') return undefined
  if (one.master !== undefined) {
    return one.master.kind === 'vrf'
      ? `${one.name} belongs to the VRF ${one.master.name}, which the lab does not copy`
      : undefined
  }
  if (one.kind === 'vrf') return `${one.name} is a VRF, which the lab does not copy`
  if (!one.up) return `${one.name} is down and was left out`
  // iproute2 reads a quote or # in a batch file as its own, whatever stands around it.
  if (/['#]/.test(one.name)) return `${one.name} was left out: its name has a quote or #`
  const link = {
    name: one.name,
    ...(one.mac !== undefined && one.ethernet && { mac: one.mac }),
    addresses: copiedAddresses(one),
  }
  if (one.kind === 'bridge') return planBridge(link, one, facts)
  if (!one.ethernet && !tun) {
    return `${one.name} (${one.kind}) was left out: copying it takes a /dev/net/tun that may be used`
  }
  if (!one.ethernet) return { link: { ...link, kind: 'tun', ports: [] } }
  const ethernet = { link: { ...link, kind: 'ethernet', ports: [] } } as const
  // The facts do not hold a VLAN's tag or a bond's mode, and the rules cannot see them either.
  if (one.kind === 'vlan' || one.kind === 'bond') {
    return { ...ethernet, note: `${one.name} (${one.kind}) is copied as a plain Ethernet interface` }
  }
  return ethernet
}

function planBridge(
  link: Omit<LabLink, 'kind' | 'ports'>,
  one: NetworkInterface,
  facts: HostFacts,
): { readonly link: LabLink; readonly note?: string } {
  const ports = facts.interfaces
    .filter((port) => port.master?.name === one.name && port.up && !/['#]/.test(port.name))
    .map((port) => ({ name: port.name, ...(port.mac !== undefined && { mac: port.mac }) }))
  if (ports.length > 0) return { link: { ...link, kind: 'bridge', ports } }
  const names = new Set<string>(facts.interfaces.map((other) => other.name))
  let index = 0
  while (names.has(`labport${index}`)) index++
  // A name of our own making that fits the kernel's rules; the door would accept it.
  const name = `labport${index}` as LabLink['name']
  return {
    link: { ...link, kind: 'bridge', ports: [{ name }] },
    note: `${one.name} has no port that is up; the lab plugs ${name} into it`,
  }
}

function copiedAddresses(one: NetworkInterface): readonly LabAddress[] {
  return one.addresses
    .filter((each) => each.scope !== 'host')
    .map(({ address, prefix }) => ({ address, prefix }))
}

import type { HostFacts } from '../host/host-facts.ts'
import type { Cidr } from '../net/cidr.ts'
import { cidrRange } from '../net/cidr.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf, ipToNumber, widthOf } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Device, Identity } from './policy.ts'

/** Why a device counts as an admin on a host, or why not. */
export type AdminStanding =
  | { readonly counts: true; readonly because: 'unseen-allowed' | 'neighbour' | 'ssh-connection' }
  | { readonly counts: false; readonly because: 'no-admin' | 'until' | 'never-seen' }

/**
 * A device that may count as an admin: its time never runs out. Whether it really counts, that is, whether this host
 * has seen it, needs host facts.
 */
export function mayCountAsAdmin(device: Device): boolean {
  return device.admin && device.until === undefined
}

/** How devices stand as admins on this host: seen as a neighbour or over SSH, or saying `unseen: true`. */
export function adminStandings(facts: HostFacts): (device: Device) => AdminStanding {
  const neighbours = sightings(facts.neighbours)
  const ssh = sightings(facts.sshConnections.map(({ remote, mac }) => ({ address: remote.address, mac })))
  return (device) => {
    if (!device.admin) return { counts: false, because: 'no-admin' }
    if (!mayCountAsAdmin(device)) return { counts: false, because: 'until' }
    if (device.unseen) return { counts: true, because: 'unseen-allowed' }
    if (device.identities.some(ssh)) return { counts: true, because: 'ssh-connection' }
    if (device.identities.some(neighbours)) return { counts: true, because: 'neighbour' }
    return { counts: false, because: 'never-seen' }
  }
}

interface Sighting {
  readonly address: IpAddress
  readonly mac?: MacAddress | undefined
}

/** Whether an identity fits one of the sightings; made for ten thousand devices and a thousand sightings. */
function sightings(all: readonly Sighting[]): (identity: Identity) => boolean {
  const byMac = new Map<MacAddress, IpAddress[]>()
  for (const { mac, address } of all) {
    if (mac !== undefined) byMac.set(mac, [...(byMac.get(mac) ?? []), address])
  }
  const anyMac = addressesIn(all.map((sighting) => sighting.address))
  return (identity) => {
    switch (identity.kind) {
      case 'mac':
        return byMac.has(identity.mac)
      case 'address':
        return anyMac(identity.cidr)
      case 'bound':
        return addressesIn(byMac.get(identity.mac) ?? [])(identity.cidr)
      default:
        return identity satisfies never
    }
  }
}

function addressesIn(addresses: readonly IpAddress[]): (cidr: Cidr) => boolean {
  const exact = new Set(addresses)
  const numbers = addresses.map((address) => ({ family: familyOf(address), value: ipToNumber(address) }))
  return (cidr) => {
    if (cidr.prefix === widthOf(cidr.family)) return exact.has(cidr.address)
    const { low, high } = cidrRange(cidr)
    return numbers.some(({ family, value }) => family === cidr.family && low <= value && value <= high)
  }
}

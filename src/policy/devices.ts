import type { Place } from '../base/place.ts'
import { formatCidr } from '../net/cidr.ts'
import type { Device, Identity } from './policy.ts'
import type { BoundDraft, DeviceDraft } from './language.ts'
import type { Reading } from './reading.ts'
import type { Named } from './shape.ts'

/** Elements with times of their own that one nft set takes without failing (measured: 1,000 work, 5,000 do not). */
export const MAX_TIMED_DEVICES = 1000
/** MACs times addresses of one `bound`. */
const MAX_BOUND_PAIRS = 1024

/** Turns drafts into devices and reports what is wrong with each, and between them. */
export function resolveDevices(
  drafts: readonly Named<DeviceDraft>[],
  now: number,
  reading: Reading,
): readonly Device[] {
  const devices: Device[] = []
  const owners = identityOwners(reading)
  for (const { name, place, value } of drafts) {
    if (value === undefined) continue
    const identities = identitiesOf(value, reading).filter((identity) => owners.claim(name, identity))
    if (identities.length === 0 && !value.broken) {
      const message = `"${name}" can never be recognised: it has no mac:, address: or bound:`
      reading.error('no-identity', place, message, 'add one of them, such as mac: 00:1b:44:11:3a:b7')
    }
    const device: Device = {
      name,
      identities,
      admin: value.admin?.value ?? false,
      unseen: value.unseen?.value ?? false,
      ...(value.until !== undefined && { until: value.until.value }),
      ...(value['everyone-behind'] !== undefined && { everyoneBehind: value['everyone-behind'].value }),
      ...(value.note !== undefined && { note: value.note.value }),
      place,
    }
    checkDevice(device, value, now, reading)
    devices.push(device)
  }
  owners.finish()
  checkTimedDevices(drafts, reading)
  return devices
}

function identitiesOf(draft: DeviceDraft, reading: Reading): Identity[] {
  const identities: Identity[] = []
  for (const { value, place } of draft.mac ?? []) identities.push({ kind: 'mac', mac: value, place })
  for (const { value, place } of draft.address ?? []) identities.push({ kind: 'address', cidr: value, place })
  for (const bound of draft.bound ?? []) identities.push(...boundIdentities(bound, reading))
  return identities
}

function boundIdentities(bound: BoundDraft, reading: Reading): Identity[] {
  const macs = bound.mac ?? []
  const addresses = bound.address ?? []
  if (macs.length * addresses.length > MAX_BOUND_PAIRS) {
    const message = `${macs.length} MACs with ${addresses.length} addresses are more than ${MAX_BOUND_PAIRS} pairs`
    reading.error(
      'too-many-pairs',
      bound.place,
      message,
      'write a network such as 192.168.1.0/24, or several devices',
    )
    return []
  }
  return macs.flatMap((mac) =>
    addresses.map(
      ({ value: cidr }): Identity => ({ kind: 'bound', mac: mac.value, cidr, place: bound.place }),
    ),
  )
}

function checkDevice(device: Device, draft: DeviceDraft, now: number, reading: Reading): void {
  const { name, admin, until } = device
  if (draft.until !== undefined && until !== undefined && until <= now) {
    reading.warning(
      'until-past',
      draft.until.place,
      `the time of "${name}" is over: it is a stranger now`,
      'set a later time, or remove the device',
    )
  }
  if (admin && draft.until !== undefined && draft.admin !== undefined) {
    const message = `"${name}" does not count as an admin: its time runs out`
    reading.warning('admin-with-until', draft.admin.place, message, 'remove until: or admin:')
  }
  if (device.unseen && !admin && draft.unseen !== undefined && !draft.broken) {
    const message = `unseen: says something about admins only, and "${name}" is none`
    reading.warning('unseen-without-admin', draft.unseen.place, message, 'add admin: true, or remove unseen:')
  }
  for (const identity of device.identities) {
    if (identity.kind !== 'mac' && identity.cidr.prefix === 0) {
      const message = `${formatCidr(identity.cidr)} is everyone who has an ${identity.cidr.family === 'ip' ? 'IPv4' : 'IPv6'} address`
      reading.warning(
        'address-is-everyone',
        identity.place,
        message,
        'write the network of the device, or grant from: anyone',
      )
    }
  }
}

function checkTimedDevices(drafts: readonly Named<DeviceDraft>[], reading: Reading): void {
  const timed = drafts.filter((draft) => draft.value?.until !== undefined)
  const beyond = timed[MAX_TIMED_DEVICES]?.value?.until
  if (beyond === undefined) return
  const message = `${timed.length} devices have an until:, and the kernel takes ${MAX_TIMED_DEVICES}`
  reading.error('too-many-until', beyond.place, message, 'remove devices whose time is over, or their until:')
}

interface Owner {
  readonly name: string
  readonly place: Place
}

/** Who has which identity. The same MAC or address on two devices makes a revoked one live on as the other. */
function identityOwners(reading: Reading) {
  const owners = new Map<string, Owner>()
  const bounds = new Map<string, Owner>()

  function keyOf(identity: Identity): string {
    switch (identity.kind) {
      case 'mac':
        return identity.mac
      case 'address':
        return formatCidr(identity.cidr)
      case 'bound':
        return `${identity.mac} ${formatCidr(identity.cidr)}`
      default:
        return identity satisfies never
    }
  }

  return {
    /** Whether the identity is new; false, and reported, where it repeats one. */
    claim(name: string, identity: Identity): boolean {
      const key = keyOf(identity)
      const { place } = identity
      const before = owners.get(key)
      if (before === undefined) {
        owners.set(key, { name, place })
        if (identity.kind === 'bound' && !bounds.has(identity.mac)) bounds.set(identity.mac, { name, place })
        return true
      }
      const line = before.place.line
      if (before.name === name) {
        reading.warning(
          'identity-twice',
          place,
          `"${name}" has ${key} already, in line ${line}`,
          'remove one of the two',
        )
        return false
      }
      if (identity.kind === 'address') {
        const message = `${key} is also the address of "${before.name}" (line ${line}): nothing tells the two apart`
        reading.warning(
          'address-twice',
          place,
          message,
          'keep it with one of the two, or join them to one device',
        )
        return true
      }
      const message = `${key} belongs to "${before.name}" (line ${line}) already: nothing would tell the two apart`
      reading.error(
        'mac-twice',
        place,
        message,
        'keep it with one of the two; for two names of one thing use groups:',
      )
      return true
    },
    /** A MAC that recognises by itself on one device, and bound to an address on another. */
    finish(): void {
      for (const [mac, bound] of bounds) {
        const alone = owners.get(mac)
        if (alone === undefined) continue
        const same = alone.name === bound.name
        const message = same
          ? `${mac} alone already makes a packet "${bound.name}"'s (line ${alone.place.line}): bound: changes nothing`
          : `${mac} alone makes a packet "${alone.name}"'s (line ${alone.place.line}), whatever address "${bound.name}" is bound to`
        reading.warning(
          'mac-also-bound',
          bound.place,
          message,
          `remove the mac: in line ${alone.place.line}, or this bound:`,
        )
      }
    },
  }
}

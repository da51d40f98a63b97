import type { Device, Group, Name, Placed } from './policy.ts'
import type { Reading } from './reading.ts'

/** Who can be named in `from`. */
export interface Audiences {
  readonly devices: readonly Device[]
  /** Also names of devices that were not readable: a mention of them is no further mistake. */
  readonly deviceNames: ReadonlySet<Name>
  readonly groups: readonly Group[]
  readonly now: number
}

/** Lookup tables over the audiences, built once a file. */
export interface AudienceBook {
  /** The devices that a name stands for; reported and undefined where it stands for nobody known. */
  devicesOf(mention: Placed<string>): readonly Name[] | undefined
  isGroup(name: Name): boolean
  isDevice(name: Name): boolean
  /** Devices of these whose time is not over. */
  living(names: readonly Name[]): readonly Name[]
}

export function audienceBook(audiences: Audiences, reading: Reading): AudienceBook {
  const groups = new Map(audiences.groups.map((group) => [group.name, group.members]))
  const expired = new Set<Name>()
  for (const { name, until } of audiences.devices) {
    if (until !== undefined && until <= audiences.now) expired.add(name)
  }
  return {
    devicesOf(mention) {
      const name = mention.value
      if (audiences.deviceNames.has(name)) return [name]
      const members = groups.get(name)
      if (members !== undefined) return members
      const meant = reading.suggest(name, [...groups.keys(), ...audiences.deviceNames, 'anyone', 'stranger'])
      const fix =
        meant === undefined ? 'add it under devices: or groups:, or write anyone' : `did you mean ${meant}?`
      reading.error('unknown-device', mention.place, `there is no device or group "${name}"`, fix)
      return undefined
    },
    isGroup: (name) => groups.has(name),
    isDevice: (name) => audiences.deviceNames.has(name),
    living: (names) => (expired.size === 0 ? names : names.filter((name) => !expired.has(name))),
  }
}

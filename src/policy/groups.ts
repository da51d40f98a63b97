import type { Group, Name, Placed } from './policy.ts'
import type { Reading } from './reading.ts'
import type { Named } from './shape.ts'

/** Groups inside groups, at most so deep. */
const MAX_DEPTH = 16
/** Devices in all groups together, each counted in every group that holds it. */
const MAX_MEMBERS = 1_000_000

type GroupDraft = Named<readonly Placed<string>[]>

/** Resolves groups to devices, each once, in order of first mention. Unknown names and loops are reported and left out. */
export function resolveGroups(
  drafts: readonly GroupDraft[],
  devices: ReadonlySet<Name>,
  reading: Reading,
): readonly Group[] {
  const byName = new Map(drafts.map((draft) => [draft.name, draft]))
  const done = new Map<Name, readonly Name[]>()
  const open: Name[] = []
  let total = 0
  const known = (): string[] => [...byName.keys(), ...devices]

  function membersOf(draft: GroupDraft): readonly Name[] {
    const before = done.get(draft.name)
    if (before !== undefined) return before
    open.push(draft.name)
    const members = new Set<Name>()
    for (const mention of draft.value ?? []) {
      for (const device of devicesOf(mention)) members.add(device)
      if (total + members.size > MAX_MEMBERS) break
    }
    open.pop()
    total += members.size
    const result = [...members]
    done.set(draft.name, result)
    return result
  }

  function devicesOf(mention: Placed<string>): readonly Name[] {
    const name = mention.value
    if (devices.has(name)) return [name]
    const group = byName.get(name)
    if (group === undefined) {
      const meant = reading.suggest(name, known())
      const fix = meant === undefined ? 'add it under devices:, or remove it here' : `did you mean ${meant}?`
      reading.error('unknown-device', mention.place, `there is no device or group "${name}"`, fix)
      return []
    }
    if (open.includes(name)) {
      const circle = [...open.slice(open.indexOf(name)), name].join(' → ')
      reading.error(
        'group-loop',
        mention.place,
        `this group contains itself: ${circle}`,
        'remove one of these mentions',
      )
      return []
    }
    if (open.length >= MAX_DEPTH) {
      reading.error(
        'nested-too-deep',
        mention.place,
        `groups are nested deeper than ${MAX_DEPTH} levels`,
        'name the devices themselves',
      )
      return []
    }
    return membersOf(group)
  }

  const groups = drafts.map((draft) => ({ name: draft.name, members: membersOf(draft), place: draft.place }))
  const last = drafts.at(-1)
  if (total > MAX_MEMBERS && last !== undefined) {
    const message = `all groups together hold more than ${MAX_MEMBERS} devices`
    reading.error('group-too-large', last.place, message, 'name fewer groups inside groups')
  }
  return groups
}

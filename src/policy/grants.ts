import type { Audiences } from './audience.ts'
import { audienceBook } from './audience.ts'
import type { AudienceBook } from './audience.ts'
import { checkJudged } from './host-settings.ts'
import type { GrantDraft } from './language.ts'
import type { Audience, Grant, HostSettings, Name, Placed, Target } from './policy.ts'
import type { Reading } from './reading.ts'
import type { ServiceBook } from './services.ts'

export function resolveGrants(
  drafts: readonly GrantDraft[],
  host: HostSettings,
  audiences: Audiences,
  services: ServiceBook,
  reading: Reading,
): readonly Grant[] {
  const book = audienceBook(audiences, reading)
  return drafts.flatMap((draft) => {
    const from = draft.from === undefined ? undefined : resolveAudience(draft.from, book, draft, reading)
    const to = resolveTargets(draft.to, services)
    const on = draft.on === undefined ? undefined : checkJudged(draft.on, host, reading)
    const through = draft.through
    if (through !== undefined && host.forward !== 'guard') {
      const place = through[0]?.place ?? draft.place
      const message = `through: is about forwarded packets, and forward: ${host.forward} leaves admit none to judge`
      reading.error(
        'through-without-guard',
        place,
        message,
        'write forward: guard under host:, or remove through:',
      )
    }
    if (from === undefined || to.length === 0) return []
    return [{ from, to, ...(on && { on }), ...(through && { through }), place: draft.place }]
  })
}

export function resolveTargets(
  words: readonly Placed<string>[] | undefined,
  services: ServiceBook,
): readonly Target[] {
  return (words ?? []).flatMap((word) => {
    const target = services.target(word)
    return target === undefined ? [] : [target]
  })
}

function resolveAudience(
  from: readonly Placed<string>[],
  book: AudienceBook,
  draft: GrantDraft,
  reading: Reading,
): Audience | undefined {
  const stranger = from.find((mention) => mention.value === 'stranger')
  if (stranger !== undefined) {
    const message = 'a grant to strangers alone would shut listed devices out of what strangers may do'
    reading.error('from-stranger', stranger.place, message, 'write from: anyone')
    return undefined
  }
  const anyone = from.find((mention) => mention.value === 'anyone')
  if (anyone !== undefined) {
    if (from.length > 1) {
      reading.error(
        'anyone-and-others',
        anyone.place,
        'anyone includes everybody else in this list',
        'write from: anyone, or remove it from the list',
      )
    }
    return { kind: 'anyone' }
  }
  const before = reading.errors
  const written = [...new Set(from.map((mention) => mention.value))]
  const resolved = from.flatMap((mention) => {
    const members = book.devicesOf(mention)
    return members === undefined ? [] : [members]
  })
  const devices = union(resolved)
  if (reading.errors === before) checkSomebody(devices, book, draft, reading)
  return { kind: 'devices', written, devices }
}

/** Each name once, in order. A single list is shared, not copied: a group may hold 100,000 devices. */
function union(lists: readonly (readonly Name[])[]): readonly Name[] {
  const [only] = lists
  if (lists.length === 1 && only !== undefined) return only
  const all = new Set<Name>()
  for (const list of lists) for (const name of list) all.add(name)
  return [...all]
}

function checkSomebody(
  devices: readonly Name[],
  book: AudienceBook,
  draft: GrantDraft,
  reading: Reading,
): void {
  const place = draft.from?.[0]?.place ?? draft.place
  if (devices.length === 0) {
    reading.error(
      'grant-matches-nobody',
      place,
      'this grant is for nobody: there is no device in it',
      'add a device to the group, or remove the grant',
    )
  } else if (book.living(devices).length === 0) {
    const who = devices.length === 1 ? 'its only device' : `all of its ${devices.length} devices`
    reading.warning(
      'grant-expired',
      place,
      `this grant is for nobody now: the time of ${who} is over`,
      'set a later until:, or remove the grant',
    )
  }
}

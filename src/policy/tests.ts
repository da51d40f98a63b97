import type { AudienceBook, Audiences } from './audience.ts'
import { audienceBook } from './audience.ts'
import { resolveTargets } from './grants.ts'
import { checkJudged } from './host-settings.ts'
import type { TestDraft } from './language.ts'
import type { HostSettings, Placed, PolicyTest } from './policy.ts'
import type { Reading } from './reading.ts'
import type { ServiceBook } from './services.ts'

/** The tests that are to be run. Those about devices whose time is over, or about an empty group, are left out with a warning. */
export function resolveTests(
  drafts: readonly TestDraft[],
  host: HostSettings,
  audiences: Audiences,
  services: ServiceBook,
  reading: Reading,
): readonly PolicyTest[] {
  const book = audienceBook(audiences, reading)
  return drafts.flatMap((draft) => {
    if (draft.accept === undefined && draft.refuse === undefined && !draft.broken) {
      reading.error(
        'test-says-nothing',
        draft.place,
        'this test expects nothing',
        'add accept: or refuse: with the services',
      )
    }
    const from = draft.from === undefined ? undefined : resolveSubject(draft.from, book, reading)
    const accept = resolveTargets(draft.accept, services)
    const refuse = resolveTargets(draft.refuse, services)
    const on = draft.on === undefined ? undefined : checkJudged(draft.on, host, reading)
    if (from === undefined) return []
    return [{ from, accept, refuse, ...(on && { on }), place: draft.place }]
  })
}

function resolveSubject(
  from: Placed<string>,
  book: AudienceBook,
  reading: Reading,
): PolicyTest['from'] | undefined {
  const name = from.value
  if (name === 'anyone' || name === 'stranger') return { kind: name }
  const all = book.devicesOf(from)
  if (all === undefined) return undefined
  const devices = book.living(all)
  if (devices.length === 0) {
    const why = all.length === 0 ? `"${name}" holds no device` : `the time of "${name}" is over`
    reading.warning(
      'test-not-run',
      from.place,
      `this test is not run: ${why}`,
      'remove the test, or set a later until:',
    )
    return undefined
  }
  return book.isGroup(name) ? { kind: 'group', group: name, devices } : { kind: 'device', device: name }
}

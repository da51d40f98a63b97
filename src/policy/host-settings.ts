import { nowhere } from '../base/place.ts'
import type { HostDraft } from './language.ts'
import type { HostSettings, Placed } from './policy.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import type { Reading } from './reading.ts'

/** What holds where `host:` says nothing. */
export const DEFAULT_HOST: HostSettings = {
  unguarded: [],
  forward: 'drop',
  refuse: 'drop',
  log: { count: 3, per: 'minute' },
  place: nowhere('host'),
}

export function resolveHost(draft: HostDraft | undefined, reading: Reading): HostSettings {
  if (draft === undefined) return DEFAULT_HOST
  if (draft.backend?.value === 'iptables') {
    reading.error(
      'backend-not-built',
      draft.backend.place,
      'this admit writes nft rules only',
      'write backend: nft, or remove the key',
    )
  }
  const unguarded = withoutRepeats(draft.unguarded ?? []).filter((entry) => {
    if (entry.value !== 'lo') return true
    reading.warning('interface-is-lo', entry.place, 'packets on lo are never judged', 'remove lo here')
    return false
  })
  return {
    unguarded,
    forward: draft.forward?.value ?? DEFAULT_HOST.forward,
    refuse: draft.refuse?.value ?? DEFAULT_HOST.refuse,
    log: draft.log?.value ?? DEFAULT_HOST.log,
    ...(draft.backend !== undefined && { backend: draft.backend.value }),
    place: draft.place,
  }
}

/** Reports interfaces in an `on:` whose packets are never judged; gives those that are. */
export function checkJudged(
  on: readonly Placed<InterfaceName>[],
  host: HostSettings,
  reading: Reading,
): readonly Placed<InterfaceName>[] {
  return withoutRepeats(on).filter((entry) => {
    if (entry.value === 'lo') {
      reading.error(
        'interface-is-lo',
        entry.place,
        'packets on lo are never judged',
        'name the interface that packets arrive on',
      )
      return false
    }
    const unguarded = host.unguarded.find((other) => other.value === entry.value)
    if (unguarded === undefined) return true
    const message = `${entry.value} is unguarded (line ${unguarded.place.line}): nothing that arrives there is judged`
    reading.error('on-unguarded', entry.place, message, 'remove it here, or from unguarded:')
    return false
  })
}

function withoutRepeats(entries: readonly Placed<InterfaceName>[]): readonly Placed<InterfaceName>[] {
  const seen = new Set<InterfaceName>()
  return entries.filter(({ value }) => !seen.has(value) && seen.add(value))
}

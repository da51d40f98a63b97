import type { Place } from '../base/place.ts'
import { mayCountAsAdmin } from './admins.ts'
import type { SafetyDraft } from './language.ts'
import type { Device, Safety } from './policy.ts'
import type { Reading } from './reading.ts'

/** What holds where `safety:` says nothing. */
export const DEFAULT_SAFETY: Safety = { admins: 2, confirm: 60 }

/** `whole`: all devices were readable, so that their admins can be counted. */
export function resolveSafety(
  draft: SafetyDraft | undefined,
  devices: readonly Device[],
  whole: boolean,
  reading: Reading,
  file: Place,
): Safety {
  const admins = draft?.admins?.value ?? DEFAULT_SAFETY.admins
  const place =
    draft?.admins?.place ?? draft?.place ?? reading.place('safety', { start: file.start, end: file.start })
  if (draft?.admins !== undefined && admins < 2) {
    const message =
      admins === 0
        ? 'with admins: 0 nothing keeps you from locking yourself out'
        : 'with one admin, one broken network card locks you out'
    reading.warning(
      'few-admins',
      draft.admins.place,
      message,
      'list a second device with admin: true, and write 2 or remove the key',
    )
  }
  const able = devices.filter(mayCountAsAdmin).length
  if (whole && able < admins)
    reading.error('too-few-admins', place, tooFew(able, admins), fewAdminsFix(admins))
  return { admins, confirm: draft?.confirm?.value ?? DEFAULT_SAFETY.confirm }
}

function tooFew(able: number, admins: number): string {
  const have =
    able === 0 ? 'no device counts' : able === 1 ? 'only one device counts' : `only ${able} devices count`
  return `${have} as an admin, and safety.admins asks for ${admins}`
}

function fewAdminsFix(admins: number): string {
  const fewer = admins > 1 ? `, or write safety: { admins: ${admins - 1} }` : ''
  return `add admin: true to a device without until:${fewer}`
}

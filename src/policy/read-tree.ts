import type { Diagnostic } from './diagnostic.ts'
import { resolveDevices } from './devices.ts'
import { resolveGrants } from './grants.ts'
import { resolveGroups } from './groups.ts'
import { resolveHost } from './host-settings.ts'
import type { PolicyDraft } from './language.ts'
import { POLICY_SHAPE } from './language.ts'
import type { Policy } from './policy.ts'
import type { Reading } from './reading.ts'
import { beginReading } from './reading.ts'
import { resolveSafety } from './safety.ts'
import { serviceBook } from './services.ts'
import type { SystemServices } from './system-services.ts'
import { resolveTests } from './tests.ts'
import { linesOf } from './yaml/lines.ts'
import type { ParsedYaml } from './yaml/tree.ts'

export interface ReadOptions {
  /** The system's list of services; undefined where this host has none. */
  readonly systemServices: SystemServices | undefined
  /** Seconds since 1970: what `until` is compared with. */
  readonly now: number
}

export interface ReadResult {
  /** Undefined when there is an error among the diagnostics. */
  readonly policy: Policy | undefined
  /** Every problem of the text, in the order of the file. */
  readonly diagnostics: readonly Diagnostic[]
}

/** Makes a policy of a text's tree: all of its problems at once, and the policy where none of them is an error. */
export function readTree(text: string, parsed: ParsedYaml, options: ReadOptions): ReadResult {
  const reading = beginReading(linesOf(text))
  const { root, problems } = parsed
  for (const problem of problems) {
    reading.error(problem.code, reading.place('', problem), problem.message, problem.fix)
  }
  let policy: Policy | undefined
  if (root !== undefined) {
    const draft = POLICY_SHAPE.read(root, '', reading)
    if (draft !== undefined) policy = resolve(draft, options, reading)
  } else if (problems.length === 0) {
    reading.error(
      'empty-policy',
      reading.place('', { start: 0, end: 0 }),
      'the file holds no policy',
      'begin it with `admit: 1`, or let `admit init` write it',
    )
  }
  return { policy: reading.errors > 0 ? undefined : policy, diagnostics: reading.diagnostics() }
}

function resolve(draft: PolicyDraft, options: ReadOptions, reading: Reading): Policy {
  const whole = reading.errors === 0
  const deviceDrafts = draft.devices ?? []
  const groupDrafts = draft.groups ?? []
  const devices = resolveDevices(deviceDrafts, options.now, reading)
  const deviceNames = new Set(deviceDrafts.map((device) => device.name))
  for (const group of groupDrafts) {
    if (deviceNames.has(group.name)) {
      reading.error(
        'name-twice',
        group.place,
        `"${group.name}" is the name of a device already`,
        'give the group another name',
      )
    }
  }
  const groups = resolveGroups(groupDrafts, deviceNames, reading)
  const host = resolveHost(draft.host, reading)
  const services = serviceBook(draft.services ?? [], options.systemServices, reading)
  const audiences = { devices, deviceNames, groups, now: options.now }
  const grants = resolveGrants(draft.grants ?? [], host, audiences, services, reading)
  const safety = resolveSafety(draft.safety, devices, whole, reading, draft.place)
  const tests = resolveTests(draft.tests ?? [], host, audiences, services, reading)
  return { host, devices, groups, services: services.own, grants, safety, tests }
}

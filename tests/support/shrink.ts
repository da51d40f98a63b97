import type { Policy } from '../../src/policy/policy.ts'
import type { LawOptions, LawRun } from './law.ts'
import { holdToLaw } from './law.ts'
import type { TestPacket } from './test-packet.ts'

/** Leaves out grants, devices and packets for as long as something still differs. */
export async function shrink(
  policy: Policy,
  tests: readonly TestPacket[],
  options: LawOptions,
): Promise<{ readonly policy: Policy; readonly run: LawRun }> {
  let small = policy
  let run = await holdToLaw(small, tests, options)
  const guilty = new Set(run.differences.map((difference) => difference.test.id))
  const few = guilty.size === 0 ? tests : tests.filter((candidate) => guilty.has(candidate.id))
  for (let smaller = true; smaller; ) {
    smaller = false
    for (const candidate of smallerPolicies(small)) {
      const attempt = await holdToLaw(candidate, few, options)
      if (attempt.differences.length === 0) continue
      small = candidate
      run = attempt
      smaller = true
      break
    }
  }
  return { policy: small, run }
}

function smallerPolicies(policy: Policy): readonly Policy[] {
  const withoutGrant = policy.grants.map(
    (_, index): Policy => ({
      ...policy,
      grants: policy.grants.toSpliced(index, 1),
    }),
  )
  const named = new Set(
    policy.grants.flatMap((grant) => (grant.from.kind === 'anyone' ? [] : grant.from.devices)),
  )
  const unused = policy.devices.filter((device) => !named.has(device.name))
  const withoutDevices: readonly Policy[] =
    unused.length === 0
      ? []
      : [{ ...policy, devices: policy.devices.filter((device) => named.has(device.name)) }]
  const withoutGuard: readonly Policy[] =
    policy.host.unguarded.length === 0 ? [] : [{ ...policy, host: { ...policy.host, unguarded: [] } }]
  return [...withoutGrant, ...withoutDevices, ...withoutGuard]
}

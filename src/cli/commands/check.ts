import { runPolicyTests } from '../../apply/policy-tests.ts'
import { printable } from '../../base/terminal.ts'
import { compile } from '../../compile/compile.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { diagnosticsJson, loadPolicy } from '../load-policy.ts'
import { testsFailed } from '../prepare.ts'

export interface CheckOptions {
  /** Hold the policy against this host; false for a policy that is meant for another. */
  readonly host: boolean
}

/** `admit check`: is the policy correct, does it fit this host, does it pass its own tests? */
export async function check(context: Context, options: CheckOptions): Promise<ExitCode> {
  const loaded = await loadPolicy(context, 'check', options)
  if (loaded.kind === 'failed') return loaded.exit
  const { policy, facts } = loaded
  const now = context.system.now()
  const table = compile(policy, facts, { now: Math.floor(now) })
  const tests = runPolicyTests(policy, facts, table, now)
  if (tests.failures.length > 0) return testsFailed(context, 'check', tests.failures)
  context.output.say(`${printable(context.policyPath)}: correct. ${summary(policy)}`)
  if (policy.tests.length > 0) context.output.say(`Its tests pass (${tests.packets} packets tried).`)
  context.output.document('check', {
    result: 'correct',
    devices: policy.devices.length,
    grants: policy.grants.length,
    tests: policy.tests.length,
    packets: tests.packets,
    diagnostics: diagnosticsJson(context, loaded.warnings, loaded.text),
  })
  return EXIT.done
}

function summary(policy: Policy): string {
  const admins = policy.devices.filter((device) => device.admin && device.until === undefined).length
  const parts = [
    `${counted(policy.devices.length, 'device')} (${counted(admins, 'admin')})`,
    counted(policy.groups.length, 'group'),
    counted(policy.grants.length, 'grant'),
  ]
  return `${parts.join(', ')}.`
}

export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

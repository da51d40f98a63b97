import assert from 'node:assert/strict'
import { ADMIT_TABLE, compile } from '../../src/compile/compile.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../../src/host/host-facts.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { readPolicy } from '../../src/policy/read.ts'
import { keepFirstApplied } from '../../src/ruleset/first-applied.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { stagesOf } from '../../src/ruleset/stages.ts'
import { expectOk } from './expect-ok.ts'

/** Reads a policy that a test wrote; one with errors fails the test. */
export function policyOf(text: string, now: number): Policy {
  const { policy, diagnostics } = readPolicy(text, { systemServices: new Map(), now })
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  assert.ok(policy !== undefined && errors.length === 0, JSON.stringify(diagnostics))
  return policy
}

/** What `admit apply` does to the kernel, without its cautions: compile, compare with what is there, change in stages. */
export async function applyPolicy(
  kernel: Kernel,
  policy: Policy,
  facts: HostFacts = UNKNOWN_HOST,
): Promise<void> {
  const observed = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
  const now = Math.floor(Date.now() / 1000)
  const wanted = keepFirstApplied(compile(policy, facts, { now }), observed)
  await applyStages(kernel, observed, wanted)
}

/** From the one to the other as an apply does it. */
export async function applyStages(kernel: Kernel, from: Table | undefined, to: Table): Promise<void> {
  const { prepare, change, tidy } = stagesOf(from, to)
  for (const transaction of [prepare, change, ...tidy]) expectOk(await kernel.apply(transaction), 'apply')
}

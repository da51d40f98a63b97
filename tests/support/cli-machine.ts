import assert from 'node:assert/strict'
import { fail } from '../../src/base/result.ts'
import { EXIT } from '../../src/cli/exit-code.ts'
import { ADMIT_TABLE } from '../../src/compile/compile.ts'
import { FakeKernel } from '../../src/kernel/fake-kernel.ts'
import type { Kernel, KernelError } from '../../src/kernel/kernel.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { expectOk } from './expect-ok.ts'
import type { FakeMachine, Ran } from './fake-system.ts'
import { fakeMachine, runAdmit } from './fake-system.ts'

export const POLICY_PATH = '/etc/admit/policy.yaml'
export const RULES_PATH = '/var/lib/admit/rules.nft'

export const POLICY = `admit: 1
devices:
  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  spare:  { mac: 00:16:3e:00:00:02, admin: true, unseen: true }
  office: { address: 203.0.113.7 }
  guest:  { mac: 00:16:3e:00:00:03, until: 2027-02-01T00:00:00Z }
grants:
  - { from: [laptop, spare], to: everything }
  - { from: [office, guest], to: [ssh, ping] }
tests:
  - { from: laptop, accept: [ssh, ping] }
  - { from: stranger, refuse: [ssh, ping] }
`

/** The same with one address more. */
export const OTHER_POLICY = POLICY.replace('203.0.113.7', '[203.0.113.7, 203.0.113.8]')

export function machineWith(policy: string, changes: Partial<FakeMachine> = {}): FakeMachine {
  const machine = fakeMachine(changes)
  machine.files.set(POLICY_PATH, policy)
  return machine
}

/** Changes and confirms: the command line must end well. */
export async function confirmed(machine: FakeMachine, ...args: readonly string[]): Promise<void> {
  const ran = await runAdmit(machine, args)
  assert.equal(ran.exit, EXIT.done, `${args.join(' ')}\n${ran.err}`)
  if (!/^Nothing to change/m.test(ran.out)) await confirm(machine)
}

export async function confirm(machine: FakeMachine): Promise<void> {
  const ran = await runAdmit(machine, ['confirm', '--here'])
  assert.equal(ran.exit, EXIT.done, ran.err)
}

/** A machine on which the policy was applied and confirmed. */
export async function applied(policy = POLICY): Promise<FakeMachine> {
  const machine = machineWith(policy)
  await confirmed(machine, 'apply')
  return machine
}

/** One on which another policy is pending since then. */
export async function pending(...args: readonly string[]): Promise<FakeMachine> {
  const machine = await applied()
  machine.files.set(POLICY_PATH, OTHER_POLICY)
  assert.equal((await runAdmit(machine, ['apply', ...args])).exit, EXIT.done)
  return machine
}

/** Time goes by, and the watchdog looks at the clock. */
export async function pass(machine: FakeMachine, seconds: number): Promise<void> {
  machine.now += seconds
  for (const journal of machine.journals.values()) await journal.tick()
}

export async function tableIn(machine: FakeMachine): Promise<Table | undefined> {
  return expectOk(await machine.kernel.observe(ADMIT_TABLE), 'observe')
}

/** Somebody else changes admit's table. */
export async function meddle(machine: FakeMachine): Promise<void> {
  const flush = { kind: 'flush-chain', chain: 'input' } as const
  expectOk(await machine.kernel.apply({ table: ADMIT_TABLE, operations: [flush] }), 'apply')
}

/** The one document on standard output. */
export function documentOf(ran: Ran): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(ran.out)
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}

export const NOT_PERMITTED: KernelError = {
  kind: 'not-permitted',
  message: 'changing netfilter rules takes root',
}

/** A kernel that answers as another one does, but where a method is given. */
export function kernelLike(kernel: Kernel, changes: Partial<Kernel>): Kernel {
  return {
    capabilities: () => kernel.capabilities(),
    tables: () => kernel.tables(),
    observeAll: () => kernel.observeAll(),
    check: (transaction) => kernel.check(transaction),
    observe: (table) => kernel.observe(table),
    apply: (transaction) => kernel.apply(transaction),
    ...changes,
  }
}

/** A kernel that refuses to be changed, or that answers nothing at all. */
export function refusing(error: KernelError, which: 'apply' | 'all', tables: readonly Table[] = []): Kernel {
  const no = (): Promise<ReturnType<typeof fail<KernelError>>> => Promise.resolve(fail(error))
  return kernelLike(
    new FakeKernel(tables),
    which === 'all' ? { tables: no, observe: no, observeAll: no, apply: no } : { apply: no },
  )
}

/** A kernel that takes every change and holds what it held. */
export function forgetful(tables: readonly Table[] = []): Kernel {
  const fake = new FakeKernel(tables)
  return kernelLike(fake, { apply: (transaction) => fake.check(transaction) })
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fail, ok } from '../base/result.ts'
import { ADMIT_TABLE } from '../compile/compile.ts'
import { FakeKernel } from '../kernel/fake-kernel.ts'
import type { Kernel, KernelError } from '../kernel/kernel.ts'
import type { Table } from '../ruleset/ruleset.ts'
import { oneOf, verdict } from '../ruleset/build.ts'
import { removeTable } from './apply.ts'

const BASE = { type: 'filter', hook: 'input', priority: 0, policy: 'drop' } as const
const table = (...names: readonly string[]): Table => ({
  ...ADMIT_TABLE,
  sets: [],
  chains: [
    {
      name: 'input',
      base: BASE,
      rules: [
        { statements: [oneOf('iifname', names), verdict('accept')] },
        { statements: [verdict('drop')] },
      ],
    },
  ],
})
const OLD = table('eth0')
const LATE: KernelError = { kind: 'timed-out', message: 'no answer in time' }
const NO: KernelError = { kind: 'rejected', message: 'no' }

/** A kernel whose apply ends as told, after `really` has happened. */
function kernelThat(
  fake: FakeKernel,
  apply: Kernel['apply'],
  observe: Kernel['observe'] = (ref) => fake.observe(ref),
  tables: Kernel['tables'] = () => fake.tables(),
): Kernel {
  return {
    capabilities: () => fake.capabilities(),
    tables,
    observeAll: () => fake.observeAll(),
    check: (transaction) => fake.check(transaction),
    apply,
    observe,
  }
}

describe('removing the table', () => {
  const OTHER: Table = { family: 'inet', name: 'other', sets: [], chains: [] }

  test('removes admit’s own and nobody else’s; absent is well too', async () => {
    const kernel = new FakeKernel([OLD, OTHER])
    assert.equal((await removeTable(kernel)).kind, 'removed')
    assert.deepEqual(await kernel.tables(), ok([{ family: 'inet', name: 'other' }]))
    assert.equal((await removeTable(kernel)).kind, 'absent')
  })

  test('refused, still there, and a time-out', async () => {
    const fake = new FakeKernel([OLD])
    const ends = async (apply: Kernel['apply']): Promise<string> =>
      (await removeTable(kernelThat(fake, apply))).kind
    assert.equal(await ends(() => Promise.resolve(fail(NO))), 'refused')
    assert.equal(await ends(() => Promise.resolve(ok(undefined))), 'still-there')
    assert.equal(await ends(() => Promise.resolve(fail(LATE))), 'refused')
    for (const error of [LATE, NO]) {
      const done = new FakeKernel([OLD])
      const apply: Kernel['apply'] = async (transaction) => {
        await done.apply(transaction)
        return fail(error)
      }
      assert.equal((await removeTable(kernelThat(done, apply))).kind, 'removed')
    }
  })

  test('a kernel that cannot be read is not changed', async () => {
    const kernel = kernelThat(
      new FakeKernel(),
      () => assert.fail('changed'),
      undefined,
      () => Promise.resolve(fail(NO)),
    )
    assert.deepEqual(await removeTable(kernel), { kind: 'refused', error: NO })
  })
})

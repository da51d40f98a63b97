/**
 * Would the law find a wrong compiler? Mistakes are planted in what it compiles, one at a time, and each must show:
 * in the model, by evaluation, and in the kernel, by packets.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { compile } from '../../src/compile/compile.ts'
import { judge } from '../../src/policy/meaning.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import type { HostUnderTest } from '../support/host-under-test.ts'
import { buildHost } from '../support/host-under-test.ts'
import { accepts, holdToLaw } from '../support/law.ts'
import type { LawCase } from '../support/law-cases.ts'
import { drawnSeed, lawCase, planFor } from '../support/law-cases.ts'
import { PLANTED_BUGS } from '../support/planted-bugs.ts'

/** No more than CI's run of the law takes. */
const BUDGET = 200
const seed = drawnSeed()

describe('planted compiler bugs', () => {
  let host: HostUnderTest
  const now = Math.floor(Date.now() / 1000)
  const cases: LawCase[] = []
  const caseAt = (index: number): LawCase => {
    while (cases.length <= index) cases.push(lawCase(seed, cases.length, host.plan, now))
    return cases[index] ?? assert.fail('no case')
  }

  before(() => {
    host = buildHost(planFor(0))
  })
  after(() => {
    host.close()
  })

  for (const bug of PLANTED_BUGS) {
    test(bug.name, async (context) => {
      const found = firstFound(bug.plant)
      assert.ok(found !== undefined, `not found in ${BUDGET} policies of ADMIT_SEED=${seed}`)
      if (found > 0) context.diagnostic(`found by policy ${found} of ADMIT_SEED=${seed}`)
      const { policy, tests } = caseAt(found)
      const run = await holdToLaw(policy, tests, { host, kernel: new NftKernel(), now, change: bug.plant })
      assert.deepEqual(run.misbeliefs, [])
      assert.ok(
        run.differences.some(({ answers }) => answers.kernel !== answers.meaning),
        'the kernel did not show it',
      )
      for (const { answers } of run.differences) {
        const { meaning: _, ...others } = answers
        assert.equal(
          new Set(Object.values(others)).size,
          1,
          `the wrong rules were read wrongly: ${JSON.stringify(answers)}`,
        )
      }
    })
  }

  function firstFound(plant: (typeof PLANTED_BUGS)[number]['plant']): number | undefined {
    for (let index = 0; index < BUDGET; index++) {
      const { policy, tests } = caseAt(index)
      const table = plant(compile(policy, host.plan.facts, { now }))
      const differs = tests.some(
        (candidate) =>
          accepts({ tables: [table] }, candidate) !==
          (judge(policy, host.plan.facts, candidate.packet).verdict === 'admitted'),
      )
      if (differs) return index
    }
    return undefined
  }
})

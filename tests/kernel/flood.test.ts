/**
 * Changing any policy into any other while a stranger sends as fast as it can: nothing of the stranger's gets through,
 * neither before, nor after, nor in between. ADMIT_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ADMIT_TABLE, compile } from '../../src/compile/compile.ts'
import { judge } from '../../src/policy/meaning.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { sameTable } from '../../src/ruleset/normalise.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, applyStages } from '../support/apply-policy.ts'
import { expectOk } from '../support/expect-ok.ts'
import { underFlood } from '../support/flood.ts'
import type { HostUnderTest } from '../support/host-under-test.ts'
import { buildHost } from '../support/host-under-test.ts'
import { caseCount, drawnSeed, lawCase, planFor } from '../support/law-cases.ts'
import { run } from '../support/run.ts'
import type { TestPacket } from '../support/test-packet.ts'

const PAIRS = caseCount(3, 10, 20)
const APPLIES = caseCount(20, 100, 300)
/** Milliseconds for one pair; a slow machine applies less often, and says so. */
const PAIR_TIME = caseCount(6_000, 60_000, 120_000)
const FRAMES = 60
const seed = drawnSeed()

describe('changes under a flood', () => {
  const kernel = new NftKernel()
  const now = Math.floor(Date.now() / 1000)
  let host: HostUnderTest

  before(() => {
    host = buildHost(planFor(0))
  })
  after(() => {
    host.close()
  })

  test('a flood that a policy admits is counted, and so is one that meets a gap', async () => {
    const { policy, tests } = lawCase(seed, 0, host.plan, now)
    const open: Policy = {
      ...policy,
      grants: [{ from: { kind: 'anyone' }, to: [{ kind: 'everything' }], place: policy.host.place }],
    }
    await applyPolicy(kernel, open, host.plan.facts)
    const flood = tests.filter((one) => isPlain(one) && one.packet.hook === 'input' && isAdmitted(open, one))
    const admitted = await underFlood(flood.slice(0, FRAMES), async () => {})
    assert.ok(admitted.arrived > 0 && admitted.through > 0, JSON.stringify(admitted))
    const closed: Policy = { ...policy, grants: [] }
    await applyPolicy(kernel, closed, host.plan.facts)
    const refused = flood.filter((one) => !isAdmitted(closed, one))
    const gap = await underFlood(refused.slice(0, FRAMES), async () => {
      run('nft', ['delete', 'table', 'inet', 'admit'])
      await applyPolicy(kernel, closed, host.plan.facts)
    })
    assert.ok(gap.arrived > gap.through && gap.through > 0, JSON.stringify(gap))
  })

  for (let pair = 0; pair < PAIRS; pair++) {
    test(`pair ${pair}`, async (context) => {
      const { policies, flood } = refusedByBoth(pair)
      await applyPolicy(kernel, policies[0], host.plan.facts)
      const tables = policies.map((policy) => compile(policy, host.plan.facts, { now })) as [Table, Table]
      let present = tables[0]
      let applies = 0
      const deadline = Date.now() + PAIR_TIME
      const { arrived, through } = await underFlood(flood, async () => {
        while (applies < APPLIES && Date.now() < deadline) {
          const wanted = tables[++applies % 2 === 0 ? 0 : 1]
          await applyStages(kernel, present, wanted)
          present = wanted
        }
      })
      const observed = expectOk(await kernel.observe(ADMIT_TABLE), 'observe')
      assert.ok(observed !== undefined && sameTable(observed, present), 'the kernel holds another table')
      const hooks = new Set(flood.map(({ packet }) => packet.hook))
      context.diagnostic(
        `ADMIT_SEED=${seed}: ${applies} applies, ${through} of ${arrived} packets (${[...hooks].join(', ')})`,
      )
      assert.equal(through, 0)
      assert.ok(applies >= 2, `only ${applies} applies in ${PAIR_TIME} ms`)
      assert.ok(arrived > 1000, `only ${arrived} packets arrived`)
    })
  }

  /** Two policies, and packets that neither admits; where they refuse too little, other policies are drawn. */
  function refusedByBoth(pair: number): {
    policies: readonly [Policy, Policy]
    flood: readonly TestPacket[]
  } {
    for (let attempt = 0; attempt < 50; attempt++) {
      const index = (pair + 1) * 1000 + attempt * 2
      const [one, two] = [lawCase(seed, index, host.plan, now), lawCase(seed, index + 1, host.plan, now)]
      const flood = [...one.tests, ...two.tests].filter(
        (candidate) =>
          isPlain(candidate) && !isAdmitted(one.policy, candidate) && !isAdmitted(two.policy, candidate),
      )
      if (flood.length >= FRAMES) return { policies: [one.policy, two.policy], flood: flood.slice(-FRAMES) }
    }
    return assert.fail('no two policies refuse enough')
  }

  function isAdmitted(policy: Policy, { packet }: TestPacket): boolean {
    return judge(policy, host.plan.facts, packet).verdict === 'admitted'
  }
})

/**
 * Frames that need nothing before them, to one machine: a broadcast that arrives at a bridge port also goes on to the
 * other ports, and that copy passes the forward hook as a bridged frame.
 */
function isPlain({ origin, prepare, dialled, translation, wire }: TestPacket): boolean {
  return (
    origin.kind === 'frame' &&
    !isGroup(origin.to) &&
    prepare.length === 0 &&
    dialled === undefined &&
    translation === undefined &&
    wire.dscp === 1
  )
}

function isGroup(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1
}

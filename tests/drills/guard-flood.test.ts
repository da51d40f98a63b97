/** While the guard goes back and loads at boot, nothing of a flood gets through that the old rules and the new refuse. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { renderTable } from '../../src/backends/nftables/render.ts'
import { compile } from '../../src/compile/compile.ts'
import { judge } from '../../src/policy/meaning.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { underFlood } from '../support/flood.ts'
import { guardHost, load } from '../support/guard-host.ts'
import { digest, guard, NO_TABLE, storedText, writeTransaction } from '../support/guard-state.ts'
import type { HostUnderTest } from '../support/host-under-test.ts'
import { buildHost } from '../support/host-under-test.ts'
import { drawnSeed, lawCase, planFor } from '../support/law-cases.ts'

const seed = drawnSeed()
/** Milliseconds. */
const FLOOD_TIME = 6_000

const own = guardHost()
let host: HostUnderTest

before(() => {
  host = buildHost(planFor(0))
})
after(() => {
  host.close()
})

test('undo, its last resort and boot under a flood', async (context) => {
  const now = Math.floor(Date.now() / 1000)
  const { policy, tests } = lawCase(seed, 0, host.plan, now)
  const closed: Policy = { ...policy, grants: [] }
  const quiet: Policy = { ...closed, host: { ...closed.host, log: 'off', refuse: 'drop' } }
  const [old, fresh] = [closed, quiet].map((one) => renderTable(compile(one, host.plan.facts, { now })))
  assert.ok(old !== undefined && fresh !== undefined)
  const flood = tests
    .filter(({ origin, prepare, dialled, translation, wire }) => {
      const isFrame = origin.kind === 'frame' && (Number.parseInt(origin.to.slice(0, 2), 16) & 1) === 0
      return (
        isFrame &&
        prepare.length === 0 &&
        dialled === undefined &&
        translation === undefined &&
        wire.dscp === 1
      )
    })
    .filter(({ packet }) =>
      [closed, quiet].every((one) => judge(one, host.plan.facts, packet).verdict === 'refused'),
    )
    .slice(0, 60)
  load(`${NO_TABLE}${old}`)
  const listing = digest()
  writeFileSync(`${own.state}/rules.nft`, storedText(old))
  let rounds = 0
  const { arrived, through } = await underFlood(flood, async () => {
    const deadline = Date.now() + FLOOD_TIME
    while (Date.now() < deadline) {
      for (const previous of [`${NO_TABLE}${old}`, 'nonsense\n']) {
        load(`${NO_TABLE}${fresh}`)
        writeTransaction(own.state, 'pending', { previous, candidate: fresh, rescue: old, listing })
        assert.equal(
          guard(['undo', own.state, 'asked']).stdout,
          previous === 'nonsense\n' ? 'rescued\n' : 'undone\n',
        )
        assert.equal(guard(['boot', own.state]).code, 0)
      }
      rounds++
    }
  })
  context.diagnostic(`ADMIT_SEED=${seed}: ${rounds} rounds, ${through} of ${arrived} packets`)
  assert.ok(rounds > 0 && arrived > 1000, `${rounds} rounds, ${arrived} packets`)
  assert.equal(through, 0)
})

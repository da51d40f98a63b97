/** Any sequence of changes, confirmations, deadlines, kills and reboots on the real kernel, against a model of ten lines. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bindBootId, realHost } from '../support/model-host.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { randomFrom, seedFor } from '../support/random.ts'
import { drawHappenings, runAgainstModel } from '../support/transaction-model.ts'

requirePrivateNamespace()

const LONG = process.env['ADMIT_LONG'] !== undefined
const RUNS = LONG ? 200 : process.env['CI'] !== undefined ? 20 : 4
const SEED = Number(process.env['ADMIT_SEED'] ?? Math.floor(Math.random() * 2 ** 32))

test(`${RUNS} runs on the real kernel end as the model says (seed ${SEED})`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'admit-model-'))
  const bootFile = join(folder, 'boot-id')
  bindBootId(bootFile)
  t.after(() => {
    spawnSync('umount', ['/proc/sys/kernel/random/boot_id'])
    rmSync(folder, { recursive: true, force: true })
  })
  const start = performance.now()
  for (let run = 0; run < RUNS; run++) {
    const state = join(folder, `state-${run}`)
    const host = realHost(state, bootFile)
    await runAgainstModel(host, drawHappenings(randomFrom(seedFor(SEED, run)), 8)).catch((error: unknown) => {
      throw new Error(`run ${run} of seed ${SEED}`, { cause: error })
    })
    await host.killWatchdog()
    spawnSync('nft', ['flush', 'ruleset'])
  }
  t.diagnostic(`${RUNS} runs in ${((performance.now() - start) / 1000).toFixed(1)} s`)
})

/** Any sequence of changes, confirmations, deadlines, crashes and reboots, against a model of ten lines. */
import { test } from 'node:test'
import { createOutput, plain } from '../src/cli/output.ts'
import { ADMIT_TABLE } from '../src/compile/compile.ts'
import { fakeMachine, fakeSystem, journalOf } from './support/fake-system.ts'
import { randomFrom, seedFor } from './support/random.ts'
import type { ModelHost } from './support/transaction-model.ts'
import { drawHappenings, runAgainstModel } from './support/transaction-model.ts'

const RUNS = process.env['ADMIT_LONG'] !== undefined || process.env['CI'] !== undefined ? 5000 : 1000
const SEED = Number(process.env['ADMIT_SEED'] ?? Math.floor(Math.random() * 2 ** 32))

function fakeHost(): ModelHost {
  const machine = fakeMachine()
  const quiet = { out: () => {}, err: () => {} }
  const host: ModelHost = {
    context: {
      system: fakeSystem(machine),
      output: createOutput(quiet, { json: false, paint: plain }),
      policyPath: '/policy',
      statePath: '/state',
    },
    onStep: undefined,
    realTime: false,
    applierGone: async () => {
      journalOf(machine, '/state').killApplier()
      await journalOf(machine, '/state').tick()
    },
    deadlinePasses: async () => {
      machine.now += 601
      await journalOf(machine, '/state').tick()
    },
    killWatchdog: () => Promise.resolve(journalOf(machine, '/state').killWatchdog()),
    reboot: async () => {
      await machine.kernel.apply({
        table: ADMIT_TABLE,
        operations: [{ kind: 'add-table' }, { kind: 'delete-table' }],
      })
      await journalOf(machine, '/state').reboot()
    },
  }
  machine.onStep = (step) => host.onStep?.(step)
  return host
}

test(`${RUNS} runs on a machine in memory end as the model says (seed ${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    const happenings = drawHappenings(randomFrom(seedFor(SEED, run)), 12)
    await runAgainstModel(fakeHost(), happenings).catch((error: unknown) => {
      throw new Error(`run ${run} of seed ${SEED}`, { cause: error })
    })
  }
})

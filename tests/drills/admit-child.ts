/**
 * admit as it is, but for a place where it stops until it is told to go on or is killed: `ADMIT_DRILL` is the folder in
 * which it writes `held` when it is there and looks for `go`, the step, and the guard that it uses.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../src/cli/program.ts'
import { runCommand } from '../../src/system/command.ts'
import { realSystem } from '../../src/system/real-system.ts'
import type { ChildPlan } from '../support/drill-admit.ts'

const plan = JSON.parse(process.env['ADMIT_DRILL'] ?? '') as ChildPlan

process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

process.exitCode = await run({
  args: process.argv.slice(2),
  version: '0.0.0',
  env: {},
  streams: { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) },
  terminal: { out: process.stdout.isTTY === true, err: process.stderr.isTTY === true, width: 100 },
  system: async () =>
    realSystem({
      ...(plan.guard === undefined ? {} : { guard: plan.guard }),
      ...(plan.nft === undefined && plan.patience === undefined
        ? {}
        : {
            // Also behind the program that ties nft's life to this process.
            run: (program, args, options) =>
              runCommand(
                program === 'nft' ? (plan.nft ?? program) : program,
                program === 'setpriv'
                  ? args.map((word) => (word === 'nft' ? (plan.nft ?? word) : word))
                  : args,
                program === '/bin/sh' || plan.patience === undefined
                  ? options
                  : { ...options, timeout: plan.patience },
              ),
          }),
      onStep: async (step) => {
        if (step !== plan.step) return
        writeFileSync(join(plan.folder, 'held.part'), `${process.pid}\n`)
        renameSync(join(plan.folder, 'held.part'), join(plan.folder, 'held'))
        while (!existsSync(join(plan.folder, 'go'))) await sleep(10)
      },
    }),
})

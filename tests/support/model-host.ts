import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOutput, plain } from '../../src/cli/output.ts'
import { realJournal } from '../../src/system/journal.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { expectOk } from './expect-ok.ts'
import { fakeMachine, fakeSystem } from './fake-system.ts'
import { requirePrivateNamespace } from './private-namespace.ts'
import type { ModelHost } from './transaction-model.ts'

/** Bound over the kernel's own boot id: another text in it is another boot. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** The real kernel of this namespace, the real journal in the folder, and the real guard; all else is made up. */
export function realHost(folder: string, bootFile: string): ModelHost {
  requirePrivateNamespace()
  const machine = fakeMachine()
  const journal = realJournal(folder)
  let count = 0
  const host: ModelHost = {
    context: {
      system: {
        ...fakeSystem(machine),
        kernel: new NftKernel(),
        journal: () => journal,
        now: () => Date.now() / 1000,
        newId: () => `${process.pid}-${++count}`,
      },
      output: createOutput({ out: () => {}, err: () => {} }, { json: false, paint: plain }),
      policyPath: '/policy',
      statePath: folder,
    },
    onStep: undefined,
    realTime: true,
    killedAt: (step, rules) => {
      const child = new URL('./model-child.ts', import.meta.url).pathname
      const { signal, stderr } = spawnSync(process.execPath, [child, folder, bootFile, step, String(rules)], {
        encoding: 'utf8',
      })
      if (signal !== 'SIGKILL') throw new Error(`the child was not killed: ${stderr}`)
      return Promise.resolve()
    },
    applierGone: () =>
      until(async () => {
        const state = expectOk(await journal.state(), 'state')
        return state.kind !== 'pending' || state.window !== undefined || state.watchdog === 'gone'
      }),
    deadlinePasses: async () => {
      await until(async () => {
        const state = expectOk(await journal.state(), 'state')
        if (state.kind !== 'pending') return state.kind === 'idle'
        const deadline = state.window?.deadline.uptime ?? 0
        return state.watchdog === 'gone' && (await journal.moment()).uptime >= deadline
      })
    },
    killWatchdog: () => killWatchdog(folder),
    reboot: async () => {
      await killWatchdog(folder)
      run('nft', 'flush', 'ruleset')
      const id = readFileSync(bootFile, 'utf8')
      writeFileSync(
        bootFile,
        id.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
      )
      run('/bin/sh', new URL('../../packaging/admit-guard', import.meta.url).pathname, 'boot', folder)
    },
  }
  machine.onStep = (step) => host.onStep?.(step)
  return host
}

/** Binds a file of the test's own over the boot id, in its own mount namespace. */
export function bindBootId(bootFile: string): void {
  requirePrivateNamespace()
  writeFileSync(bootFile, readFileSync(BOOT_ID))
  run('mount', '--bind', bootFile, BOOT_ID)
}

async function killWatchdog(folder: string): Promise<void> {
  const ready = join(folder, 'pending/ready')
  let text = ''
  try {
    text = readFileSync(ready, 'utf8')
  } catch {
    return
  }
  const pid = Number(text.split(' ')[0])
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return
  }
  await until(() => Promise.resolve(!isThere(pid)))
}

function isThere(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function until(come: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000
  while (!(await come())) {
    if (Date.now() > end) throw new Error('waited a minute in vain')
    await sleep(20)
  }
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, [...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
}

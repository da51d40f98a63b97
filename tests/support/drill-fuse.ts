import { spawn } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from '../../src/system/command.ts'
import { requirePrivateNamespace } from './private-namespace.ts'

/** What becomes of an operation that writes: an error once or for good, or it is held, before or after it is done. */
export type DiskFault = `${'EIO' | 'ENOSPC' | 'EROFS'}${'' | ' from then on'}` | 'hold before' | 'hold after'

/**
 * A disk, a folder by FUSE, on which each operation that changes something can fail or be held, whichever program asks
 * for it. Operations are counted as they come: makes, writes, renames, removals, syncs.
 */
export interface FaultyDisk {
  /** From now on count anew; the `at`th operation (from 1) meets this fault. Without a fault they are only counted. */
  plan(at?: number, fault?: DiskFault): Promise<void>
  /** Since the last plan, such as `rename pending undoing`. */
  operations(): readonly string[]
  /**
   * Waits until an operation is held. Whoever asked for it stands still there, even if killed, until it is released, or
   * for 20 s. Others stand still as well as soon as they look for something in the same folder: the kernel locks the
   * folder while a name in it is made, moved or removed.
   */
  untilHeld(milliseconds?: number): Promise<void>
  isHeld(): boolean
  /** Lets it go on, or (held before) makes it fail undone. A process that was killed meanwhile ends only now. */
  release(how: 'go-on' | 'not-done'): Promise<void>
  unmount(): Promise<void>
}

/** May this user mount one? Some containers have no /dev/fuse. */
export function mayMountFuse(): boolean {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Milliseconds, on a machine that has other work. */
const PATIENCE = 10_000

/** Mounts one over the folder `at`, for its owner alone; what is written to it is in `backing`, made where missing. */
export async function mountFaultyDisk(at: string, backing: string): Promise<FaultyDisk> {
  requirePrivateNamespace()
  mkdirSync(backing, { recursive: true })
  chmodSync(backing, 0o700)
  const script = new URL('./drill-fuse-child.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, backing, at], { stdio: ['pipe', 'pipe', 'inherit'] })
  const seen = { ready: 0, planned: 0, held: 0, released: 0 }
  let operations: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('op ')) operations.push(line.slice(3))
    else if (line in seen) seen[line as keyof typeof seen] += 1
  })
  const until = async (condition: () => boolean, milliseconds = PATIENCE): Promise<void> => {
    const deadline = performance.now() + milliseconds
    while (!condition()) {
      if (child.exitCode !== null) throw new Error('the faulty disk is gone')
      if (performance.now() > deadline)
        throw new Error(`not within ${milliseconds} ms; ${operations.join(', ')}`)
      await sleep(2)
    }
  }
  await until(() => seen.ready > 0)
  return {
    plan: async (number = 0, fault) => {
      const before = seen.planned
      child.stdin.write(`plan ${number} ${fault ?? ''}\n`)
      await until(() => seen.planned > before)
      operations = []
    },
    operations: () => operations,
    untilHeld: (milliseconds) => until(() => seen.held > seen.released, milliseconds),
    isHeld: () => seen.held > seen.released,
    release: async (how) => {
      const before = seen.released
      child.stdin.write(`release ${how}\n`)
      await until(() => seen.released > before)
    },
    unmount: async () => {
      await runCommand('umount', ['-l', at])
      child.kill('SIGKILL')
    },
  }
}

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What one command cost. */
export interface Cost {
  /** From its start to its end, by the clock on the wall. */
  readonly seconds: number
  /** Processor time of the command and of all that it started; the kernel counts in hundredths. */
  readonly cpu: number
  /** The most memory that it and all that it started held at one time, sampled; 0 where it was not asked for. */
  readonly bytes: number
}

/** Who puts rules into the kernel: admit, and what one would use without it. */
export type Loader = 'admit' | 'nft' | 'restore' | 'apply'

/** How often memory is looked at, in milliseconds. Only in runs whose time does not count. */
const SAMPLE = 4

/** Runs a command to its end; one that exits with another code than `expected` stops the benchmark. */
export async function measure(
  command: readonly [string, ...string[]],
  options: { readonly memory: boolean; readonly expected?: number },
): Promise<Cost> {
  const [program, ...args] = command
  const cpuBefore = childrenCpu()
  const start = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  let bytes = 0
  const sampler = options.memory
    ? setInterval(() => {
        bytes = Math.max(bytes, residentBytes(child.pid ?? 0))
      }, SAMPLE)
    : undefined
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const seconds = (performance.now() - start) / 1000
  clearInterval(sampler)
  if (code !== (options.expected ?? 0)) {
    throw new Error(`${command.join(' ')} ended with ${code}: ${said.slice(0, 2000)}`)
  }
  return { seconds, cpu: childrenCpu() - cpuBefore, bytes }
}

/** Ticks of a second, as /proc counts them on every architecture that Linux has left. */
const TICKS = 100

/** Processor seconds of this process's children that have ended, and of theirs. */
function childrenCpu(): number {
  // `PID (NAME) STATE …`: cutime and cstime are the 14th and 15th after the name.
  const fields = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[13]) + Number(fields[14])) / TICKS
}

/** Resident memory of a process and its descendants. One that has just ended counts as nothing. */
function residentBytes(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1])
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
    return pages * 4096 + children.reduce((sum, child) => sum + residentBytes(Number(child)), 0)
  } catch {
    return 0
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

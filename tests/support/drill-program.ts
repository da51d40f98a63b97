import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTerminal } from './drill-terminal.ts'
import { inNamespace } from './raw-socket.ts'

/** A real program of the drill's, as somebody at a terminal runs it, or a job without one. */
export interface Program {
  readonly pid: number
  /** All that it printed so far, on both outputs. */
  output(): string
  type(text: string): void
  /** Waits until its output holds this; an output that never does is an error, with what was printed instead. */
  says(pattern: RegExp, milliseconds?: number): Promise<RegExpExecArray>
  closeTerminal(): void
  /** Its exit code when it is gone; undefined where a signal ended it or nobody was left to see it. */
  ended(milliseconds?: number): Promise<number | undefined>
  isGone(): boolean
}

export interface StartOptions {
  /** The network namespace that it runs in. */
  readonly namespace: string
  /** In front of a shell that has a terminal, in a process group of its own; or in a session of its own with none. */
  readonly terminal: boolean
  readonly environment?: Readonly<Record<string, string>>
  /** The program that is the shell at the terminal; `/bin/sh`, or a link to it with another name. */
  readonly shell?: string
  /** An open file that this shell holds, and no program of its: the socket of an SSH session. */
  readonly held?: number
}

/** Milliseconds, on a machine that has other work. */
const PATIENCE = 15_000

/**
 * What the shell runs at its prompt. Job control gives the program a group of its own and the terminal; `exec` keeps
 * the process whose id was told.
 */
const AT_THE_PROMPT =
  'sh -c \'echo "started $$" >&3; exec "$@" 3>&- 4>&-\' sh "$@"; status=$?; echo "ended $status" >&3'

export async function startProgram(argv: readonly string[], options: StartOptions): Promise<Program> {
  return options.terminal ? atTerminal(argv, options) : withoutTerminal(argv, options)
}

async function atTerminal(argv: readonly string[], options: StartOptions): Promise<Program> {
  const terminal = openTerminal()
  const { far } = terminal
  const args = ['--ctty', options.shell ?? '/bin/sh', '-m', '-c', AT_THE_PROMPT, 'sh', ...argv]
  const shell = inNamespace(options.namespace, () =>
    spawn('setsid', args, {
      env: { ...process.env, TERM: 'xterm', ...options.environment },
      stdio: [far, far, far, 'pipe', ...(options.held === undefined ? [] : [options.held])],
    }),
  )
  terminal.seated()
  let news = ''
  const reports = shell.stdio[3] as Readable
  reports.on('data', (chunk: Buffer) => {
    news += chunk.toString()
  })
  let over = false
  shell.once('close', () => {
    over = true
  })
  const started = await until(
    () => /^started (\d+)$/m.exec(news),
    PATIENCE,
    () => terminal.output(),
  )
  const exitCode = (): number | undefined => {
    const status = /^ended (\d+)$/m.exec(news)?.[1]
    // 128 and more is how a shell says "by a signal".
    return status === undefined || Number(status) >= 128 ? undefined : Number(status)
  }
  const pid = Number(started[1])
  return {
    ...watched(
      pid,
      () => terminal.output(),
      async () => {
        // The shell tells it a moment after the program is gone, unless it is gone itself.
        await until(
          () => over || /^ended/m.exec(news),
          PATIENCE,
          () => news,
        )
        return exitCode()
      },
    ),
    type: (text) => terminal.type(text),
    closeTerminal: () => terminal.close(),
  }
}

async function withoutTerminal(argv: readonly string[], options: StartOptions): Promise<Program> {
  const [command = '', ...args] = argv
  const child = inNamespace(options.namespace, () =>
    spawn(command, args, {
      env: { ...process.env, ...options.environment },
      stdio: 'pipe',
      detached: true,
    }),
  )
  if (child.pid === undefined) throw new Error(`${argv.join(' ')} could not be started`)
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr] as Readable[]) {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  }
  child.stdin?.on('error', () => {})
  const output = (): string => Buffer.concat(chunks).toString('utf8')
  return {
    ...watched(child.pid, output, async () => {
      await gone(child)
      return child.exitCode ?? undefined
    }),
    type: (text) => {
      child.stdin?.write(text)
    },
    closeTerminal: () => {
      throw new Error('this program has no terminal')
    },
  }
}

function watched(
  pid: number,
  output: () => string,
  exitCode: () => Promise<number | undefined>,
): Omit<Program, 'type' | 'closeTerminal'> {
  const isGone = (): boolean => !isAlive(pid)
  return {
    pid,
    output,
    isGone,
    says: (pattern, milliseconds = PATIENCE) => until(() => pattern.exec(output()), milliseconds, output),
    ended: async (milliseconds = PATIENCE) => {
      await until(
        () => isGone() || null,
        milliseconds,
        () => `still running: ${output()}`,
      )
      return exitCode()
    },
  }
}

/** The process's own line of /proc/PID/stat after its name: state, parent, group, session. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** A zombie is gone: only its parent has not looked yet. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid)
  return stat !== undefined && stat[0] !== 'Z' && stat[0] !== 'X'
}

export function groupOf(pid: number): number | undefined {
  return numberAt(statOf(pid), 2)
}

export function sessionOf(pid: number): number | undefined {
  return numberAt(statOf(pid), 3)
}

export function allProcesses(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

function numberAt(stat: readonly string[] | undefined, index: number): number | undefined {
  return stat === undefined ? undefined : Number(stat[index])
}

/** Kills a process; one that ended meanwhile is as good as killed. */
export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Not until its output is closed: a child that it left behind may hold that open for long. */
async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}

async function until<T>(
  look: () => T | null | false,
  milliseconds: number,
  instead: () => string,
): Promise<T> {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const found = look()
    if (found !== null && found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms; printed:\n${instead()}`)
    await sleep(5)
  }
}

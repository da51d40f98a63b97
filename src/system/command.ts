import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'

/** How to run a program. Its environment is always `LC_ALL=C TZ=UTC` and a plain PATH, whatever the caller's is. */
export interface CommandOptions {
  readonly stdin?: string
  /** Killed (SIGKILL) after this many milliseconds. */
  readonly timeout?: number
  /** In a session of its own: what closes the terminal, or ends the caller's processes, does not end it. */
  readonly session?: boolean
  /** Bytes of stdout and of stderr that are kept; what follows kills the program and sets `truncated`. */
  readonly maxOutput?: number
}

export interface CommandOutput {
  readonly kind: 'ran'
  /** The exit code; undefined when a signal ended the program. */
  readonly code: number | undefined
  readonly signal: string | undefined
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
  readonly truncated: boolean
}

/** What became of a command: it ran, whatever its exit code, or there was nothing to run. */
export type CommandResult =
  | CommandOutput
  | { readonly kind: 'missing'; readonly program: string }
  | { readonly kind: 'failed'; readonly program: string; readonly reason: string }

/** Runs a program: what the rest of system/ takes as an argument, so that tests can stand in. */
export type RunCommand = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>

/** The only folders that programs are taken from: never the caller's PATH, since admit runs as root. */
export const PROGRAM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const

/** The environment of every program that is run. */
export const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: PROGRAM_FOLDERS.join(':') }

/** Where a program is, by name in the fixed folders or by absolute path; undefined where it is not or may not run. */
export function findProgram(name: string): string | undefined {
  if (!name.startsWith('/') && name.includes('/')) return undefined
  const candidates = name.startsWith('/') ? [name] : PROGRAM_FOLDERS.map((folder) => `${folder}/${name}`)
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
}

/** Runs one program to its end, without a shell. Never rejects: see `CommandResult`. */
export const runCommand: RunCommand = (program, args, options = {}) => {
  const path = findProgram(program)
  if (path === undefined) return Promise.resolve({ kind: 'missing', program })
  const { stdin = '', timeout = 30_000, maxOutput = 256 * 1024 * 1024 } = options
  const [child, reason] = start(path, args, options.session === true)
  if (child === undefined) return Promise.resolve({ kind: 'failed', program, reason })
  return new Promise((resolve) => {
    let timedOut = false
    let truncated = false
    const stop = (): void => {
      truncated = true
      child.kill('SIGKILL')
    }
    const stdout = collect(child.stdout, maxOutput, stop)
    const stderr = collect(child.stderr, maxOutput, stop)
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
      // A grandchild may hold the pipes open; nobody waits for it.
      child.stdout.destroy()
      child.stderr.destroy()
    }, timeout)
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve({ kind: 'failed', program, reason: error.message })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({
        kind: 'ran',
        code: code ?? undefined,
        signal: signal ?? undefined,
        stdout: stdout(),
        stderr: stderr(),
        timedOut,
        truncated,
      })
    })
    // A program that ends without reading its input closes the pipe: its exit code says more than EPIPE.
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
  })
}

/** `spawn` throws for what can be no argument (a NUL in it), and tells the rest by events. */
function start(
  path: string,
  args: readonly string[],
  detached: boolean,
): readonly [ChildProcessWithoutNullStreams, string] | readonly [undefined, string] {
  try {
    return [spawn(path, args, { env: ENVIRONMENT, stdio: 'pipe', shell: false, detached }), '']
  } catch (error) {
    return [undefined, error instanceof Error ? error.message : String(error)]
  }
}

function collect(stream: NodeJS.ReadableStream, limit: number, onFull: () => void): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    if (size >= limit) return
    chunks.push(chunk.subarray(0, limit - size))
    size += chunk.length
    if (size > limit) onFull()
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

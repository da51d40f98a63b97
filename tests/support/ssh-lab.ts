/**
 * Real ssh, from real clients to a real sshd: each client a network namespace on a cable of its own, the host the
 * private namespace that this runs in. `sshOnce` is a connection for one command, `SshSession` one that stays open and
 * takes commands one after the other, `inTmux` types into a tmux window over a connection of its own.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SshHost } from './ssh-host.ts'

/** Milliseconds that one command over ssh may take on a machine that has other work. */
const PATIENCE = 30_000

/** How to reach the host, and as whom. */
export interface SshWay {
  /** The network namespace that ssh runs in; undefined is the host itself. */
  readonly from: string | undefined
  /** The host's address to dial. */
  readonly to: string
  /** Default: root. */
  readonly user?: string
  /** ControlMaster: open a connection that others may use, or use it. Default: a connection of its own. */
  readonly control?: { readonly kind: 'master' | 'reuse'; readonly path: string }
  /** Further arguments, such as `-R 2222:localhost:9`. */
  readonly options?: readonly string[]
}

/** What a command printed (standard output and error as one) and its exit status. */
export interface Said {
  readonly status: number | undefined
  readonly out: string
}

/** Runs one command over a connection made for it. */
export async function sshOnce(host: SshHost, way: SshWay, command: string): Promise<Said> {
  const child = spawnSsh(host, way, [], command)
  child.stdin.end()
  const out = collect(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  const [status] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { status: status ?? undefined, out: out() }
}

/** A connection that stays open, with a shell at its other end. */
export class SshSession {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #out: () => string
  #count = 0

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#out = collect(child)
  }

  /** Opens it and waits until its shell answers. */
  static async open(host: SshHost, way: SshWay): Promise<SshSession> {
    const session = new SshSession(spawnSsh(host, way, [], 'exec sh'))
    await session.run('true')
    return session
  }

  /** Dials and does not wait: for a connection that cannot be completed yet. */
  static dial(host: SshHost, way: SshWay): SshSession {
    return new SshSession(spawnSsh(host, way, [], 'exec sh'))
  }

  /** Runs a command in the session's shell. One at a time. */
  async run(command: string): Promise<Said> {
    const mark = `--said-${++this.#count}--`
    const start = this.#out().length
    this.#child.stdin.write(`{ ${command}\n} 2>&1 </dev/null; echo "${mark} $?"\n`)
    const text = await until(`the session to answer ${command}`, () => {
      if (this.#child.exitCode !== null) throw new Error(`the session has ended: ${this.#out()}`)
      const said = this.#out().slice(start)
      return new RegExp(`${mark} \\d+\\n`).test(said) ? said : undefined
    })
    const [out = '', status = ''] = text.split(`${mark} `)
    return { status: Number(status.trim()), out }
  }

  /** Types a command whose end nobody here may live to see. */
  say(command: string): void {
    this.#child.stdin.write(`${command}\n`)
  }

  /** Waits until the other side has ended it. */
  async ended(): Promise<void> {
    await until('the session to end', () => this.#child.exitCode ?? this.#child.signalCode ?? undefined)
  }

  /** The client's process goes, without a word to the server. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await gone
  }
}

/** A command at a terminal of its own (`ssh -tt`), for one that waits and listens to keys. */
export class SshTerminal {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #out: () => string

  constructor(host: SshHost, way: SshWay, command: string) {
    this.#child = spawnSsh(host, way, ['-tt'], command)
    this.#out = collect(this.#child)
  }

  /** Waits until it has printed this. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return until(`${pattern} at the terminal`, () => {
      const found = pattern.exec(this.#out())
      if (found === null && this.#child.exitCode !== null) throw new Error(`it ended and said ${this.#out()}`)
      return found ?? undefined
    })
  }

  type(keys: string): void {
    this.#child.stdin.write(keys)
  }

  /** The client's process goes. */
  cut(): void {
    this.#child.kill('SIGKILL')
  }

  async ended(): Promise<Said> {
    const status = await until('the command to end', () => this.#child.exitCode ?? undefined)
    return { status, out: this.#out() }
  }
}

/** Starts tmux in a session, in the background; its one window has the session's environment. */
export async function startTmux(session: SshSession, name: string): Promise<void> {
  const said = await session.run(`tmux -L lab -f /dev/null new-session -d -s ${name}`)
  if (said.status !== 0) throw new Error(`tmux did not start: ${said.out}`)
}

let typed = 0

/** Attaches to tmux over a connection of its own, types a command into its window and waits for the end of it. */
export async function inTmux(host: SshHost, way: SshWay, name: string, command: string): Promise<Said> {
  const file = join(host.drop, `typed-${++typed}`)
  const child = spawnSsh(host, way, ['-tt'], `exec tmux -L lab attach -t ${name}`)
  const screen = collect(child)
  try {
    await until('tmux to attach', () => {
      if (child.exitCode !== null) throw new Error(`tmux did not attach: ${screen()}`)
      // What tmux prints first is the escape that enters the alternate screen.
      return screen().includes('\u001b[?1049h') ? true : undefined
    })
    child.stdin.write(
      `{ ${command}; } >${file} 2>&1; echo $? >${file}.part; mv ${file}.part ${file}.status\n`,
    )
    await until('the command in tmux to end', () => (existsSync(`${file}.status`) ? true : undefined))
    return { status: Number(readFileSync(`${file}.status`, 'utf8')), out: readFileSync(file, 'utf8') }
  } finally {
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
  }
}

/** The words of `ssh`, for a command line on the host itself too. */
export function sshWords(host: SshHost, way: SshWay): readonly string[] {
  return [
    'ssh',
    // First: of an option that is given twice, ssh takes the first.
    ...(way.options ?? []),
    ...sshIdentity(host),
    ...asOptions({
      ConnectTimeout: '20',
      ControlMaster: way.control?.kind === 'master' ? 'yes' : 'no',
      ControlPath: way.control?.path ?? 'none',
    }),
    `${way.user ?? 'root'}@${way.to}`,
  ]
}

/** What a user's own configuration says: the key, and that this host is known. Nothing about how to connect. */
export function sshIdentity(host: SshHost): readonly string[] {
  const options = asOptions({
    IdentityFile: host.key,
    IdentitiesOnly: 'yes',
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: '/dev/null',
    LogLevel: 'ERROR',
    BatchMode: 'yes',
  })
  return ['-F', '/dev/null', ...options]
}

function asOptions(options: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
}

function spawnSsh(
  host: SshHost,
  way: SshWay,
  more: readonly string[],
  command: string,
): ChildProcessWithoutNullStreams {
  const [program = '', ...words] = [
    ...(way.from === undefined ? [] : ['ip', 'netns', 'exec', way.from]),
    ...sshWords(host, way),
  ]
  const at = words.length - 1
  return spawn(program, [...words.slice(0, at), ...more, ...words.slice(at), command], {
    stdio: 'pipe',
    env: { ...process.env, TERM: 'xterm', SSH_AUTH_SOCK: '' },
  })
}

function collect(child: ChildProcessWithoutNullStreams): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  child.stdin.on('error', () => {})
  return () => text
}

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  const deadline = Date.now() + PATIENCE
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE / 1000} s for ${what}`)
    await sleep(10)
  }
}

/**
 * Real ssh, from real clients to a real sshd: each client a network namespace on a cable of its own, the host the
 * private namespace that this runs in. `sshOnce` is a connection for one command, `SshSession` one that stays open and
 * takes commands one after the other, `inTmux` types into a tmux window over a connection of its own.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SshHost } from './ssh-host.ts'
import type { Said } from './ssh-process.ts'
import { SshProcess } from './ssh-process.ts'

/** Seconds after which ssh itself gives up a host that says nothing. */
const SILENCE = 80

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

/** Runs one command over a connection made for it. */
export async function sshOnce(host: SshHost, way: SshWay, command: string): Promise<Said> {
  const ssh = startSsh(host, way, [], command)
  ssh.endInput()
  return endOf(ssh, command)
}

/** A connection that stays open, with a shell at its other end. */
export class SshSession {
  readonly #ssh: SshProcess
  #count = 0

  private constructor(ssh: SshProcess) {
    this.#ssh = ssh
  }

  /** Opens it and waits until its shell answers. */
  static async open(host: SshHost, way: SshWay): Promise<SshSession> {
    const session = SshSession.dial(host, way)
    try {
      await session.run('true')
    } catch (error) {
      await session.close()
      throw error
    }
    return session
  }

  /** Dials and does not wait: for a connection that cannot be completed yet. */
  static dial(host: SshHost, way: SshWay): SshSession {
    return new SshSession(startSsh(host, way, [], 'exec sh'))
  }

  /** Runs a command in the session's shell. One at a time; a connection that ends meanwhile is an error at once. */
  async run(command: string): Promise<Said> {
    const mark = `--said-${++this.#count}--`
    const start = this.#ssh.printed.length
    this.#ssh.write(`{ ${command}\n} 2>&1 </dev/null; echo "${mark} $?"\n`)
    const answer = new RegExp(`^([^]*)${mark} (\\d+)\\n`)
    const [, out = '', status] = await this.#ssh.until(
      `the session to answer \`${command}\``,
      () => answer.exec(this.#ssh.printed.slice(start)) ?? undefined,
    )
    return { status: Number(status), out }
  }

  /** Types a command whose end nobody here may live to see. */
  say(command: string): void {
    this.#ssh.write(`${command}\n`)
  }

  /** Waits until the other side has ended it; sooner than ssh itself would give up on a host that is silent. */
  async ended(): Promise<void> {
    await this.#ssh.ended('the other side to end the session', (SILENCE * 1000) / 2)
  }

  /** The client's process goes, without a word to the server. */
  async close(): Promise<void> {
    await this.#ssh.kill()
  }
}

/** A command at a terminal of its own (`ssh -tt`), for one that waits and listens to keys. */
export class SshTerminal {
  readonly #ssh: SshProcess
  readonly #command: string

  constructor(host: SshHost, way: SshWay, command: string) {
    this.#ssh = startSsh(host, way, ['-tt'], command)
    this.#command = command
  }

  /** Waits until it has printed this. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#ssh.until(
      `\`${this.#command}\` to print ${pattern}`,
      () => pattern.exec(this.#ssh.printed) ?? undefined,
    )
  }

  type(keys: string): void {
    this.#ssh.write(keys)
  }

  /** The client's process goes. */
  async cut(): Promise<void> {
    await this.#ssh.kill()
  }

  async ended(): Promise<Said> {
    return endOf(this.#ssh, this.#command)
  }
}

/** A command that does not end is killed, and its error stays the one that is told. */
async function endOf(ssh: SshProcess, command: string): Promise<Said> {
  try {
    return await ssh.ended(`\`${command}\` to end`)
  } finally {
    await ssh.kill()
  }
}

/** The words that reach the lab's own tmux: labs run side by side, and tmux's usual sockets are one folder for all. */
function tmux(host: SshHost): string {
  return `tmux -S ${host.tmux} -f /dev/null`
}

/** Starts tmux in a session, in the background; its one window has the session's environment. */
export async function startTmux(host: SshHost, session: SshSession, name: string): Promise<void> {
  const said = await session.run(`${tmux(host)} new-session -d -s ${name}`)
  if (said.status !== 0) throw new Error(`tmux did not start: ${said.out}`)
}

let typed = 0

/** Attaches to tmux over a connection of its own, types a command into its window and waits for the end of it. */
export async function inTmux(host: SshHost, way: SshWay, name: string, command: string): Promise<Said> {
  const file = join(host.drop, `typed-${++typed}`)
  const ssh = startSsh(host, way, ['-tt'], `exec ${tmux(host)} attach -t ${name}`)
  try {
    // What tmux prints first is the escape that enters the alternate screen.
    const attached = (): true | undefined => ssh.printed.includes('\u001b[?1049h') || undefined
    await ssh.until(`tmux to attach to ${name}`, attached)
    ssh.write(`{ ${command}; } >${file} 2>&1; echo $? >${file}.part; mv ${file}.part ${file}.status\n`)
    await ssh.until(`\`${command}\` in tmux to end`, () => existsSync(`${file}.status`) || undefined)
    return { status: Number(readFileSync(`${file}.status`, 'utf8')), out: readFileSync(file, 'utf8') }
  } finally {
    await ssh.kill()
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
      ServerAliveInterval: String(SILENCE / 4),
      ServerAliveCountMax: '4',
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

function startSsh(host: SshHost, way: SshWay, more: readonly string[], command: string): SshProcess {
  const words = sshWords(host, way)
  const [before, to = ''] = [words.slice(0, -1), words.at(-1)]
  const inside = way.from === undefined ? [] : ['ip', 'netns', 'exec', way.from]
  const name = `ssh from ${way.from ?? 'the host'} to ${to}${way.control === undefined ? '' : `, ${way.control.kind}`}`
  return new SshProcess([...inside, ...before, ...more, to, command], name)
}

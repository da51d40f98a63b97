/**
 * A running `ssh` whose every wait ends: with what was waited for, as soon as the process has ended, or at a time limit.
 * Both errors say who waited for what, for how long, and what was printed by then.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that one command over ssh may take on a machine that has other work. */
const PATIENCE = 60_000
/** Milliseconds that the output of a process which has ended may take to end. */
const LAST_WORDS = 2000

/** What a command printed (standard output and error as one) and its exit status. */
export interface Said {
  /** Undefined where a signal ended it. */
  readonly status: number | undefined
  readonly out: string
}

export class SshProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #name: string
  #printed = ''
  /** Nothing more will be printed. */
  #closed = false

  /** `name` says in errors whose connection this is. */
  constructor(argv: readonly string[], name: string) {
    const [program = '', ...words] = argv
    this.#name = name
    this.#child = spawn(program, words, {
      stdio: 'pipe',
      env: { ...process.env, TERM: 'xterm', SSH_AUTH_SOCK: '' },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#printed += chunk
      })
    }
    // What is typed to a process that has just ended goes nowhere; whoever waits for the answer hears that it ended.
    this.#child.stdin.on('error', () => {})
    this.#child.on('error', (error) => {
      this.#printed += `${error.message}\n`
      this.#closed = true
    })
    this.#child.on('exit', () => this.#closeSoon())
    this.#child.on('close', () => {
      this.#closed = true
    })
  }

  /** All that it printed so far, on both outputs. */
  get printed(): string {
    return this.#printed
  }

  write(text: string): void {
    this.#child.stdin.write(text)
  }

  /** What it reads has ended. */
  endInput(): void {
    this.#child.stdin.end()
  }

  /** Waits until `look` finds something; the process's own end before that is an error. */
  async until<T>(what: string, look: () => T | undefined, limit = PATIENCE): Promise<T> {
    const started = performance.now()
    for (;;) {
      // Looked up first: what it printed last is whole when nothing more will come.
      const over = this.#closed
      const found = look()
      if (found !== undefined) return found
      const waited = performance.now() - started
      if (over) throw this.#error(`${this.#howItEnded()}, ${seconds(waited)} into waiting for ${what}`)
      if (waited > limit) throw this.#error(`waited ${seconds(waited)} for ${what}`)
      await sleep(10)
    }
  }

  /** Waits for its end; what it printed in all. */
  async ended(what: string, limit = PATIENCE): Promise<Said> {
    await this.until(what, () => this.#closed || undefined, limit)
    return { status: this.#child.exitCode ?? undefined, out: this.#printed }
  }

  /** The process goes, without a word to the server. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended('it to end when killed')
  }

  /** A process that it handed its outputs to, as a multiplexed ssh does to its master, must not keep them open. */
  #closeSoon(): void {
    const timer = setTimeout(() => {
      this.#child.stdout.destroy()
      this.#child.stderr.destroy()
    }, LAST_WORDS)
    this.#child.once('close', () => clearTimeout(timer))
  }

  #howItEnded(): string {
    const { exitCode, signalCode } = this.#child
    return signalCode === null ? `ended with status ${exitCode}` : `was ended by ${signalCode}`
  }

  #error(what: string): Error {
    return new Error(`${this.#name}: ${what}; it printed so far:\n${this.#printed || '(nothing)'}`)
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

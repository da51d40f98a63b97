import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Heard } from './stream-child.ts'

export type { Heard } from './stream-child.ts'

/** A process that talks without pause (stream-child.ts, or another that takes lines and answers each), in a namespace or in this one. */
export class Streamer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: ((line: string) => void)[] = []
  readonly #gone: Promise<unknown>

  constructor(namespace?: string, name = 'stream-child.ts') {
    const script = new URL(`./${name}`, import.meta.url).pathname
    const inside = namespace === undefined ? [] : ['netns', 'exec', namespace, process.execPath]
    const program = namespace === undefined ? process.execPath : 'ip'
    this.#child = spawn(program, [...inside, script], { stdio: 'pipe' })
    this.#gone = once(this.#child, 'exit')
    this.#child.stderr.pipe(process.stderr)
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.(line))
  }

  /** Says a command and waits for its answer; one that does not come fails the test. */
  async tell(command: string, patience = 60_000): Promise<string> {
    this.#child.stdin.write(`${command}\n`)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to: ${command}`)), patience)
      this.#waiting.push((line) => {
        clearTimeout(timer)
        resolve(line)
      })
    })
  }

  async counts(): Promise<Readonly<Record<string, Heard>>> {
    return JSON.parse(await this.tell('counts')) as Record<string, Heard>
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    this.#child.kill('SIGKILL')
    await this.#gone
  }
}

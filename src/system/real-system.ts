import { access } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import type { FileProblem, Seat, System } from '../cli/system.ts'
import { callerWords } from '../host/caller.ts'
import type { HostFacts } from '../host/host-facts.ts'
import { parseSystemServices } from '../policy/system-services.ts'
import { bootState } from './boot-state.ts'
import { findCaller, findCallerPath, whoActs } from './caller.ts'
import type { RunCommand } from './command.ts'
import { runCommand } from './command.ts'
import { makeFolders, readTextFile, writeTextFile } from './files.ts'
import { readHostFacts } from './host-reader.ts'
import { onDemand } from './on-demand.ts'
import { listTcpConnections } from './tcp-connections.ts'
import { judgeToken, newToken } from './token.ts'

const SYSTEM_SERVICES = '/etc/services'
/** Characters of a policy on standard input; the same as a file's largest size. */
const MOST_INPUT = 64 * 1024 * 1024

/** What the drills replace, to hold, break or kill the program at any of its steps. The program itself sets none. */
export interface RealOptions {
  /** Runs nft, the guard, and what starts the watchdog. */
  readonly run?: RunCommand
  /** The guard script. */
  readonly guard?: string
  readonly onStep?: NonNullable<System['onStep']>
}

/**
 * This machine, in the network namespace that the process was started in. What only some commands need is loaded when
 * they ask for it: every command's start would wait for the modules (measured: a sixth of `check`'s processor time).
 */
export function realSystem(options: RealOptions = {}): System {
  return {
    now: () => Date.now() / 1000,
    kernel: onDemand(async () => new (await import('./nft-kernel.ts')).NftKernel(options)),
    hostFacts: (parts) => readHostFacts(runCommand, parts === 'all' ? ['sockets', 'firewalls'] : ['sockets']),
    systemServices: async () => {
      const file = await readTextFile(SYSTEM_SERVICES)
      return file.ok ? parseSystemServices(file.value) : undefined
    },
    readFile: (path) => (path === '-' ? readStandardInput() : readTextFile(path)),
    writeFile,
    journal: (state) =>
      onDemand(async () => (await import('./journal.ts')).realJournal(resolve(state), options)),
    tcpConnections: async () => {
      const listed = await listTcpConnections()
      return listed.ok ? listed : fail({ kind: 'failed', message: listed.error })
    },
    connections: async () => new (await import('./connections.ts')).SystemConnections(),
    seat,
    newId,
    newToken: () => {
      const { shown, hash } = newToken()
      return { token: shown, hash }
    },
    judgeToken,
    bootState,
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    interactive: process.stdout.isTTY === true && process.stdin.isTTY === true,
    sleep: (milliseconds) => sleep(milliseconds),
    onInterrupt,
    caller: (facts) => findCaller(facts, process.env['SSH_CONNECTION']),
    lab: async ({ policy, facts, rules, expected, progress }) => {
      const { runLab } = await import('./lab-runner.ts')
      return runLab(policy, facts, rules, expected, { now: Date.now() / 1000, onProgress: progress })
    },
    readLine,
    ask,
  }
}

async function seat(facts: HostFacts): Promise<Seat> {
  const [path, by] = await Promise.all([findCallerPath(facts), whoActs()])
  const user = /\((.*)\)$/.exec(by)?.[1] ?? by
  return { by, from: callerWords(path), path, user }
}

/** Such as `20261124T115201-3f9a2c`: in UTC, and of its own also within a second. */
function newId(): string {
  const now = new Date().toISOString().replace(/[-:]|\.\d+Z$/g, '')
  return `${now}-${randomBytes(3).toString('hex')}`
}

function onInterrupt(handler: () => void): () => void {
  process.on('SIGINT', handler)
  return () => process.off('SIGINT', handler)
}

async function writeFile(
  path: string,
  text: string,
  options: { readonly replace: boolean },
): Promise<Result<void, FileProblem>> {
  if (!options.replace && (await exists(path))) {
    return fail({ kind: 'exists', message: `${path} is there already` })
  }
  try {
    await makeFolders(dirname(path), 0o755)
  } catch {
    // The write below says what is wrong with the folder.
  }
  return writeTextFile(path, text, { mode: 0o644 })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function readStandardInput(): Promise<Result<string, FileProblem>> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  try {
    for await (const chunk of process.stdin) {
      text += decoder.decode(chunk as Buffer, { stream: true })
      if (text.length > MOST_INPUT)
        return fail({ kind: 'too-large', message: 'standard input is larger than 64 MB' })
    }
    return ok(text + decoder.decode())
  } catch {
    return fail({ kind: 'not-utf8', message: 'standard input is not UTF-8 text' })
  }
}

async function readLine(prompt: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const terminal = process.stdin.isTTY === true
  if (terminal) process.stderr.write(prompt)
  const lines = createInterface({ input: process.stdin, terminal: false })
  try {
    for await (const line of lines) return line.slice(0, 1000).trim()
    return ''
  } finally {
    lines.close()
  }
}

async function ask(question: string): Promise<boolean | undefined> {
  if (process.stdin.isTTY !== true) return undefined
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const aborted = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
  const answer = await Promise.race([terminal.question(question).catch(() => ''), aborted])
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}

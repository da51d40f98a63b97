import { createHash } from 'node:crypto'
import type { Connections } from '../../src/apply/connections.ts'
import type { Result } from '../../src/base/result.ts'
import { fail, ok } from '../../src/base/result.ts'
import type { ExitCode } from '../../src/cli/exit-code.ts'
import { DEFAULT_STATE } from '../../src/cli/context.ts'
import { run } from '../../src/cli/program.ts'
import type { FileProblem, LabRequest, System } from '../../src/cli/system.ts'
import type { CallerPath } from '../../src/host/caller.ts'
import { parseToken } from '../../src/apply/confirm-token.ts'
import { callerWords } from '../../src/host/caller.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import { FakeKernel } from '../../src/kernel/fake-kernel.ts'
import type { Kernel, KernelError } from '../../src/kernel/kernel.ts'
import type { LabReport } from '../../src/lab/lab-matrix.ts'
import { parseSystemServices } from '../../src/policy/system-services.ts'
import { judgeToken } from '../../src/system/token.ts'
import { FakeJournal } from './fake-journal.ts'
import { SAMPLE_HOST } from './sample-host.ts'

/** A machine in memory: what commands read and what they leave behind. */
export interface FakeMachine {
  /** By path; the stored rules are `STATE/rules.nft`. */
  readonly files: Map<string, string>
  kernel: Kernel
  facts: HostFacts
  notes: readonly string[]
  /** Seconds since 1970. */
  now: number
  /** Whether files can be written. */
  writable: boolean
  /** What the user answers; undefined where there is no terminal. */
  answer: boolean | undefined
  questions: string[]
  /** What is on standard input. */
  typed: string
  caller: HostFacts['sshConnections'][number] | undefined
  /** How whoever types reaches it; a console by default. */
  path: CallerPath
  /** Every TCP connection there is. */
  connections: readonly string[]
  readonly journals: Map<string, FakeJournal>
  /** How many transactions there were. */
  transactions: number
  interactive: boolean
  /** What Ctrl-C would call. */
  interrupt: (() => void) | undefined
  /** Called before each step of a change, of a confirmation and of an undo. */
  onStep: ((step: string) => Promise<void> | void) | undefined
  /** Called while somebody waits. */
  onSleep: (() => Promise<void> | void) | undefined
  lab: (request: LabRequest) => Result<LabReport, KernelError>
}

/** The token of every change on a fake machine. */
export const FAKE_TOKEN = 'k7wq-3mzt-9fhx'

/** 2027-01-15T08:00:00Z. */
export const FAKE_NOW = 1_800_000_000

/** The sample host with an empty kernel and no files. */
export function fakeMachine(changes: Partial<FakeMachine> = {}): FakeMachine {
  return {
    files: new Map(),
    kernel: new FakeKernel(),
    facts: SAMPLE_HOST,
    notes: [],
    now: FAKE_NOW,
    writable: true,
    answer: undefined,
    questions: [],
    typed: '',
    caller: undefined,
    path: { kind: 'unknown' },
    connections: [],
    journals: new Map(),
    transactions: 0,
    interactive: false,
    interrupt: undefined,
    onStep: undefined,
    onSleep: undefined,
    lab: () => fail({ kind: 'unavailable', message: 'no namespaces here' }),
    ...changes,
  }
}

/** A host that nobody is connected to. */
const NO_CONNECTIONS: Connections = {
  sockets: () => Promise.resolve(ok({ listening: [], connected: [] })),
  ways: () => Promise.resolve(ok(new Map())),
  flows: () => Promise.resolve(ok([])),
  flowtables: () => Promise.resolve(ok([])),
  canKill: () => Promise.resolve(ok(undefined)),
  kill: () => Promise.resolve(ok(undefined)),
  forget: () => Promise.resolve(ok(undefined)),
  mark: () => Promise.resolve(ok(undefined)),
  elapsed: () => 0,
}

/** The commands' view of a machine in memory. */
export function fakeSystem(machine: FakeMachine): System {
  const write = (path: string, text: string): Result<void, FileProblem> => {
    if (!machine.writable) return fail({ kind: 'not-permitted', message: `${path} cannot be written` })
    machine.files.set(path, text)
    return ok(undefined)
  }
  return {
    now: () => machine.now,
    kernel: machine.kernel,
    hostFacts: () => Promise.resolve({ facts: machine.facts, notes: machine.notes }),
    systemServices: () => Promise.resolve(parseSystemServices('smtp 25/tcp mail\n')),
    readFile: (path) => Promise.resolve(readIn(machine, path)),
    writeFile: (path, text, { replace }) => {
      const exists = !replace && machine.files.has(path)
      return Promise.resolve(
        exists ? fail({ kind: 'exists', message: `${path} is there already` }) : write(path, text),
      )
    },
    journal: (state) => journalOf(machine, state),
    tcpConnections: () => Promise.resolve(ok(machine.connections)),
    connections: () => Promise.resolve(NO_CONNECTIONS),
    seat: () =>
      Promise.resolve({
        by: 'root (alice)',
        from: callerWords(machine.path),
        path: machine.path,
        user: 'alice',
      }),
    newId: () => `${++machine.transactions}`.padStart(20, '0'),
    newToken: () => ({ token: FAKE_TOKEN, hash: sha256(parseToken(FAKE_TOKEN) ?? '') }),
    judgeToken,
    bootState: () => Promise.resolve({ kind: 'missing', what: 'the boot unit is not installed' }),
    interactive: machine.interactive,
    sleep: async (milliseconds) => {
      machine.now += milliseconds / 1000
      await machine.onSleep?.()
      for (const journal of machine.journals.values()) await journal.tick()
    },
    onInterrupt: (handler) => {
      machine.interrupt = handler
      return () => {
        machine.interrupt = undefined
      }
    },
    onStep: async (step) => {
      await machine.onStep?.(step)
    },
    caller: () => Promise.resolve(machine.caller),
    lab: (request) => Promise.resolve(machine.lab(request)),
    readLine: () => Promise.resolve(machine.typed),
    ask: (question) => {
      machine.questions.push(question)
      return Promise.resolve(machine.answer)
    },
  }
}

function readIn({ files }: FakeMachine, path: string): Result<string, FileProblem> {
  const text = files.get(path)
  return text === undefined ? fail({ kind: 'missing', message: `there is no ${path}` }) : ok(text)
}

/** The state folder, made when it is first asked for. */
export function journalOf(machine: FakeMachine, state = DEFAULT_STATE): FakeJournal {
  const known = machine.journals.get(state)
  const journal =
    known ??
    new FakeJournal(
      () => machine.kernel,
      () => machine.now,
      machine.files,
      state,
    )
  journal.writable = machine.writable && !machine.files.has(state)
  machine.journals.set(state, journal)
  return journal
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What one command line printed and how it ended. */
export interface Ran {
  readonly exit: ExitCode
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly terminal?: boolean
}

/** Runs one command line on a machine in memory. */
export async function runAdmit(
  machine: FakeMachine,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  let out = ''
  let err = ''
  const terminal = options.terminal === true
  const exit = await run({
    args,
    version: '0.0.0',
    env: options.env ?? {},
    streams: {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
    },
    terminal: { out: terminal, err: terminal, width: 100 },
    system: () => Promise.resolve(fakeSystem(machine)),
  })
  return { exit, out, err }
}

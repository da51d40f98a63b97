import type { Connections } from '../apply/connections.ts'
import type { Journal, JournalError } from '../apply/journal.ts'
import type { EndingStep, Step } from '../apply/machine.ts'
import type { Result } from '../base/result.ts'
import type { CallerPath } from '../host/caller.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Kernel, KernelError } from '../kernel/kernel.ts'
import type { LabReport } from '../lab/lab-matrix.ts'
import type { Packet } from '../packet/packet.ts'
import type { Policy } from '../policy/policy.ts'
import type { SystemServices } from '../policy/system-services.ts'

/** Everything that commands ask of the machine; main builds the real one, tests build their own. */
export interface System {
  /** Seconds since 1970. */
  now(): number
  readonly kernel: Kernel
  /** The present network namespace, as far as `parts` ask; `notes` say what could not be read. */
  hostFacts(
    parts: 'policy' | 'all',
  ): Promise<{ readonly facts: HostFacts; readonly notes: readonly string[] }>
  /** The system's list of services; undefined where there is none. */
  systemServices(): Promise<SystemServices | undefined>
  /** A text file; `-` is standard input. */
  readFile(path: string): Promise<Result<string, FileProblem>>
  /** Writes a new file durably; an existing one is a problem unless `replace`. */
  writeFile(
    path: string,
    text: string,
    options: { readonly replace: boolean },
  ): Promise<Result<void, FileProblem>>
  /** The transaction on disk and the confirmed rules, in this state folder. */
  journal(state: string): Journal
  /** Every TCP connection there is, as `connectionKey` writes it. */
  tcpConnections(): Promise<Result<readonly string[], JournalError>>
  /** The connections of this host: what new rules refuse is cut. */
  connections(): Promise<Connections>
  /** Who types, and how they reach this host. */
  seat(facts: HostFacts): Promise<Seat>
  /** Of a new transaction: sorts by time. */
  newId(): string
  /** A one-time token and what the journal keeps of it. */
  newToken(): { readonly token: string; readonly hash: string }
  judgeToken(typed: string | undefined, hash: string): 'none' | 'right' | 'wrong'
  bootState(state: string): Promise<BootState>
  /** Is there a terminal to count down on? */
  readonly interactive: boolean
  sleep(milliseconds: number): Promise<void>
  /** Calls back on Ctrl-C instead of ending; the result puts things back. */
  onInterrupt(handler: () => void): () => void
  /** For drills: called before each step of a transaction. */
  readonly onStep?: (step: Step | EndingStep) => Promise<void>
  /** Who sits at the other end: the SSH connection that this process descends from. */
  caller(facts: HostFacts): Promise<HostFacts['sshConnections'][number] | undefined>
  lab(request: LabRequest): Promise<Result<LabReport, KernelError>>
  /** One line of standard input, asked for with `prompt` where it is a terminal; at most 1,000 characters. */
  readLine(prompt: string): Promise<string>
  /** Asks on the terminal; undefined where there is none. */
  ask(question: string): Promise<boolean | undefined>
}

/** Will the confirmed rules be loaded when this host boots? `what` names the unit, or why not. */
export type BootState =
  | { readonly kind: 'installed'; readonly what: string }
  | { readonly kind: 'missing'; readonly what: string }

/** Who types a command, and where they sit. */
export interface Seat {
  /** Such as `root (alice)`. */
  readonly by: string
  /** Such as `203.0.113.7 port 50122`, `a console`. */
  readonly from: string
  readonly path: CallerPath
  /** The login name to suggest for another connection. */
  readonly user?: string
}

export interface FileProblem {
  readonly kind:
    | 'missing'
    | 'exists'
    | 'not-permitted'
    | 'not-a-file'
    | 'too-large'
    | 'not-utf8'
    | 'symlink'
    | 'not-private'
    /** Not what admit wrote there: cut short, changed by hand, or another's. */
    | 'damaged'
    | 'failed'
  /** One sentence for the user, with the path. */
  readonly message: string
}

export interface LabRequest {
  readonly policy: Policy
  readonly facts: HostFacts
  /** The compiled rules as nft text, to be loaded unchanged. */
  readonly rules: string
  readonly expected: (packet: Packet) => boolean
  readonly progress: (progress: LabStep) => void
}

/** How far a lab has come. */
export interface LabStep {
  readonly phase: string
  readonly done: number
  readonly total: number
}

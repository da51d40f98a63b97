import type { Result } from '../base/result.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { Kernel, KernelError } from '../kernel/kernel.ts'
import type { LabReport } from '../lab/lab-matrix.ts'
import type { Packet } from '../packet/packet.ts'
import type { Policy } from '../policy/policy.ts'
import type { SystemServices } from '../policy/system-services.ts'
import type { Table } from '../ruleset/ruleset.ts'

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
  /** The rules last applied, from the state folder; undefined where there are none. */
  readStoredRules(state: string): Promise<Result<Table | undefined, FileProblem>>
  /** Makes the state folder, or says why rules could not be stored in it: asked before anything is changed. */
  prepareState(state: string): Promise<Result<void, FileProblem>>
  storeRules(state: string, table: Table): Promise<Result<void, FileProblem>>
  /** Who sits at the other end: the SSH connection that this process descends from. */
  caller(facts: HostFacts): Promise<HostFacts['sshConnections'][number] | undefined>
  lab(request: LabRequest): Promise<Result<LabReport, KernelError>>
  /** Asks on the terminal; undefined where there is none. */
  ask(question: string): Promise<boolean | undefined>
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

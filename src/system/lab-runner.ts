import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { KernelError } from '../kernel/kernel.ts'
import type { LabReport } from '../lab/lab-matrix.ts'
import { labMatrix } from '../lab/lab-matrix.ts'
import { planLab } from '../lab/plan-lab.ts'
import type { Packet } from '../packet/packet.ts'
import type { Policy } from '../policy/policy.ts'
import { findProgram, PROGRAM_FOLDERS } from './command.ts'
import type { LabJob, LabMessage, LabPhase } from './lab-job.ts'

/** How the lab gets on, for a line that a person watches. */
export interface LabProgress {
  readonly phase: LabPhase
  readonly done: number
  readonly total: number
}

export interface LabIo {
  /** Seconds since 1970. */
  readonly now: number
  readonly onProgress: (progress: LabProgress) => void
}

/**
 * Builds a copy of the host in namespaces of its own, loads `rulesText` there with `nft -f` and lets everyone send
 * real packets. `expected` says what should become of a packet. Nothing of this machine is touched (but the kernel
 * may load its own modules for namespaces, bridges and rules), and nothing stays: it all lives in a PID namespace
 * that ends with this process, however this process ends.
 */
export async function runLab(
  policy: Policy,
  facts: HostFacts,
  rulesText: string,
  expected: (packet: Packet) => boolean,
  io: LabIo,
): Promise<Result<LabReport, KernelError>> {
  const absent = ['setpriv', 'unshare', 'ip', 'nft', 'perl'].filter((name) => findProgram(name) === undefined)
  if (absent.length > 0) {
    return fail({
      kind: 'unavailable',
      message: `the lab needs ${absent.join(', ')}, which this system lacks`,
    })
  }
  const plan = planLab(policy, facts, { now: io.now, tun: mayUseTun() })
  const wanted = plan.probes.map((probe) => expected(probe.packet))
  const outcome = await work({ plan, rulesText, expected: wanted }, io)
  if (!outcome.ok) return outcome
  const results = plan.probes.map((probe, index) => ({
    probe: probe.id,
    expected: wanted[index] ?? false,
    outcome: outcome.value.outcomes[index] ?? 'unreached',
  }))
  return ok(labMatrix(plan, results, outcome.value.seconds))
}

function work(job: LabJob, io: LabIo): Promise<Result<Extract<LabMessage, { kind: 'done' }>, KernelError>> {
  const [file, argv] = insideNamespaces([
    process.execPath,
    fileURLToPath(new URL('lab-worker.ts', import.meta.url)),
  ])
  const child = spawn(file, argv, { stdio: ['pipe', 'pipe', 'pipe'], env: workerEnvironment() })
  let heard: Result<Extract<LabMessage, { kind: 'done' }>, KernelError> | undefined
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint = (complaint + chunk).slice(-4000)
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    // Written by lab-worker.ts of the same checkout.
    const message = JSON.parse(line) as LabMessage
    if (message.kind === 'progress') io.onProgress(message)
    else if (message.kind === 'done') heard = ok(message)
    else heard = fail(refusalOf(message))
  })
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(job)}\n`)
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(fail(noLab(error.message))))
    child.on('close', () => resolve(heard ?? fail(noLab(complaint))))
  })
}

/** Nothing of the caller's but Node's store of compiled code, which bin/admit chooses. */
function workerEnvironment(): Readonly<Record<string, string>> {
  const cache = process.env['NODE_COMPILE_CACHE']
  return {
    PATH: PROGRAM_FOLDERS.join(':'),
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(cache !== undefined && { NODE_COMPILE_CACHE: cache }),
  }
}

/**
 * Two things end the lab with this process: the kernel kills it when its parent dies (`--pdeathsig`, which a user
 * namespace may clear), and its standard input closes.
 */
function insideNamespaces(argv: readonly string[]): readonly [string, readonly string[]] {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  return ['setpriv', ['--pdeathsig', 'KILL', 'unshare', ...user, ...namespaces, ...argv]]
}

function refusalOf(message: Extract<LabMessage, { kind: 'failed' }>): KernelError {
  const detail = printable(message.message)
  return message.reason === 'rules'
    ? { kind: 'rejected', message: 'nft refused the rules in the lab', detail }
    : { kind: 'unavailable', message: `the lab could not be built: ${detail}`, detail }
}

function noLab(complaint: string): KernelError {
  const detail = printable(complaint.trim())
  const barred = /not permitted|denied/i.test(complaint)
  return {
    kind: barred ? 'not-permitted' : 'unavailable',
    message: barred
      ? 'this user may not create network namespaces; run admit lab as root'
      : `the lab ended early${detail === '' ? '' : `: ${detail}`}`,
    detail,
  }
}

function mayUseTun(): boolean {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

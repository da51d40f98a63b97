import type { HostFacts } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { checkAgainstHost } from '../policy/against-host.ts'
import type { Diagnostic } from '../policy/diagnostic.ts'
import type { Policy } from '../policy/policy.ts'
import { readPolicyLazily } from '../policy/read-lazily.ts'
import type { DiagnosticJson } from '../policy/render-diagnostic.ts'
import { diagnosticJson, renderDiagnostics } from '../policy/render-diagnostic.ts'
import { printable } from '../base/terminal.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'

/** A policy that may be used, and the host that it was held against. */
export interface LoadedPolicy {
  readonly kind: 'loaded'
  readonly policy: Policy
  readonly facts: HostFacts
  readonly text: string
  readonly warnings: readonly Diagnostic[]
}

export interface NotLoaded {
  readonly kind: 'failed'
  readonly exit: ExitCode
}

export interface LoadOptions {
  /** Without it the policy is held against no host: interfaces and sightings are not looked at. */
  readonly host: boolean
}

/**
 * Reads the policy, holds it against this host, and prints everything that is wrong with it (standard error; with
 * --json the failing command's document). A policy with an error is not given out.
 */
export async function loadPolicy(
  context: Context,
  command: string,
  options: LoadOptions,
): Promise<LoadedPolicy | NotLoaded> {
  const { system, policyPath } = context
  const [file, services, host] = await Promise.all([
    system.readFile(policyPath),
    system.systemServices(),
    options.host ? system.hostFacts('policy') : { facts: UNKNOWN_HOST, notes: [] },
  ])
  if (!file.ok) return unreadable(context, command, file.error.message, file.error.kind === 'missing')
  const read = await readPolicyLazily(file.value, { systemServices: services, now: system.now() })
  const onHost = read.policy !== undefined && options.host ? checkAgainstHost(read.policy, host.facts) : []
  const diagnostics = [...read.diagnostics, ...onHost]
  printDiagnostics(context, diagnostics, file.value)
  for (const note of host.notes) context.output.warn(`note: ${printable(note)}`)
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  if (read.policy === undefined || errors.length > 0) {
    context.output.document(command, {
      result: 'policy-wrong',
      diagnostics: diagnosticsJson(context, diagnostics, file.value),
    })
    return { kind: 'failed', exit: EXIT.usage }
  }
  return { kind: 'loaded', policy: read.policy, facts: host.facts, text: file.value, warnings: diagnostics }
}

export function diagnosticsJson(
  context: Context,
  diagnostics: readonly Diagnostic[],
  text: string,
): readonly DiagnosticJson[] {
  return diagnostics.map((diagnostic) => diagnosticJson(diagnostic, context.policyPath, text))
}

function printDiagnostics(context: Context, diagnostics: readonly Diagnostic[], text: string): void {
  const { output, policyPath } = context
  if (output.json || diagnostics.length === 0) return
  output.warn(renderDiagnostics(diagnostics, { file: policyPath, text }, output.paint).trimEnd())
}

function unreadable(context: Context, command: string, message: string, missing: boolean): NotLoaded {
  const hint = missing ? '\nWrite a first one with `admit init`, or name another with --policy FILE.' : ''
  context.output.warn(`admit: ${printable(message)}${hint}`)
  context.output.document(command, { result: 'no-policy', message })
  return { kind: 'failed', exit: EXIT.usage }
}

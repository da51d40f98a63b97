import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import type { JournalError } from '../apply/journal.ts'
import type { CommandOutput, RunCommand } from './command.ts'
import { ENVIRONMENT } from './command.ts'
import { systemdRunsThisNetwork } from './process-identity.ts'

/** The shell script that does without Node what must also happen without Node (docs/decisions/007). */
export const GUARD = fileURLToPath(new URL('../../packaging/admit-guard', import.meta.url))

/** Milliseconds: the guard gives nft a minute, twice, and then the last resort. */
const PATIENCE = 240_000

/** Runs one of the guard's verbs to its end, in a session of its own: a terminal that closes does not end it. */
export async function runGuard(
  run: RunCommand,
  args: readonly string[],
  guard = GUARD,
): Promise<Result<CommandOutput, JournalError>> {
  const result = await run('/bin/sh', [guard, ...args], { timeout: PATIENCE, session: true })
  switch (result.kind) {
    case 'ran':
      return ok(result)
    case 'missing':
    case 'failed':
      return fail({ kind: 'failed', message: `the guard ${printable(guard)} could not be started` })
    default:
      return result satisfies never
  }
}

/** What the guard said was wrong: its last line. */
export function guardProblem(output: CommandOutput): JournalError {
  const said = output.stderr.trim().split('\n').at(-1) ?? ''
  const message = said === '' ? `the guard ended with ${output.code ?? output.signal ?? 'nothing'}` : said
  return { kind: 'failed', message: printable(message.replace(/^admit(-guard)?: /, '')) }
}

/**
 * Starts the watchdog: as a transient unit where systemd runs this network, since a session that ends may take all its
 * processes with it; else as a process in a session of its own. The answer tells whether it is known to have ended already.
 */
export async function startWatchdog(
  run: RunCommand,
  state: string,
  id: string,
  guard = GUARD,
): Promise<() => boolean> {
  if (await systemdRunsThisNetwork()) {
    const result = await run('systemd-run', watchdogUnit(guard, state, id), { timeout: 10_000 })
    if (result.kind === 'ran' && result.code === 0) return () => false
  }
  const child = spawn('/bin/sh', [guard, 'watch', state, id], {
    env: ENVIRONMENT,
    cwd: '/',
    detached: true,
    stdio: 'ignore',
  })
  let gone = false
  child.on('error', () => {
    gone = true
  })
  child.on('exit', () => {
    gone = true
  })
  child.unref()
  return () => gone
}

/**
 * The watchdog as a transient unit: why each of these, and no timer, is in docs/decisions/009-watchdog-units.md. Measured
 * on systemd 252 and 257 (tests/vm).
 */
export function watchdogUnit(guard: string, state: string, id: string): readonly string[] {
  return [
    '--quiet',
    '--collect',
    `--unit=admit-watchdog-${id}.service`,
    '--description=admit: undoes a change of rules that nobody confirms',
    // Answers only when the program is really running.
    '--service-type=exec',
    '--property=Restart=on-failure',
    '--property=RestartSec=100ms',
    '--property=RestartPreventExitStatus=2',
    '--property=StartLimitIntervalSec=0',
    // It is deaf to TERM: without this, shutting the machine down would wait 90 s for it.
    '--property=TimeoutStopSec=2s',
    '--property=OOMScoreAdjust=-1000',
    '--property=OOMPolicy=continue',
    '/bin/sh',
    // systemd puts the environment in place of ${NAME}, and one $ in place of two.
    guard.replaceAll('$', '$$$$'),
    'watch',
    state.replaceAll('$', '$$$$'),
    id,
  ]
}

import { execFileSync } from 'node:child_process'

const ENVIRONMENT = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }

/** Runs a command with text on its standard input; what it prints. A failure shows what it said. */
export function run(command: string, args: readonly string[], input = ''): string {
  try {
    return execFileSync(command, args, {
      input,
      encoding: 'utf8',
      env: ENVIRONMENT,
      timeout: 60_000,
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    throw new Error(`${command} ${args.join(' ')} failed: ${said}\n${input.slice(0, 2000)}`, { cause: error })
  }
}

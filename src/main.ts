import { EXIT } from './cli/exit-code.ts'
import { run } from './cli/program.ts'
import { hideToken } from './system/hide-token.ts'
import packageJson from '../package.json' with { type: 'json' }

hideToken(process.argv.slice(2))

/**
 * Output that cannot be written never ends the command in the middle: `admit apply | head -1` must apply and store all
 * the same. A pipe that nobody reads any more is no error of ours; a full disk under `admit show > FILE` is one.
 */
let lost: string | undefined
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') lost ??= error.code ?? error.message
})
process.stderr.on('error', () => {})

const code = await run({
  args: process.argv.slice(2),
  version: packageJson.version,
  env: process.env,
  streams: { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) },
  terminal: {
    out: process.stdout.isTTY === true,
    err: process.stderr.isTTY === true,
    width: process.stdout.columns ?? 80,
  },
  system: async () => (await import('./system/real-system.ts')).realSystem(),
})
process.exitCode = code
process.on('exit', () => {
  if (lost === undefined) return
  process.stderr.write(
    `admit: the output could not be written (${lost}); the command itself ended with ${code}\n`,
  )
  if (code === EXIT.done) process.exitCode = EXIT.system
})

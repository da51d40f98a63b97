import { EXIT } from './cli/exit-code.ts'
import { run } from './cli/program.ts'
import packageJson from '../package.json' with { type: 'json' }

/** A pipe that nobody reads any more (`admit show | head`) is no error of ours and ends the output quietly. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.system)
})

process.exitCode = await run({
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

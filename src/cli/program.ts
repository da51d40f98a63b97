import { Command, CommanderError, Option } from 'commander'
import { printable } from '../base/terminal.ts'
import { named } from './command-options.ts'
import type { Action } from './commands.ts'
import { addCommands } from './commands.ts'
import type { Context } from './context.ts'
import { DEFAULT_POLICY, DEFAULT_STATE } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import { EXIT } from './exit-code.ts'
import { HELP } from './help-texts.ts'
import type { Streams } from './output.ts'
import { coloured, createOutput, documentText, plain } from './output.ts'
import type { System } from './system.ts'

/** What the program is started with, apart from the machine itself. */
export interface Invocation {
  readonly args: readonly string[]
  readonly version: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly streams: Streams
  readonly terminal: { readonly out: boolean; readonly err: boolean; readonly width: number }
  /** Built only when a command needs it. */
  readonly system: () => Promise<System>
}

interface GlobalOptions {
  readonly policy?: string
  readonly state?: string
  readonly json?: boolean
  readonly color?: 'auto' | 'always' | 'never'
}

/** Runs one command line to its exit code. With --json exactly one document goes to standard output, whatever happens. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const json = wantsJson(invocation.args)
  let exit: ExitCode = EXIT.done
  let help = ''
  const streams = { ...invocation.streams, ...(json ? { out: (text: string) => void (help += text) } : {}) }
  const program = buildProgram(invocation, streams, (code) => {
    exit = code
  })
  const document = (body: Readonly<Record<string, unknown>>): void => {
    if (json) invocation.streams.out(`${documentText('admit', body)}\n`)
  }
  try {
    await program.parseAsync([...invocation.args], { from: 'user' })
    return exit
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportBug(error, invocation.streams, document)
    // commander has printed its message; help and --version end this way too, with exit code 0.
    if (error.exitCode === 0) document({ text: help.trimEnd() })
    else document({ result: 'usage', message: usageMessage(error) })
    return error.exitCode === 0 ? EXIT.done : EXIT.usage
  }
}

/** Also of a command line that cannot be read otherwise. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

function usageMessage(error: CommanderError): string {
  return error.code === 'commander.help' ? 'no command' : error.message.replace(/^error: /, '')
}

/** The only place where an InternalError is caught, and any other error that nobody expected. */
function reportBug(
  error: unknown,
  streams: Streams,
  document: (body: Readonly<Record<string, unknown>>) => void,
): ExitCode {
  const message = error instanceof Error ? error.message : String(error)
  const trace = error instanceof Error ? (error.stack ?? '') : ''
  streams.err(
    printableLines(
      `admit: a bug of admit's own: ${message}\n${trace}\nPlease report it with the command that you typed.\n`,
    ),
  )
  document({ result: 'bug', message })
  return EXIT.bug
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

type Settle = (code: ExitCode) => void

function buildProgram(invocation: Invocation, help: Streams, settle: Settle): Command {
  const program = new Command('admit')
  program
    .description(HELP.admit.summary)
    .version(`admit ${invocation.version}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureOutput({
      writeOut: help.out,
      writeErr: help.err,
      // It quotes what was typed, and that may have been pasted from anywhere.
      outputError: (text, write) => write(printableLines(text)),
    })
    .configureHelp({ showGlobalOptions: true, helpWidth: Math.min(invocation.terminal.width, 100) })
    .showHelpAfterError('(admit --help lists the commands and options)')
    .exitOverride()
    .option(
      '--policy <file>',
      `the policy (or ADMIT_POLICY; default ${DEFAULT_POLICY}; - is standard input)`,
      named,
    )
    .option('--state <dir>', `where stored rules are kept (or ADMIT_STATE; default ${DEFAULT_STATE})`, named)
    .option('--json', 'print one JSON document instead of text (docs/json.md)')
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .addHelpText('after', HELP.admit.after)
  const add = <Options>(
    name: keyof typeof HELP,
    action: Action<Options>,
    shape?: (command: Command) => void,
  ): void => {
    const command = program.command(name).description(HELP[name].summary)
    // Sub-commands copy these only when made by .command(); an unexpected word must never be ignored.
    command.allowExcessArguments(false)
    shape?.(command)
    command.addHelpText('after', HELP[name].after)
    command.action(async () => {
      // The argument of `lab FILE` is the policy.
      const file = name === 'lab' ? command.args[0] : undefined
      const given = command.optsWithGlobals<GlobalOptions>()
      const context = await contextFor(invocation, file === undefined ? given : { ...given, policy: file })
      // Each shape declares exactly the options of its command's type.
      settle(await action(context, command.optsWithGlobals() as Options, command.processedArgs as string[]))
    })
  }
  addCommands(add, invocation)
  addHelp(program, invocation, settle)
  return program
}

function addHelp(program: Command, invocation: Invocation, settle: Settle): void {
  const command = program.command('help').description(HELP.help.summary).addHelpText('after', HELP.help.after)
  command.argument('[topic]', 'a command, a diagnostic code, or exit-codes')
  command.action(async (topic: string | undefined) => {
    const named = program.commands.find((candidate) => candidate.name() === topic)
    if (topic === undefined || named !== undefined) return (named ?? program).help()
    const context = await contextFor(invocation, command.optsWithGlobals<GlobalOptions>())
    const words = program.commands.map((candidate) => candidate.name())
    settle((await import('./commands/help.ts')).helpTopic(context, topic, words))
  })
}

async function contextFor(invocation: Invocation, options: GlobalOptions): Promise<Context> {
  const { env, streams, terminal } = invocation
  const when = options.color ?? 'auto'
  const auto = terminal.out && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  const paint = when === 'always' || (when === 'auto' && auto) ? coloured : plain
  return {
    system: await invocation.system(),
    output: createOutput(streams, { json: options.json === true, paint }),
    policyPath: options.policy ?? nonEmpty(env['ADMIT_POLICY']) ?? DEFAULT_POLICY,
    statePath: options.state ?? nonEmpty(env['ADMIT_STATE']) ?? DEFAULT_STATE,
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { printable } from '../base/terminal.ts'
import type { ForceWords } from '../apply/force.ts'
import { parseForce } from '../apply/force.ts'
import type { ChangeOptions } from './change.ts'
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

/** Columns for a table that goes into a file or a pipe, where nothing wraps. */
const UNWRAPPED = 200

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
type Action<Options> = (context: Context, options: Options, args: readonly string[]) => Promise<ExitCode>

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
  addPolicyCommands(add)
  addRuleCommands(add, invocation)
  addHostCommands(add)
  addHelp(program, invocation, settle)
  return program
}

type Add = <Options>(
  name: keyof typeof HELP,
  action: Action<Options>,
  shape?: (command: Command) => void,
) => void

const hostOption = (command: Command): void => {
  command.option('--no-host', 'do not hold the policy against this host: it is meant for another one')
}

function addPolicyCommands(add: Add): void {
  add<{ host: boolean }>(
    'check',
    async (context, options) => (await import('./commands/check.ts')).check(context, options),
    hostOption,
  )
  add<{ host: boolean; as: 'nft' | 'json' }>(
    'show',
    async (context, options) => (await import('./commands/show.ts')).show(context, options),
    (command) => {
      hostOption(command)
      command.addOption(
        new Option('--as <form>', 'nft text, or the model as JSON').choices(['nft', 'json']).default('nft'),
      )
    },
  )
  add<{ from: string; to: string; on?: string; host: boolean }>(
    'explain',
    async (context, options) => (await import('./commands/explain.ts')).explain(context, options),
    (command) => {
      command.requiredOption(
        '--from <who>',
        'a device or group, a MAC address, an address, or stranger',
        named,
      )
      command.requiredOption('--to <service>', 'a service, everything, or PORT/PROTO such as 22/tcp', named)
      command.option('--on <interface>', 'only packets that arrive there', named)
      hostOption(command)
    },
  )
}

function addRuleCommands(add: Add, { terminal, env }: Invocation): void {
  add('plan', async (context) => (await import('./commands/plan.ts')).plan(context))
  add<ChangeFlags>(
    'apply',
    async (context, flags) => (await import('./commands/apply.ts')).apply(context, changeOptions(flags)),
    changeFlags,
  )
  for (const name of ['start', 'reload'] as const) {
    add<ChangeFlags>(
      name,
      async (context, flags) =>
        (await import('./commands/stored-rules.ts')).loadStored(context, name, changeOptions(flags)),
      changeFlags,
    )
  }
  for (const name of ['stop', 'flush'] as const) {
    add<ChangeFlags & { readonly open?: boolean }>(
      name,
      async (context, flags) =>
        (await import('./commands/stored-rules.ts')).removeRules(context, name, {
          ...changeOptions(flags),
          open: flags.open === true,
        }),
      (command) => {
        command.option('--open', 'yes, leave this host open')
        changeFlags(command)
      },
    )
  }
  addTransactionCommands(add)
  add('status', async (context) => (await import('./commands/status.ts')).status(context))
  add(
    'lab',
    async (context) =>
      (await import('./commands/lab.ts')).lab(context, {
        unicode: /UTF-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''),
        interactive: terminal.err,
        width: terminal.out ? terminal.width : UNWRAPPED,
      }),
    (command) => {
      command.argument('[file]', 'the policy, in place of --policy', named)
    },
  )
}

interface ChangeFlags {
  readonly confirmWithin?: number
  readonly confirm: boolean
  readonly force?: ForceWords
}

/** What every command that changes the rules takes. */
function changeFlags(command: Command): void {
  command.option('--confirm-within <time>', 'how long a confirmation may take: 60s, 5m, at most 1h', duration)
  command.option('--no-confirm', 'all the checks, but keep the rules without a confirmation (unproven)')
  command.option(
    '--force <words>',
    'go on although a check fails: tests, me, admin NAME, joined by commas',
    forceWords,
  )
}

function changeOptions(flags: ChangeFlags): ChangeOptions {
  return { confirmWithin: flags.confirmWithin, confirm: flags.confirm, force: flags.force }
}

/** From 1s to 1h, in seconds; a bare number is one of seconds. */
function duration(text: string): number {
  const found = /^([1-9]\d{0,3})([smh]?)$/.exec(text)
  const unit = found?.[2]
  const seconds = Number(found?.[1]) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1)
  if (found === null || seconds > 3600)
    throw new InvalidArgumentError('Write it like 60s, 5m or 1h; at most 1h.')
  return seconds
}

function forceWords(text: string): ForceWords {
  const words = parseForce(text)
  if (words.ok) return words.value
  throw new InvalidArgumentError(words.error)
}

/** A restore point's name: it must not look like a number, and is typed on command lines. */
function pointName(text: string): string {
  if (!/^(?=.*[a-z])[a-z0-9][a-z0-9._-]{0,39}$/i.test(text)) {
    throw new InvalidArgumentError(
      'A name is letters, digits, `.`, `_` and `-`, with a letter in it; at most 40.',
    )
  }
  return text
}

function addTransactionCommands(add: Add): void {
  add<{ readonly here?: boolean }>(
    'confirm',
    async (context, flags, [token]) =>
      (await import('./commands/confirm.ts')).confirm(context, { token, here: flags.here === true }),
    (command) => {
      command.argument('[token]', 'the token that the change printed; - reads it from standard input', named)
      command.option('--here', 'this is a console: nothing is proven, and it is recorded so')
    },
  )
  add<ChangeFlags>(
    'rollback',
    async (context, flags, [point]) =>
      (await import('./commands/rollback.ts')).rollback(context, point, changeOptions(flags)),
    (command) => {
      command.argument('[point]', 'a restore point, by number or name', named)
      changeFlags(command)
    },
  )
  add<{ readonly text?: boolean; readonly diff?: string | true }>(
    'history',
    async (context, flags, [point]) =>
      (await import('./commands/history.ts')).history(context, point, {
        policy: flags.text === true,
        diff: flags.diff,
      }),
    (command) => {
      command.argument('[point]', 'one restore point, by number or name', named)
      command.option('--text', 'print the policy that it was made from')
      command.option('--diff [other]', 'what going back to it would change, from the kernel or another point')
    },
  )
  add(
    'save',
    async (context, _, [name]) => (await import('./commands/save.ts')).save(context, name),
    (command) => {
      command.argument('[name]', 'what to call it', pointName)
    },
  )
}

function addHostCommands(add: Add): void {
  add<{ yes?: boolean; force?: boolean }>(
    'init',
    async (context, options) =>
      (await import('./commands/init.ts')).init(context, {
        yes: options.yes === true,
        force: options.force === true,
      }),
    (command) => {
      command.option('--yes', 'write without asking')
      command.option('--force', 'write over a policy that is there already')
    },
  )
  add('whoami', async (context) => (await import('./commands/whoami.ts')).whoami(context))
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

/** An option's value that must not be empty: `--policy ""` is a shell variable that was not set. */
function named(value: string): string {
  if (value === '') throw new InvalidArgumentError('It is empty.')
  return value
}

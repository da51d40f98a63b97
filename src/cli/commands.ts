import type { Command } from 'commander'
import { Option } from 'commander'
import type { ChangeFlags } from './command-options.ts'
import { changeFlags, changeOptions, named, pointName } from './command-options.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import type { HELP } from './help-texts.ts'

/** What a command does with its options and arguments. */
export type Action<Options> = (
  context: Context,
  options: Options,
  args: readonly string[],
) => Promise<ExitCode>

/** Makes a command known; `shape` declares exactly the options of its type. */
export type Add = <Options>(
  name: keyof typeof HELP,
  action: Action<Options>,
  shape?: (command: Command) => void,
) => void

/** Where the program runs. */
interface Surroundings {
  readonly terminal: { readonly out: boolean; readonly err: boolean; readonly width: number }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Columns for a table that goes into a file or a pipe, where nothing wraps. */
const UNWRAPPED = 200

/** All commands but `help`, each loaded when it is called. */
export function addCommands(add: Add, surroundings: Surroundings): void {
  addPolicyCommands(add)
  addRuleCommands(add, surroundings)
  addHostCommands(add)
}

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

function addRuleCommands(add: Add, { terminal, env }: Surroundings): void {
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

import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { printable } from '../base/terminal.ts'
import { identifier, isIdentifier } from '../backends/nftables/names.ts'
import { readJson } from '../backends/nftables/read-json.ts'
import type { ReadObservation } from '../backends/nftables/read-observation.ts'
import { handleOfGoto, readRuleTexts } from '../backends/nftables/rule-texts.ts'
import { isDormantText, readObservation, unreadableTable } from '../backends/nftables/read-observation.ts'
import { readTableNames } from '../backends/nftables/read-text.ts'
import type { GotoHandles } from '../backends/nftables/render.ts'
import { operationAtLine, renderTransaction } from '../backends/nftables/render.ts'
import type { Capabilities, Kernel, KernelError, Observation } from '../kernel/kernel.ts'
import type { Table, TableRef } from '../ruleset/ruleset.ts'
import type { Transaction } from '../ruleset/transaction.ts'
import type { CommandOutput, RunCommand } from './command.ts'
import { runCommand } from './command.ts'

export interface NftOptions {
  /** The command that is nft, with arguments before its own: `['chroot', FOLDER, '/usr/sbin/nft']`. */
  readonly command?: readonly [string, ...string[]]
  readonly run?: RunCommand
  /** Milliseconds that one call may take; 10,000 elements need well under one second. */
  readonly timeout?: number
}

/**
 * Ties nft's life to this process's: killed in the middle of a change, it must not leave an nft behind that makes the change
 * after the watchdog has undone it, or half of it, since the text on its input ends early. The shell sees to the one
 * case that the death signal misses: that this process died before the signal was asked for.
 */
const TIED: readonly string[] = [
  'setpriv',
  '--pdeathsig',
  'KILL',
  '/bin/sh',
  '-c',
  '[ "$PPID" = "$1" ] || exit 4; shift; exec "$@"',
  'sh',
  String(process.pid),
]

/** The real netfilter of this network namespace, by way of the `nft` program. */
export class NftKernel implements Kernel {
  readonly #command: readonly [string, ...string[]]
  readonly #run: RunCommand
  readonly #timeout: number

  constructor(options: NftOptions = {}) {
    this.#command = options.command ?? ['nft']
    this.#run = options.run ?? runCommand
    this.#timeout = options.timeout ?? 60_000
  }

  async capabilities(): Promise<Result<Capabilities, KernelError>> {
    const output = await this.#nft(['--version'])
    if (!output.ok) return output
    const version = /\bv(\d+\.\d+\.\d+)\b/.exec(output.value.stdout)?.[1]
    if (version === undefined) {
      return fail(unreadable('`nft --version` does not tell its version', output.value.stdout))
    }
    return ok({ nftVersion: version })
  }

  async check(transaction: Transaction): Promise<Result<void, KernelError>> {
    return this.#load(['-c', '-f', '-'], transaction, [])
  }

  async apply(transaction: Transaction): Promise<Result<void, KernelError>> {
    return this.#load(['-f', '-'], transaction, TIED)
  }

  async observe(table: TableRef): Promise<Result<Table | undefined, KernelError>> {
    // nft joins its arguments and parses them as one text: a name is checked before it becomes one.
    const output = await this.#nft(['-j', '-n', 'list', 'table', table.family, identifier(table.name)])
    if (!output.ok) return output.error.kind === 'not-found' ? ok(undefined) : output
    const read = readJson(output.value.stdout)
    if (!read.ok) return fail(unreadable(read.error, output.value.stdout))
    const strange = read.value.unread.find((item) => item.weight !== 'detail')
    if (strange !== undefined) {
      const where = printable(`${table.family} ${table.name}`)
      const wayOut = 'remove that by hand, or all of it with `admit stop --open` before `admit apply`'
      return fail(
        unreadable(`the table ${where} holds something that admit did not make: ${wayOut}`, strange.what),
      )
    }
    return ok(
      read.value.ruleset.tables.find(({ family, name }) => family === table.family && name === table.name),
    )
  }

  async tables(): Promise<Result<readonly TableRef[], KernelError>> {
    // As text: the JSON of nft 1.0.6 is broken where a table has a flag.
    const output = await this.#nft(['list', 'tables'])
    return output.ok ? ok(readTableNames(output.value.stdout)) : output
  }

  async observeAll(): Promise<Result<Observation, KernelError>> {
    const output = await this.#nft(['-j', '-n', 'list', 'ruleset'])
    if (!output.ok) return output
    const first = readObservation(output.value.stdout)
    if (!first.ok) return this.#observeEach()
    const { ruleset, notes, flagged } = first.value.opaque
      ? await this.#withTexts(output.value.stdout, first.value)
      : first.value
    const asleep = new Set<string>()
    for (const table of flagged) if (await this.#isDormant(table)) asleep.add(`${table.family} ${table.name}`)
    const tables = ruleset.tables.map(
      (table): Table => (asleep.has(`${table.family} ${table.name}`) ? { ...table, dormant: true } : table),
    )
    return ok({ ruleset: { tables }, notes })
  }

  /** The same listing read with nft's own text of each rule; without that what the JSON told stands. */
  async #withTexts(json: string, first: ReadObservation): Promise<ReadObservation> {
    const output = await this.#nft(['-a', '-n', 'list', 'ruleset'])
    if (!output.ok) return first
    const read = readObservation(json, readRuleTexts(output.value.stdout))
    return read.ok ? read.value : first
  }

  /** Where the listing of all is no JSON, that of one table spoils it: the others are read, and it is in doubt. */
  async #observeEach(): Promise<Result<Observation, KernelError>> {
    const refs = await this.tables()
    if (!refs.ok) return refs
    const tables: Table[] = []
    const notes: string[] = []
    for (const ref of refs.value) {
      const output = isIdentifier(ref.name)
        ? await this.#nft(['-j', '-n', 'list', 'table', ref.family, ref.name])
        : undefined
      if (output?.ok === false && output.error.kind === 'not-found') continue
      const read = output?.ok === true ? readObservation(output.value.stdout) : undefined
      const dormant = (await this.#isDormant(ref)) || undefined
      if (read?.ok === true) {
        notes.push(...read.value.notes)
        tables.push(
          ...read.value.ruleset.tables.map((table): Table => (dormant ? { ...table, dormant } : table)),
        )
      } else {
        notes.push(printable(`table ${ref.family} ${ref.name} could not be read`))
        tables.push(dormant ? { ...unreadableTable(ref), dormant } : unreadableTable(ref))
      }
    }
    return ok({ ruleset: { tables }, notes })
  }

  /** By its text, which tells flags truly in every version. */
  async #isDormant(table: TableRef): Promise<boolean> {
    if (!isIdentifier(table.name)) return false
    const output = await this.#nft(['list', 'table', table.family, table.name])
    return output.ok && isDormantText(output.value.stdout)
  }

  async #load(
    args: readonly string[],
    transaction: Transaction,
    launcher: readonly string[],
  ): Promise<Result<void, KernelError>> {
    if (transaction.operations.length === 0) return ok(undefined)
    const handles = await this.#handles(transaction)
    if (!handles.ok) return handles
    const output = await this.#nft(args, renderTransaction(transaction, handles.value), launcher)
    if (output.ok) return ok(undefined)
    const origin = originOf(transaction, handles.value, output.error.detail ?? '')
    return fail(origin === undefined ? output.error : { ...output.error, origin })
  }

  /** Handles are never given twice in a table: should the rule be another by the time nft runs, nft finds nothing there. */
  async #handles({ table, operations }: Transaction): Promise<Result<GotoHandles, KernelError>> {
    const handles = new Map<string, number>()
    for (const operation of operations) {
      if (operation.kind !== 'delete-goto') continue
      const { chain, target } = operation
      const where = [table.family, identifier(table.name), identifier(chain)]
      const output = await this.#nft(['-a', 'list', 'chain', ...where])
      if (!output.ok) return output
      const handle = handleOfGoto(output.value.stdout, target)
      if (handle === undefined) {
        const message = `the chain ${printable(chain)} does not begin with a goto ${printable(target)}`
        return fail({ kind: 'not-found', message })
      }
      handles.set(chain, handle)
    }
    return ok(handles)
  }

  async #nft(
    args: readonly string[],
    stdin = '',
    launcher: readonly string[] = [],
  ): Promise<Result<CommandOutput, KernelError>> {
    const [program = 'nft', ...before] = [...launcher, ...this.#command]
    const result = await this.#run(program, [...before, ...args], { stdin, timeout: this.#timeout })
    switch (result.kind) {
      case 'missing': {
        const part = launcher.length === 0 ? 'nftables' : 'util-linux'
        return fail({
          kind: 'unavailable',
          message: `the program ${printable(result.program)} is not installed: apt install ${part}`,
        })
      }
      case 'failed':
        return fail({
          kind: 'unavailable',
          message: `the program ${printable(result.program)} could not be started`,
          detail: printable(result.reason),
        })
      case 'ran':
        return result.code === 0 && !result.truncated ? ok(result) : fail(classify(result))
      default:
        return result satisfies never
    }
  }
}

/** The one place where nft's exit and words become an error of ours. */
export function classify(output: CommandOutput): KernelError {
  const detail = printableLines(output.stderr)
  const error = (kind: KernelError['kind'], message: string): KernelError => ({ kind, message, detail })
  if (output.timedOut)
    return error(
      'timed-out',
      'nft did not answer in time and was stopped: `admit status` tells what holds now',
    )
  if (output.truncated) return error('too-large', 'nft printed more than admit is willing to read')
  const reason = firstError(output.stderr)
  if (/Operation not permitted|Permission denied|you must be root/.test(output.stderr)) {
    return error(
      'not-permitted',
      'changing and reading netfilter rules takes root (or CAP_NET_ADMIN): try sudo',
    )
  }
  if (/Message too long|No buffer space available/.test(output.stderr)) {
    return error('too-large', 'the kernel refused so many elements in one batch')
  }
  if (/Protocol not supported|cache initialization failed|Unable to initialize Netlink/.test(output.stderr)) {
    return error('unavailable', `this kernel lacks a part of nftables: ${reason}`)
  }
  // Exit code 127 is the loader's, for a library of nft's that is missing, in the same words.
  if (output.code === 1 && /No such file or directory|element does not exist/.test(output.stderr)) {
    return error('not-found', `nft found nothing there: ${reason}`)
  }
  if (output.signal !== undefined) return error('unavailable', `nft was ended by ${printable(output.signal)}`)
  return error('rejected', `nft refused: ${reason}`)
}

function firstError(stderr: string): string {
  const line = stderr.split('\n').find((text) => /Error:/.test(text)) ?? stderr.split('\n')[0] ?? ''
  const words = line.replace(/^.*?Error:\s*/, '').trim()
  return printable(words === '' ? 'no reason given' : words).slice(0, 300)
}

/** nft quotes the offending input, which holds text from the policy: every line of it is made harmless. */
function printableLines(text: string): string {
  return text
    .slice(0, 10_000)
    .split('\n')
    .map((line) => printable(line.replaceAll('\t', ' ')))
    .join('\n')
    .trimEnd()
}

/** `/dev/stdin:3:1-20: Error: …` names the line of the rendered transaction, and that line's rule its origin. */
function originOf(transaction: Transaction, handles: GotoHandles, stderr: string): string | undefined {
  const line = /^[^\s:]*stdin:(\d+):/m.exec(stderr)?.[1]
  const operation = line === undefined ? undefined : operationAtLine(transaction, Number(line), handles)
  return operation?.kind === 'add-rule' ? operation.rule.comment : undefined
}

function unreadable(message: string, detail: string): KernelError {
  return { kind: 'unreadable', message: printable(message), detail: printableLines(detail) }
}

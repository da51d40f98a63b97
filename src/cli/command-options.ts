import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { ForceWords } from '../apply/force.ts'
import { parseForce } from '../apply/force.ts'
import type { ChangeOptions } from './change.ts'

/** As the command line gives them. */
export interface ChangeFlags {
  readonly confirmWithin?: number
  readonly confirm: boolean
  readonly force?: ForceWords
}

/** Declares what every command that changes the rules takes. */
export function changeFlags(command: Command): void {
  command.option('--confirm-within <time>', 'how long a confirmation may take: 60s, 5m, at most 1h', duration)
  command.option('--no-confirm', 'all the checks, but keep the rules without a confirmation (unproven)')
  command.option(
    '--force <words>',
    'go on although a check fails: tests, me, admin NAME, joined by commas',
    forceWords,
  )
}

export function changeOptions(flags: ChangeFlags): ChangeOptions {
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
export function pointName(text: string): string {
  if (!/^(?=.*[a-z])[a-z0-9][a-z0-9._-]{0,39}$/i.test(text)) {
    throw new InvalidArgumentError(
      'A name is letters, digits, `.`, `_` and `-`, with a letter in it; at most 40.',
    )
  }
  return text
}

/** An option's value that must not be empty: `--policy ""` is a shell variable that was not set. */
export function named(value: string): string {
  if (value === '') throw new InvalidArgumentError('It is empty.')
  return value
}

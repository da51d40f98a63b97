import { nearest } from '../../base/suggest.ts'
import { printable } from '../../base/terminal.ts'
import { CODES, codePage } from '../../policy/codes.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'

const EXIT_CODES = `Exit codes, the same for every command:

  0   done, yes, nothing to change
  1   no: differs, refused, a finding, changes pending
  2   the command line or the policy is wrong
  3   refused for safety: one of the policy's tests fails, or --open is missing
  4   the system refused; nothing changed
  5   changed and not as meant: repair needed, it says how
  70  a bug of admit's: please report it`

/** `admit help TOPIC`: the page of a diagnostic code, or the exit codes. */
export function helpTopic(context: Context, topic: string, commands: readonly string[]): ExitCode {
  const { output } = context
  if (topic === 'exit-codes') {
    output.say(EXIT_CODES)
    output.document('help', { topic, text: EXIT_CODES })
    return EXIT.done
  }
  const page = codePage(topic)
  if (page === undefined) {
    const near = nearest(topic, [...Object.keys(CODES), ...commands, 'exit-codes'])
    const hint =
      near === undefined ? 'Codes stand in brackets in what `admit check` prints.' : `Did you mean ${near}?`
    output.warn(`admit: no help about ${printable(topic)}. ${hint}`)
    output.document('help', { result: 'usage', topic })
    return EXIT.usage
  }
  output.say(page.trimEnd())
  output.document('help', { topic, text: page.trimEnd() })
  return EXIT.done
}

import { printable } from '../../base/terminal.ts'
import { firstPolicy } from '../../policy/first-policy.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import type { FileProblem } from '../system.ts'

export interface InitOptions {
  readonly yes: boolean
  /** Write over a policy that is there already. */
  readonly force: boolean
}

/** `admit init`: shows a first policy made from what is seen here, and writes it after a yes. */
export async function init(context: Context, options: InitOptions): Promise<ExitCode> {
  const { output, system, policyPath } = context
  if (policyPath !== '-' && !options.force && (await system.readFile(policyPath)).ok) {
    output.warn(`admit: ${printable(policyPath)} is there already. \`admit init --force\` writes over it.`)
    output.document('init', { result: 'exists', policy: policyPath })
    return EXIT.usage
  }
  const { facts, notes } = await system.hostFacts('all')
  const first = firstPolicy(facts, await system.caller(facts))
  output.say(first.text.trimEnd())
  output.say()
  for (const warning of [...first.warnings, ...notes])
    output.warn(`${output.paint('yellow', 'warning:')} ${printable(warning)}`)
  if (policyPath === '-') {
    output.document('init', { result: 'printed', text: first.text, warnings: first.warnings })
    return EXIT.done
  }
  const agreed = options.yes || (await system.ask(`Write this to ${printable(policyPath)}? [y/N] `))
  if (agreed !== true) {
    const why =
      agreed === undefined
        ? 'There is no terminal to ask on: `admit init --yes` writes it.'
        : 'Nothing was written.'
    output.warn(why)
    output.document('init', { result: 'not-written', text: first.text, warnings: first.warnings })
    return EXIT.no
  }
  const written = await system.writeFile(policyPath, first.text, { replace: options.force })
  if (!written.ok) return notWritten(context, written.error)
  output.say(
    `Written to ${printable(policyPath)}. Read it, change it, then: admit check, admit lab, admit plan, admit apply.`,
  )
  output.document('init', {
    result: 'written',
    policy: policyPath,
    text: first.text,
    warnings: first.warnings,
  })
  return EXIT.done
}

function notWritten({ output }: Context, problem: FileProblem): ExitCode {
  output.warn(`admit: ${printable(problem.message)}`)
  output.document('init', { result: 'not-written', message: problem.message })
  return problem.kind === 'exists' ? EXIT.usage : EXIT.system
}

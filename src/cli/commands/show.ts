import { renderTable } from '../../backends/nftables/render.ts'
import { compile } from '../../compile/compile.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { documentText } from '../output.ts'
import { loadPolicy } from '../load-policy.ts'

export interface ShowOptions {
  readonly as: 'nft' | 'json'
  readonly host: boolean
}

/** `admit show`: the rules that the policy compiles to, as nft text or as the model in JSON. Changes nothing. */
export async function show(context: Context, options: ShowOptions): Promise<ExitCode> {
  const loaded = await loadPolicy(context, 'show', options)
  if (loaded.kind === 'failed') return loaded.exit
  const table = compile(loaded.policy, loaded.facts, { now: Math.floor(context.system.now()) })
  const { output } = context
  // `say` is silent with --json, when the document says it all.
  output.say(options.as === 'json' ? documentText('show', { table }) : renderTable(table).trimEnd())
  output.document('show', { table })
  return EXIT.done
}

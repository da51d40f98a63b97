/**
 * Stands where `admit confirm` will stand: prints as JSON how it was reached and what that proves.
 * usage: node caller-child.ts FILE [none|right|wrong] [here]     FILE holds { entry, window } as JSON
 */
import { readFileSync } from 'node:fs'
import type { ConfirmJudgement } from '../../src/apply/confirm.ts'
import { judgeConfirm } from '../../src/apply/confirm.ts'
import type { JournalEntry, Window } from '../../src/apply/journal.ts'
import type { CallerPath } from '../../src/host/caller.ts'
import { findCaller, findCallerPath, whoActs } from '../../src/system/caller.ts'
import { runCommand } from '../../src/system/command.ts'
import { readHostFacts } from '../../src/system/host-reader.ts'

/** What it prints. */
export interface CallerReport {
  readonly path: CallerPath
  readonly judgement: ConfirmJudgement
  readonly who: string
  /** The port of the client that the advice of `init` and `whoami` goes by. */
  readonly advised: number | undefined
  /** SSH_CONNECTION as this process was given it. */
  readonly hint: string | undefined
}

const [, , file = '', typed = 'none', here] = process.argv
const { entry, window } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly entry: JournalEntry
  readonly window: Window
}
const hint = process.env['SSH_CONNECTION']
const { facts } = await readHostFacts(runCommand, ['sockets'])
const path = await findCallerPath(facts)
const token = typed === 'right' || typed === 'wrong' ? typed : 'none'
const report: CallerReport = {
  path,
  judgement: judgeConfirm({ entry, window, path, facts, token, here: here === 'here' }),
  who: await whoActs(),
  advised: (await findCaller(facts, hint))?.remote.port,
  hint,
}
process.stdout.write(`${JSON.stringify(report)}\n`)

import { renderTable } from '../../backends/nftables/render.ts'
import { printable } from '../../base/terminal.ts'
import { compile } from '../../compile/compile.ts'
import { explainDifference } from '../../lab/lab-matrix.ts'
import { matrixText } from '../../lab/matrix-text.ts'
import { judge } from '../../policy/meaning.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'
import { loadPolicy } from '../load-policy.ts'
import { systemRefused } from '../prepare.ts'
import type { LabStep } from '../system.ts'

export interface LabOptions {
  /** Characters beyond ASCII may be used. */
  readonly unicode: boolean
  readonly interactive: boolean
  readonly width: number
}

/** `admit lab`: real packets from everybody to every service, in a copy of this host. 1 on a difference from `explain`. */
export async function lab(context: Context, options: LabOptions): Promise<ExitCode> {
  const loaded = await loadPolicy(context, 'lab', { host: true })
  if (loaded.kind === 'failed') return loaded.exit
  const { policy, facts } = loaded
  const { output, system } = context
  const report = await system.lab({
    policy,
    facts,
    rules: renderTable(compile(policy, facts, { now: Math.floor(system.now()) })),
    expected: (packet) => judge(policy, facts, packet).verdict === 'admitted',
    progress: progressLine(context, options.interactive),
  })
  if (options.interactive && !output.json) output.progress()
  if (!report.ok) return systemRefused(context, 'lab', report.error)
  output.say(
    matrixText(report.value, { unicode: options.unicode, width: options.width, paint: output.paint }),
  )
  for (const difference of report.value.differences.slice(0, 10)) {
    output.warn(printable(explainDifference(difference)))
  }
  const { differences, unreached } = report.value
  const result = differences.length > 0 ? 'differs' : unreached > 0 ? 'incomplete' : 'as-explained'
  if (unreached > 0) {
    output.warn(
      `admit: ${unreached} packets (? in the matrix) went nowhere even without rules: of them nothing is known`,
    )
  }
  output.document('lab', { result, report: report.value })
  return LAB_EXIT[result]
}

const LAB_EXIT = { 'as-explained': EXIT.done, differs: EXIT.no, incomplete: EXIT.system } as const

/** One line that is written over on a terminal; elsewhere a line a phase. */
function progressLine(context: Context, interactive: boolean): (step: LabStep) => void {
  let phase = ''
  return (step) => {
    if (context.output.json) return
    if (interactive) context.output.progress(`${step.phase} ${step.done}/${step.total}`)
    else if (step.phase !== phase) context.output.warn(`${step.phase} …`)
    phase = step.phase
  }
}

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { agentOf, buildLab } from './lab-build.ts'
import type { LabJob, LabMessage } from './lab-job.ts'
import { collectAnswers, tryRules, tryWires } from './lab-rounds.ts'

/**
 * The process inside the lab: process 1 of a PID namespace, living in the host copy. When its standard input closes,
 * because the runner ended or was killed, it exits, and the kernel ends everything else in here.
 */
function main(): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('close', () => process.exit(1))
  lines.once('line', (line) => {
    // Written by the runner of the same checkout from a LabJob.
    const job = JSON.parse(line) as LabJob
    work(job).then(
      () => process.exit(0),
      (error: unknown) => {
        say({
          kind: 'failed',
          reason: 'system',
          message: error instanceof Error ? error.message : String(error),
        })
        process.exit(0)
      },
    )
  })
}

async function work(job: LabJob): Promise<void> {
  const begun = performance.now()
  const { plan } = job
  const answers = collectAnswers()
  const lab = await buildLab(
    plan,
    (probe, admitted) => answers.onAnswer(probe, admitted),
    (done, total) => say({ kind: 'progress', phase: 'build', done, total }),
  )
  await Promise.all(
    plan.listeners.map(({ machine, protocol, port, address, zone }) =>
      agentOf(lab, machine).listen(protocol, port, zone === undefined ? address : `${address}%${zone}`),
    ),
  )
  const total = plan.probes.length
  const unreached = await tryWires(lab, plan, answers, (done) =>
    say({ kind: 'progress', phase: 'wires', done, total }),
  )
  const refusal = await loadRules(job.rulesText)
  if (refusal !== undefined) {
    say({ kind: 'failed', reason: 'rules', message: refusal })
    return
  }
  const outcomes = await tryRules(lab, plan, { expected: job.expected, unreached }, answers, (done) =>
    say({ kind: 'progress', phase: 'rules', done, total }),
  )
  say({ kind: 'done', outcomes, seconds: (performance.now() - begun) / 1000 })
}

/** What nft said when it refused the text; undefined when it took it. */
function loadRules(text: string): Promise<string | undefined> {
  const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(text)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0 ? undefined : said.trim() || `nft ended with ${code}`))
  })
}

function say(message: LabMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

main()

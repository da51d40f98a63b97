/** A program that runs a lab, so that a test can kill it. usage: node lab-child.ts; writes a line for each phase. */
import { runSmallLab } from './lab-hosts.ts'

let phase = ''
const report = await runSmallLab((progress) => {
  if (progress.phase !== phase) process.stdout.write(`${progress.phase}\n`)
  phase = progress.phase
})
process.stdout.write(report.ok ? 'done\n' : `failed: ${report.error.message}\n`)

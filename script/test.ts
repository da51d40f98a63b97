/**
 * Runs the tests in tiers and counts them. script/test calls it, after script/bootstrap.
 *
 *   unit    src/ and tests/*.test.ts, in this process's own network
 *   kernel  each file of tests/kernel in private namespaces (script/netns), as many at once as there are cores
 *
 * Other arguments are files or globs to run instead: those below tests/ but not directly in it run in namespaces.
 */
import { spawn, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { Report } from './reporter.ts'

interface Tier {
  readonly name: string
  readonly files: readonly string[]
  readonly isolated: boolean
}

interface Totals {
  passed: number
  readonly failures: string[]
  readonly skips: string[]
}

const NETNS = './script/netns'

const { long, wanted } = commandLine()
const environment: NodeJS.ProcessEnv = { ...process.env, ...(long ? { ADMIT_LONG: '1' } : {}) }
// Under CI the laws take many cases, which .ci/run asks for by name; all tests together stay below five minutes
// whoever runs them. Some runners set CI to nothing, which is none.
if (wanted.length === 0 || environment['CI'] === '') delete environment['CI']
/** A test that takes longer hangs. All of them are done in five minutes; those asked for by name may be slow. */
const minutes = long ? 600 : wanted.length > 0 ? 30 : 4

const totals: Totals = { passed: 0, failures: [], skips: [] }
for (const tier of tiers()) await runTier(tier)
finish()

function commandLine(): { readonly long: boolean; readonly wanted: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { long: { type: 'boolean', default: false } },
    })
    return { long: values.long, wanted: positionals }
  } catch (error) {
    console.error(`test: ${error instanceof Error ? error.message : String(error)}`)
    return process.exit(2)
  }
}

function tiers(): readonly Tier[] {
  const find = (globs: readonly string[]): string[] => globSync([...globs]).toSorted()
  if (wanted.length === 0) {
    // The one that takes by far the longest begins first.
    const unit = new Set(['tests/docs.test.ts', ...find(['src/**/*.test.ts', 'tests/*.test.ts'])])
    return [
      { name: 'unit', files: [...unit], isolated: false },
      { name: 'kernel', files: find(['tests/kernel/**/*.test.ts']), isolated: true },
    ]
  }
  const files = find(wanted)
  if (files.length === 0) {
    console.error(`test: no file matches ${wanted.join(' ')}`)
    process.exit(2)
  }
  const needsKernel = (file: string): boolean => /^tests\/.*\//.test(file)
  return [
    { name: 'unit', files: files.filter((file) => !needsKernel(file)), isolated: false },
    { name: 'kernel', files: files.filter(needsKernel), isolated: true },
  ]
}

async function runTier(tier: Tier): Promise<void> {
  if (tier.files.length === 0) return
  if (tier.isolated && spawnSync(NETNS, ['true'], { stdio: 'inherit' }).status !== 0) {
    return fail(
      `${tier.name}: none of its ${tier.files.length} files ran`,
      'there is no network of its own to be had',
    )
  }
  const start = performance.now()
  const before = totals.passed
  if (tier.isolated) await inParallel(tier.files, (file) => runNode([file], true))
  else await runNode(tier.files, false)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${tier.name}: ${totals.passed - before} passed in ${tier.files.length} files, ${seconds} s`)
}

/** Works through the list with as many workers as there are cores. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
}

/** One `node --test` over the files, which counts into the totals. */
async function runNode(files: readonly string[], isolated: boolean): Promise<void> {
  const node = [
    process.execPath,
    '--test',
    '--test-reporter=./script/reporter.ts',
    `--test-timeout=${minutes * 60_000}`,
    // By default one core is left idle; and the longest file mostly waits.
    `--test-concurrency=${availableParallelism() + 1}`,
    ...files,
  ]
  const [program = '', ...rest] = isolated ? [NETNS, ...node] : node
  const child = spawn(program, rest, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  let counted = false
  const failedBefore = totals.failures.length
  for await (const line of createInterface({ input: child.stdout })) {
    counted = count(line) || counted
  }
  const status = await ended
  // A run that died, or could not start, must not look like one without tests.
  if (!counted || (status !== 0 && totals.failures.length === failedBefore)) {
    fail(files.length === 1 ? files.join() : 'the run as a whole', `node --test ended with status ${status}`)
  }
}

/** Takes one line of the reporter in; true if it was the run's total. */
function count(line: string): boolean {
  if (!line.startsWith('{"kind":')) {
    if (line !== '') console.log(line)
    return false
  }
  const report = JSON.parse(line) as Report
  switch (report.kind) {
    case 'failed':
      fail(`${report.where} ${report.name}`.trimEnd(), report.why)
      return false
    case 'skipped':
      totals.skips.push(`${report.where} ${report.name}: ${report.why}`)
      return false
    case 'said':
      console.log(report.text)
      return false
    case 'total':
      totals.passed += report.passed
      return true
    default:
      throw new Error(`unknown report ${report satisfies never}`)
  }
}

function fail(what: string, why: string): void {
  totals.failures.push(what)
  console.log(`FAILED ${what}\n${why.replaceAll(/^/gm, '    ')}`)
}

function finish(): void {
  for (const what of totals.failures) console.log(`failed: ${what}`)
  for (const what of totals.skips) console.log(`skipped: ${what}`)
  const skipped = totals.skips.length === 0 ? '' : `, ${totals.skips.length} skipped`
  console.log(`${totals.passed} passed, ${totals.failures.length} failed${skipped}`)
  process.exitCode = totals.failures.length === 0 && totals.passed > 0 ? 0 : 1
}

/**
 * Measures admit and prints docs/performance.md's tables. Each line is measured in a network of its own (script/netns).
 *
 *   bench/run.ts             everything: ten minutes
 *   bench/run.ts --smoke     small sizes, once each: does the benchmark itself still run?
 *   bench/run.ts start sizes packets applies     only these parts
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import type { Cost, Loader } from './measure.ts'
import { median } from './measure.ts'
import type { Rates } from './packets.ts'
import type { Mix } from './policies.ts'

const root = new URL('..', import.meta.url).pathname
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: 'boolean', default: false } },
})
const PARTS = ['start', 'sizes', 'packets', 'applies'] as const
const strange = positionals.find((word) => !(PARTS as readonly string[]).includes(word))
if (strange !== undefined) {
  console.error(`bench: there is no part ${strange}; the parts are ${PARTS.join(', ')}`)
  process.exit(2)
}
const plan = values.smoke
  ? { sizes: [10, 200], runs: 1, starts: 2, packets: [10], seconds: 0.1, applies: ['readme'] }
  : {
      sizes: [10, 1000, 10_000, 100_000],
      runs: 3,
      starts: 20,
      packets: [10, 1000, 10_000],
      seconds: 2,
      applies: ['readme', 10_000],
    }
/** From here on one run is enough: seconds are not lost among the moods of a machine. */
const LARGE = 100_000
const wants = (part: (typeof PARTS)[number]): boolean =>
  positionals.length === 0 || positionals.includes(part)

const COLUMNS = {
  check: '`check`',
  plan: '`plan`',
  apply: 'first `apply`',
  again: '`apply`, one device more',
  nft: '`nft -f` of the sets',
} as const
type Column = keyof typeof COLUMNS
type Costs = Readonly<Record<Column, Cost>>
const columns = Object.keys(COLUMNS) as readonly Column[]

const LOADERS: Readonly<Record<Loader, string>> = {
  admit: '`admit apply --no-confirm`',
  nft: '`nft -f` of the same rules',
  restore: '`iptables-restore` of the recipe',
  apply: '`iptables-apply` of it, answered at once',
}

say(machine())
if (wants('start')) startTable()
if (wants('sizes')) for (const mix of ['mac', 'mixed'] as const) sizeTables(mix)
if (wants('packets')) packetTable()
if (wants('applies')) applyTable()
say(
  `Load average afterwards: ${loadavg()
    .map((load) => load.toFixed(1))
    .join(', ')}.`,
)

function machine(): string {
  const nft = spawnSync('nft', ['--version'], {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin' },
  }).stdout
  const model = cpus()[0]?.model.trim() ?? 'unknown'
  return [
    `${availableParallelism()} cores (${model}), ${(totalmem() / 2 ** 30).toFixed(1)} GB, Linux ${release()}, `,
    `Node ${process.version}, ${nft.trim()}. `,
    `Load average before: ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')}.\n`,
  ].join('')
}

function startTable(): void {
  const times = stage('start', plan.starts) as Readonly<Record<string, readonly number[]>>
  say(`| command | median of ${plan.starts} | least |`, '|---|---:|---:|')
  for (const [name, list] of Object.entries(times)) {
    say(`| \`${name}\` | ${milliseconds(median(list))} | ${milliseconds(Math.min(...list))} |`)
  }
  say('')
}

function sizeTables(mix: Mix): void {
  const measured = plan.sizes.map((size) => {
    const runs = Array.from(
      { length: size < LARGE ? plan.runs : 1 },
      () => stage('sizes', mix, size, 'time') as Costs,
    )
    return { size, runs, memory: stage('sizes', mix, size, 'memory') as Costs }
  })
  const table = (title: string, cell: (row: (typeof measured)[number], column: Column) => string): void => {
    say(title, '')
    say(`| devices | ${Object.values(COLUMNS).join(' | ')} |`, `|---:|${columns.map(() => '---:|').join('')}`)
    for (const row of measured) {
      say(`| ${thousands(row.size)} | ${columns.map((column) => cell(row, column)).join(' | ')} |`)
    }
    say('')
  }
  const list = { mac: 'MAC addresses alone', open: '', mixed: 'A mixed list' }[mix]
  table(
    `${list}: seconds by the clock, processor seconds in brackets (medians of ${plan.runs}; of ${thousands(LARGE)} one run)`,
    ({ runs }, column) => {
      const clock = median(runs.map((each) => each[column].seconds))
      const cpu = median(runs.map((each) => each[column].cpu))
      return `${clock.toFixed(2)} (${cpu.toFixed(2)})`
    },
  )
  table(`${list}: peak memory in MB, with every program that it starts`, ({ memory }, column) =>
    (memory[column].bytes / 1e6).toFixed(0),
  )
}

function packetTable(): void {
  say(
    'Frames a second that the input chain disposes of, in thousands',
    '',
    '| devices | no rules | tracking alone | admit: a device | admit: a stranger | recipe: the last device | recipe: a stranger |',
    '|---:|---:|---:|---:|---:|---:|---:|',
  )
  for (const size of plan.packets) {
    const { nothing, tracking, admit, recipe } = stage('packets', size, plan.seconds) as Rates
    const rates = [nothing, tracking, admit.device, admit.stranger, recipe.device, recipe.stranger]
    say(
      `| ${thousands(size)} | ${rates.map((rate) => (rate / 1000).toFixed(rate < 20_000 ? 1 : 0)).join(' | ')} |`,
    )
  }
  say('')
}

function applyTable(): void {
  const loaders = Object.keys(LOADERS) as readonly Loader[]
  say(
    `Into a kernel without rules: seconds by the clock, processor seconds in brackets (medians of ${plan.runs}); and how often \`nft -f\` goes into it`,
    '',
    `| policy | ${Object.values(LOADERS).join(' | ')} |`,
    `|---|${loaders.map(() => '---:|').join('')}`,
  )
  for (const which of plan.applies) {
    const costs = stage('applies', which, plan.runs) as Readonly<Record<Loader, readonly Cost[]>>
    const clock = (loader: Loader): number => median(costs[loader].map(({ seconds }) => seconds))
    const cells = loaders.map((loader) => {
      const cpu = median(costs[loader].map((cost) => cost.cpu))
      const ratio = loader === 'nft' ? '' : `, ${(clock(loader) / clock('nft')).toFixed(1)} ×`
      return `${clock(loader).toFixed(2)} (${cpu.toFixed(2)})${ratio}`
    })
    const name = typeof which === 'number' ? `${thousands(which)} MAC addresses` : 'the README’s'
    say(`| ${name} | ${cells.join(' | ')} |`)
  }
  say('')
}

/** Runs one part of bench/stage.ts in a network of its own. */
function stage(...args: readonly (string | number)[]): unknown {
  const words = [process.execPath, `${root}bench/stage.ts`, ...args.map(String)]
  const { status, stdout } = spawnSync(`${root}script/netns`, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 600_000,
  })
  if (status !== 0) {
    console.error(`bench: ${args.join(' ')} ended with ${status}`)
    process.exit(4)
  }
  return JSON.parse(stdout)
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(0)} ms`
}

function thousands(count: number): string {
  return count.toLocaleString('en')
}

function say(...lines: readonly string[]): void {
  for (const line of lines) console.log(line)
}

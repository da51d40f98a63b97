/**
 * The part of a benchmark that runs inside script/netns, on an empty network with one interface; bench/run.ts starts it
 * and reads the JSON that it prints.
 *
 *   stage.ts sizes MIX DEVICES time|memory     what each command costs, once each
 *   stage.ts start RUNS                        start times, one list for each command
 *   stage.ts packets DEVICES SECONDS           frames a second that the input chain disposes of
 *   stage.ts applies readme|DEVICES RUNS       a whole apply beside the loaders of others, one list for each
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requirePrivateNamespace } from '../tests/support/private-namespace.ts'
import { run } from '../tests/support/run.ts'
import type { Cost, Loader } from './measure.ts'
import { measure } from './measure.ts'
import type { Rates } from './packets.ts'
import { floodRates, recipe } from './packets.ts'
import type { Mix } from './policies.ts'
import { INTERFACE, policyText } from './policies.ts'

const root = new URL('..', import.meta.url).pathname
const admit = join(root, 'bin/admit')

requirePrivateNamespace()
const folder = mkdtempSync(join(tmpdir(), 'admit-bench-'))
try {
  makeHost()
  console.log(JSON.stringify(await work(process.argv.slice(2))))
} finally {
  rmSync(folder, { recursive: true })
}

async function work([what, ...args]: readonly string[]): Promise<unknown> {
  switch (what) {
    case 'sizes':
      return sizes(args[0] === 'mac' ? 'mac' : 'mixed', Number(args[1]), args[2] === 'memory')
    case 'start':
      return startTimes(Number(args[0]))
    case 'packets':
      return packets(Number(args[0]), Number(args[1]))
    case 'applies':
      return applies(
        args[0] === 'readme' ? readmePolicy() : policyText('open', Number(args[0])),
        Number(args[1]),
      )
    default:
      throw new Error(`no benchmark is called ${what}`)
  }
}

/** A host with one Ethernet interface, a neighbour on it, and no route beyond. */
function makeHost(): void {
  run('ip', [
    'link',
    'add',
    INTERFACE,
    'address',
    '52:54:00:00:00:02',
    'type',
    'veth',
    'peer',
    'name',
    'peer0',
  ])
  run('ip', ['address', 'add', '192.168.1.2/24', 'dev', INTERFACE])
  run('ip', ['link', 'set', INTERFACE, 'up'])
  run('ip', ['link', 'set', 'peer0', 'up'])
  run('ip', ['neighbour', 'add', '192.168.1.20', 'lladdr', '00:11:22:33:44:55', 'dev', INTERFACE])
}

async function sizes(mix: Mix, devices: number, memory: boolean): Promise<Readonly<Record<string, Cost>>> {
  const policy = write('policy.yaml', policyText(mix, devices))
  const more = write('more.yaml', policyText(mix, devices + 1))
  const state = join(folder, 'state')
  const admitWith = (command: string, file: string): readonly [string, ...string[]] => [
    admit,
    command,
    '--policy',
    file,
    '--state',
    state,
  ]
  const check = await measure(admitWith('check', policy), { memory })
  const plan = await measure(admitWith('plan', policy), { memory, expected: 1 })
  const apply = await measure([...admitWith('apply', policy), '--no-confirm'], { memory })
  const sets = write('sets.nft', setsAlone(readFileSync(join(state, 'rules.nft'), 'utf8')))
  const again = await measure([...admitWith('apply', more), '--no-confirm'], { memory })
  run('nft', ['delete', 'table', 'inet', 'admit'])
  const nft = await measure(['nft', '-f', sets], { memory })
  return { check, plan, apply, again, nft }
}

/** Everybody may everything, as in the recipe. */
function packets(devices: number, seconds: number): Rates {
  const policy = write('policy.yaml', policyText('open', devices))
  const state = join(folder, 'state')
  const words = ['apply', '--no-confirm', '--policy', policy, '--state', state]
  return floodRates(devices, seconds, () => run(admit, words))
}

/**
 * Each puts rules into a kernel that has none, turn by turn. `iptables-apply` is answered y at once: what it costs is its
 * own, no waiting.
 */
async function applies(text: string, runs: number): Promise<Readonly<Record<string, readonly Cost[]>>> {
  const policy = write('policy.yaml', text)
  const state = join(folder, 'state')
  const command = [admit, 'apply', '--no-confirm', '--policy', policy, '--state', state] as const
  const devices = text.match(/\bmac:/g)?.length ?? 0
  const list = write('recipe.rules', recipe(devices))
  const rules = join(state, 'rules.nft')
  const empty = (): void => {
    run('nft', ['flush', 'ruleset'])
  }
  const answered = `echo y | iptables-apply -t 30 '${list}'`
  const costs: Record<Loader, Cost[]> = { admit: [], nft: [], restore: [], apply: [] }
  for (let turn = -1; turn < runs; turn++) {
    for (const [loader, words] of [
      ['admit', command],
      ['nft', ['nft', '-f', rules]],
      ['restore', ['iptables-restore', list]],
      ['apply', ['sh', '-c', answered]],
    ] as const) {
      empty()
      const cost = await measure(words, { memory: false })
      // The first turn fills caches.
      if (turn >= 0) costs[loader].push(cost)
    }
  }
  return costs
}

/** The stored rules without their chains: the tables and sets, as somebody would write them for `nft -f`. */
function setsAlone(rules: string): string {
  return rules.replaceAll(/^\tchain [^{]*\{.*?^\t\}\n/gms, '')
}

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function readmePolicy(): string {
  const text = /^```yaml\n(.*?)^```$/ms.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1]
  if (text === undefined) throw new Error('README.md shows no policy')
  return text
}

/** Turn by turn, so that a busy moment of the machine falls on all of them. */
async function startTimes(runs: number): Promise<Readonly<Record<string, readonly number[]>>> {
  const example = write('example.yaml', readmePolicy())
  const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
    'admit check, of the README’s policy': [admit, 'check', '--policy', example],
    'admit --version': [admit, '--version'],
    'node -e 0': [process.execPath, '-e', '0'],
    'nft --version': ['nft', '--version'],
  }
  const times: Record<string, number[]> = {}
  for (let turn = -1; turn < runs; turn++) {
    for (const [name, command] of Object.entries(commands)) {
      const { seconds } = await measure(command, { memory: false })
      // The first turn fills the cache of compiled sources.
      if (turn >= 0) times[name] = [...(times[name] ?? []), seconds]
    }
  }
  return times
}

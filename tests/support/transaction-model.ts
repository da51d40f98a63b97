import assert from 'node:assert/strict'
import type { JournalEntry, Proof } from '../../src/apply/journal.ts'
import type { Step } from '../../src/apply/machine.ts'
import { STEPS } from '../../src/apply/machine.ts'
import { same } from '../../src/apply/transact.ts'
import type { ChangeRequest } from '../../src/cli/change.ts'
import { makeChange } from '../../src/cli/change.ts'
import { rollback } from '../../src/cli/commands/rollback.ts'
import type { Context } from '../../src/cli/context.ts'
import { refuseWhilePending, settle } from '../../src/cli/settle.ts'
import type { Table } from '../../src/ruleset/ruleset.ts'
import { expectOk } from './expect-ok.ts'
import type { Random } from './random.ts'
import { ACCEPT, DROP, INPUT_BASE, is, rule, TABLE } from './tables.ts'

/** One thing that happens to a host. */
export type Happening =
  | { readonly kind: 'apply'; readonly rules: number; readonly confirm: boolean }
  | { readonly kind: 'stop' | 'start'; readonly confirm: boolean }
  /** An apply whose process is killed before this step, and perhaps its watchdog too. */
  | { readonly kind: 'crash'; readonly rules: number; readonly step: Step; readonly watchdog: boolean }
  | { readonly kind: 'confirm' | 'deadline' | 'rollback' | 'reboot' | 'kill-watchdog' | 'look' }

/** What a model-based test needs of a host beside the commands' view of it. */
export interface ModelHost {
  readonly context: Context
  /** Called before each step of the next changes; throwing is being killed. */
  onStep: ((step: string) => void) | undefined
  /** Begins the change in a process that is killed before the step; comes back when the watchdog had time to notice. */
  killedAt?(step: Step, rules: number): Promise<void>
  /** Whoever began the change is gone, and the watchdog notices. */
  applierGone(): Promise<void>
  /** True where a second is a second: windows that are to end by themselves are short then. */
  readonly realTime: boolean
  deadlinePasses(): Promise<void>
  killWatchdog(): Promise<void>
  reboot(): Promise<void>
}

/** All that there is to know: ten lines say what every happening does to it. */
interface Model {
  readonly kernel: Table | undefined
  readonly confirmed: Table | undefined
  readonly pending?: { readonly previous: Table | undefined; readonly keeps: boolean }
}

const RULES: readonly Table[] = [22, 2222, 22_222].map((port) => ({
  ...TABLE,
  sets: [],
  chains: [
    {
      name: 'input',
      base: INPUT_BASE,
      rules: [rule('ssh', is('tcp dport', port), ACCEPT), rule('end', DROP)],
    },
  ],
}))

function change(model: Model, to: Table | undefined, keeps: boolean, confirm: boolean): Model {
  if (model.pending !== undefined) return model
  const changed = { ...model, kernel: to, pending: { previous: model.kernel, keeps } }
  return confirm ? changed : keep(changed)
}
const keep = ({ kernel, confirmed, pending }: Model): Model => ({
  kernel,
  confirmed: pending?.keeps ? kernel : confirmed,
})
const undo = ({ kernel, confirmed, pending }: Model): Model => ({
  kernel: pending ? pending.previous : kernel,
  confirmed,
})
const reboot = ({ confirmed }: Model): Model => ({ kernel: confirmed, confirmed })
/** Killed once its window is open, it is pending; before that, it is undone or never was. */
const crash = (model: Model, to: Table, step: Step): Model =>
  STEPS.indexOf(step) > STEPS.indexOf('open-window') ? change(model, to, true, true) : model

/** A sequence of up to so many, as a seed draws it. */
export function drawHappenings(random: Random, most: number): readonly Happening[] {
  const steps = STEPS.slice(0, STEPS.indexOf('claim'))
  return Array.from({ length: random.between(1, most) }, (): Happening => {
    const rules = random.below(RULES.length)
    const confirm = random.chance(0.8)
    return random.weighted<Happening>([
      [5, { kind: 'apply', rules, confirm }],
      [2, { kind: 'stop', confirm }],
      [2, { kind: 'start', confirm }],
      [3, { kind: 'crash', rules, step: random.pick(steps), watchdog: random.chance(0.5) }],
      [5, { kind: 'confirm' }],
      [2, { kind: 'deadline' }],
      [2, { kind: 'rollback' }],
      [1, { kind: 'reboot' }],
      [1, { kind: 'kill-watchdog' }],
      [1, { kind: 'look' }],
    ])
  })
}

/** Does them one after the other, and holds host and model against each other after each. */
export async function runAgainstModel(host: ModelHost, happenings: readonly Happening[]): Promise<void> {
  let model: Model = { kernel: undefined, confirmed: undefined }
  let short = false
  for (const [index, happening] of happenings.entries()) {
    // What waits for a clock that nobody can turn is not ended by it within a test.
    if (host.realTime && happening.kind === 'deadline' && !short && model.pending !== undefined) continue
    short = host.realTime && model.pending === undefined && happenings[index + 1]?.kind === 'deadline'
    model = await happen(host, happening, model, short ? SHORT : LONG)
    // By the time of a look, the second may be over.
    if (short && model.pending !== undefined) continue
    await compare(host, model).catch((error: unknown) => {
      const done = happenings.slice(0, index + 1).map((one) => JSON.stringify(one))
      throw new Error(`after ${done.join(', ')}`, { cause: error })
    })
  }
}

async function happen(host: ModelHost, happening: Happening, model: Model, window: number): Promise<Model> {
  switch (happening.kind) {
    case 'apply': {
      const to = RULES[happening.rules]
      await attempt(host, 'apply', to, true, happening.confirm, window)
      return change(model, to, true, happening.confirm)
    }
    case 'stop':
      await attempt(host, 'stop', undefined, false, happening.confirm, window)
      return change(model, undefined, false, happening.confirm)
    case 'start':
      if (model.confirmed === undefined) return model
      await attempt(host, 'start', model.confirmed, false, happening.confirm, window)
      return change(model, model.confirmed, false, happening.confirm)
    case 'crash':
      return crashed(host, happening, model)
    case 'confirm':
      await confirm(host)
      return keep(model)
    case 'deadline':
      await host.deadlinePasses()
      await settle(host.context)
      return undo(model)
    case 'rollback':
      if (model.pending !== undefined) assert.equal(await rollback(host.context, undefined, NO_OPTIONS), 0)
      return undo(model)
    case 'reboot':
      await host.reboot()
      return reboot(model)
    case 'kill-watchdog':
      await host.killWatchdog()
      return model
    case 'look':
      await settle(host.context)
      return model
    default:
      return happening satisfies never
  }
}

/** Seconds. */
const LONG = 600
const SHORT = 1
const NO_OPTIONS = { confirmWithin: LONG, confirm: true, force: undefined }

/** As the commands do it, without a policy to read and compile. */
async function attempt(
  { context }: ModelHost,
  kind: 'apply' | 'stop' | 'start',
  candidate: Table | undefined,
  keeps: boolean,
  confirmed: boolean,
  window: number,
): Promise<void> {
  if ((await refuseWhilePending(context, kind)) !== undefined) return
  const observed = expectOk(await context.system.kernel.observe(TABLE), 'observe')
  const request: ChangeRequest = {
    command: kind,
    kind,
    observed,
    candidate,
    known: undefined,
    keeps,
    done: 'done',
  }
  assert.equal(
    await makeChange(context, request, { ...NO_OPTIONS, confirm: confirmed, confirmWithin: window }),
    0,
  )
}

async function crashed(
  host: ModelHost,
  { rules, step, watchdog }: Extract<Happening, { kind: 'crash' }>,
  model: Model,
): Promise<Model> {
  if (model.pending !== undefined) return model
  const to = RULES[rules] ?? assert.fail('no such rules')
  await (host.killedAt === undefined ? killedInside(host, step, rules) : host.killedAt(step, rules))
  if (!watchdog) await host.killWatchdog()
  await host.applierGone()
  // The watchdog has seen to it, or the next command does.
  await settle(host.context)
  return crash(model, to, step)
}

/** Where the applier is this very process: a step that throws ends it as a kill does. */
async function killedInside(host: ModelHost, step: Step, rules: number): Promise<void> {
  host.onStep = (now) => {
    if (now === step) throw new Error('killed')
  }
  await assert.rejects(attempt(host, 'apply', RULES[rules], true, true, LONG), /killed/)
  host.onStep = undefined
}

/** For the process that is to be killed. */
export async function applyRules(host: ModelHost, rules: number): Promise<void> {
  await attempt(host, 'apply', RULES[rules], true, true, LONG)
}

async function confirm({ context }: ModelHost): Promise<void> {
  const journal = context.system.journal(context.statePath)
  const state = expectOk(await settle(context), 'settle')
  if (state.kind !== 'pending') return
  const entry: JournalEntry = state.entry
  const proof: Proof = { by: 'bob', from: 'a console', how: 'console', at: await journal.moment() }
  assert.equal(expectOk(await journal.claim(entry.id, proof), 'claim'), 'claimed')
  expectOk(await journal.complete(), 'complete')
}

async function compare({ context }: ModelHost, model: Model): Promise<void> {
  const journal = context.system.journal(context.statePath)
  const kernel = expectOk(await context.system.kernel.observe(TABLE), 'observe')
  assert.ok(same(kernel, model.kernel), 'the kernel holds something else')
  const confirmed = expectOk(await journal.confirmed(), 'confirmed')
  assert.ok(same(confirmed?.rules, model.confirmed), 'something else is confirmed')
  const state = expectOk(await journal.state(), 'state')
  assert.equal(state.kind, model.pending === undefined ? 'idle' : 'pending')
}

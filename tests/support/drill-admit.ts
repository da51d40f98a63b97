import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GUARD } from '../../src/system/guard.ts'
import type { DrillLab } from './drill-lab.ts'
import { ADMIN_DEVICES, withLab } from './drill-lab.ts'
import type { Program, StartOptions } from './drill-program.ts'

/** What tests/drills/admit-child.ts is told. */
export interface ChildPlan {
  /** Where it writes `held` and looks for `go`. */
  readonly folder: string
  /** A step of the state machine or of a command; none: it never stops. */
  readonly step?: string
  /** The guard script that it uses. */
  readonly guard?: string
  /** A program in nft's place. */
  readonly nft?: string
  /** Milliseconds that nft may take; as long as ever without it. */
  readonly patience?: number
  /** In front of the command: an nft stand-in's `before`, which covers all that is started from it. */
  readonly before?: readonly string[]
}

/** Milliseconds in which a command surely ends, on a machine that has much other work. */
export const PATIENCE = 180_000

const CHILD = new URL('../drills/admit-child.ts', import.meta.url).pathname

/** Before every drill: confirmed, in force. */
export const POLICY_BEFORE = `admit: 1
host: { log: off }
devices:
${ADMIN_DEVICES}grants:
  - { from: [laptop, office], to: everything }
`
/** Another one by which the admins get in: what may stay. A list with a range takes every stage of a change. */
export const POLICY_GOOD = POLICY_BEFORE.replace('to: everything', 'to: [ssh, ping, https, 8000-8001/tcp]')
/** One that locks everybody out: what must never stay. */
export const POLICY_BAD = POLICY_BEFORE.replace('to: everything', 'to: [https, 8000-8001/tcp]')
export const FORCE_BAD = ['--force', 'admin laptop, admin office']

/** Which of an apply's texts is the last, from the first of these policies to another: what an earlier one did a later one mends. */
export const LAST_STAGE = 5

/** Starts admit on the lab's host. */
export function startAdmit(
  lab: DrillLab,
  args: readonly string[],
  plan: Partial<ChildPlan> = {},
  options: Partial<StartOptions> = {},
): Promise<Program> {
  const argv = [
    ...(plan.before ?? []),
    process.execPath,
    CHILD,
    '--policy',
    join(lab.folder, 'policy.yaml'),
    '--state',
    lab.state,
    ...args,
  ]
  const environment = { ...options.environment, ADMIT_DRILL: JSON.stringify({ folder: lab.folder, ...plan }) }
  return lab.start(argv, { ...options, environment })
}

/** Runs admit on the lab's host to its end, without a terminal; its exit code and what it printed. */
export async function runAdmitIn(
  lab: DrillLab,
  args: readonly string[],
  plan: Partial<ChildPlan> = {},
): Promise<{ readonly exit: number | undefined; readonly output: string }> {
  const program = await startAdmit(lab, args, plan, { terminal: false })
  const exit = await program.ended(PATIENCE)
  return { exit, output: program.output() }
}

export function writePolicy(lab: DrillLab, text: string): void {
  writeFileSync(join(lab.folder, 'policy.yaml'), text)
}

/** A state folder with confirmed rules, and those rules as text for nft. */
interface Template {
  readonly state: string
  readonly rules: string
}

let template: Promise<Template> | undefined

/** The confirmed state that every drill begins with: made once by admit itself, then copied. */
export function confirmedState(): Promise<Template> {
  template ??= makeTemplate()
  return template
}

async function makeTemplate(): Promise<Template> {
  const state = join(mkdtempSync(join(tmpdir(), 'admit-drill-template-')), 'state')
  await withLab(async (lab) => {
    writePolicy(lab, POLICY_BEFORE)
    const { exit, output } = await runAdmitIn(lab, ['apply', '--no-confirm'])
    if (exit !== 0) throw new Error(`the first apply failed:\n${output}`)
    cpSync(lab.state, state, { recursive: true })
  })
  return { state, rules: readFileSync(join(state, 'rules.nft'), 'utf8') }
}

/** Puts the lab's host where every drill begins: POLICY_BEFORE confirmed and in force. */
export async function beginConfirmed(lab: DrillLab): Promise<void> {
  const { state, rules } = await confirmedState()
  cpSync(state, lab.state, { recursive: true })
  await lab.run('nft', ['-f', '-'], rules)
  writePolicy(lab, POLICY_BEFORE)
}

/** The guard with its steps made real: at `step` it writes `held` and waits for `go`; other lines as given. */
export function guardThatHolds(
  folder: string,
  step: string | undefined,
  more: readonly [string, string][] = [],
): string {
  let text = readFileSync(GUARD, 'utf8')
  const replace = (from: string, to: string): void => {
    if (!text.includes(from)) throw new Error(`the guard has no line ${from}`)
    text = text.replace(from, () => to)
  }
  if (step !== undefined) {
    replace(
      'step() { :; }',
      `step() {
  [ "$1" = '${step}' ] || return 0
  [ ! -e '${folder}/go' ] || return 0
  printf '%s\\n' "$$" >'${folder}/held.part' && mv '${folder}/held.part' '${folder}/held'
  while ! [ -e '${folder}/go' ]; do sleep 0.02; done
}`,
    )
  }
  for (const [from, to] of more) replace(from, to)
  const path = join(folder, 'guard')
  writeFileSync(path, text, { mode: 0o755 })
  return path
}

/** The process that is held, once it is. */
export async function heldAt(lab: DrillLab, program?: Program, milliseconds = PATIENCE): Promise<number> {
  const path = join(lab.folder, 'held')
  const end = performance.now() + milliseconds
  while (!existsSync(path)) {
    if (performance.now() > end) throw new Error(`never held; it said:\n${program?.output() ?? ''}`)
    await sleep(5)
  }
  return Number(readFileSync(path, 'utf8'))
}

export function goOn(lab: DrillLab): void {
  writeFileSync(join(lab.folder, 'go'), '')
}

/** Waits until nothing is in flight any more; false where something stays. */
export async function settled(lab: DrillLab, milliseconds: number): Promise<boolean> {
  const end = performance.now() + milliseconds
  while (inFlight(lab).length > 0) {
    if (performance.now() > end) return false
    await sleep(10)
  }
  return true
}

/** What is in flight in the state folder. */
export function inFlight(lab: DrillLab): readonly string[] {
  const names = existsSync(lab.state) ? readdirSync(lab.state) : []
  return names.filter((name) => /^(pending|undoing|confirming\..*)$/.test(name))
}

/** A fingerprint of admit's table in the kernel, as the guard takes it. */
export async function digestOf(lab: DrillLab): Promise<string> {
  return (await lab.run('/bin/sh', [GUARD, 'digest'])).trim()
}

/** All the steps that the guard script names. */
export function guardSteps(): readonly string[] {
  return [...readFileSync(GUARD, 'utf8').matchAll(/^\s*step ([a-z-]+)$/gm)].flatMap(([, name]) => name ?? [])
}

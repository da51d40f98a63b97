/**
 * Several at the same moment: two applies, two confirmations and the deadline. Exactly one wins, nothing is mixed, and
 * the kernel and the disk agree with who won. ADMIT_SEED repeats the delays, `--long` races a thousand times.
 */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Proof } from '../../src/apply/journal.ts'
import { STEPS } from '../../src/apply/machine.ts'
import { GUARD } from '../../src/system/guard.ts'
import { realJournal } from '../../src/system/journal.ts'
import { uptime } from '../../src/system/process-identity.ts'
import {
  beginConfirmed,
  digestOf,
  guardThatHolds,
  inFlight,
  PATIENCE,
  POLICY_BEFORE,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  startAdmit,
  writePolicy,
} from '../support/drill-admit.ts'
import { expectEnding, expectWords } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { Program } from '../support/drill-program.ts'
import { killQuietly } from '../support/drill-program.ts'
import { expectSafe } from '../support/drill-reach.ts'
import { caseCount, drawnSeed } from '../support/law-cases.ts'
import { randomFrom, seedFor } from '../support/random.ts'

const seed = drawnSeed()
/** Another one by which the admins get in. */
const POLICY_OTHER = POLICY_BEFORE.replace('to: everything', 'to: [ssh, ping, http]')

const applies = caseCount(2, 6, 20)
describe(`two applies at the same moment: ADMIT_SEED=${seed}, ${applies} rounds`, { concurrency: 2 }, () => {
  const random = randomFrom(seedFor(seed, 0))
  for (let round = 1; round <= applies; round++) {
    // At the same step, the rename above all, or just started together.
    const step = round % 2 === 1 ? 'publish' : random.pick([...STEPS.slice(0, 4), undefined])
    test(`round ${round}: ${step === undefined ? 'as they come' : `together before ${step}`}`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        const policies = [POLICY_GOOD, POLICY_OTHER]
        const programs = await Promise.all(
          policies.map(async (text, index) => {
            const path = join(lab.folder, `policy-${index}.yaml`)
            writeFileSync(path, text)
            const args = ['--policy', path, 'apply', '--confirm-within', '120s']
            const plan = { folder: ownFolder(lab, index), ...(step === undefined ? {} : { step }) }
            return startAdmit(lab, args, plan, { terminal: false })
          }),
        )
        if (step !== undefined) await allHeld(lab, programs)
        const exits = await Promise.all(programs.map((program) => program.ended(PATIENCE)))
        const said = programs.map((program) => program.output()).join('\n')
        assert.equal(exits.filter((exit) => exit === 0).length, 1, said)
        assert.equal(exits.filter((exit) => exit === 3 || exit === 4).length, 1, `${exits.join()}: ${said}`)
        programs.forEach((program, index) => expectWords({ exit: exits[index], output: program.output() }))
        const winner = policies[exits.indexOf(0)]
        assert.equal(readFileSync(join(lab.state, 'pending/policy.yaml'), 'utf8'), winner)
        await expectSafe(lab, 'while one is pending')
        const confirmed = await runAdmitIn(lab, ['confirm', '--here'])
        assert.equal(confirmed.exit, 0, confirmed.output)
        assert.equal(readFileSync(join(lab.state, 'policy.yaml'), 'utf8'), winner)
        await expectEnding(lab, { before, mayKeep: true, said: confirmed })
      })
    })
  }
})

/** A folder of its own in which one of several programs is held. */
function ownFolder(lab: DrillLab, index: number): string {
  const folder = join(lab.folder, `program-${index}`)
  mkdirSync(folder)
  return folder
}

/** Waits until each is held or has ended, and lets them go together. */
async function allHeld(
  lab: DrillLab,
  programs: readonly Program[],
  moment: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const end = performance.now() + PATIENCE
  const isReady = (program: Program, index: number): boolean =>
    program.isGone() || existsSync(join(lab.folder, `program-${index}`, 'held'))
  while (!programs.every(isReady)) {
    assert.ok(performance.now() < end, 'never held')
    await sleep(5)
  }
  while (!(await moment())) await sleep(2)
  for (const index of programs.keys()) writeFileSync(join(lab.folder, `program-${index}`, 'go'), '')
}

const whole = caseCount(2, 5, 20)
describe(`two confirmations at the deadline, whole programs: ADMIT_SEED=${seed}, ${whole} rounds`, {
  concurrency: 3,
}, () => {
  const random = randomFrom(seedFor(seed, 1))
  const won = { confirmation: 0, deadline: 0 }
  for (let round = 1; round <= whole; round++) {
    // The watchdog looks ten times a second; they type from a moment before the deadline to a moment after.
    const early = random.between(-180, 60) / 1000
    test(`round ${round}: ${early} s before the deadline`, async (context) => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_GOOD)
        const applied = await runAdmitIn(lab, ['apply', '--confirm-within', '15s'])
        assert.equal(applied.exit, 0, applied.output)
        const deadline = deadlineOf(lab)
        const programs = await Promise.all(
          [0, 1].map((index) =>
            startAdmit(
              lab,
              ['confirm', '--here'],
              { folder: ownFolder(lab, index), step: 'confirm-claim' },
              { terminal: false },
            ),
          ),
        )
        await allHeld(lab, programs, async () => (await uptime()) >= deadline - early)
        const exits = await Promise.all(programs.map((program) => program.ended(PATIENCE)))
        const said = programs.map((program) => program.output()).join('\n')
        assert.ok(await settled(lab, PATIENCE))
        const winners = exits.filter((exit) => exit === 0).length
        assert.ok(winners <= 1, said)
        assert.ok(
          exits.every((exit) => exit === 0 || exit === 1 || exit === 3),
          `${exits.join()}: ${said}`,
        )
        won[winners === 1 ? 'confirmation' : 'deadline']++
        assert.match(
          readFileSync(join(lab.state, 'outcome'), 'utf8'),
          winners === 1 ? /^result confirmed$/m : /^result undone$/m,
        )
        assert.equal((await digestOf(lab)) === before, winners === 0, said)
        await expectEnding(lab, { before, mayKeep: winners === 1, said: { exit: 0, output: said } })
      })
      context.diagnostic(`so far: ${JSON.stringify(won)}`)
    })
  }
})

function deadlineOf(lab: DrillLab): number {
  const found = /^deadline-uptime (\S+)$/m.exec(readFileSync(join(lab.state, 'pending/window'), 'utf8'))
  assert.ok(found !== null)
  return Number(found[1])
}

const renames = caseCount(15, 60, 1000)
test(`two confirmations and the undo at the same rename: ADMIT_SEED=${seed}, ${renames} races`, async (context) => {
  const random = randomFrom(seedFor(seed, 2))
  const started = performance.now()
  await withLab(async (lab) => {
    const race = await prepareRace(lab)
    const won = { first: 0, second: 0, undo: 0 }
    // Milliseconds by which the confirmations begin before the undo: whoever has won begins a little later next time.
    let lead = 0
    for (let round = 0; round < renames; round++) {
      const winner = await race(lead + random.between(-3, 3))
      won[winner]++
      lead += (winner === 'undo' ? 1 : -1) * (round < 15 ? 6 : 2)
    }
    context.diagnostic(
      `ADMIT_SEED=${seed}: ${renames} races, ${((performance.now() - started) / 1000).toFixed(0)} s; won: ${JSON.stringify(won)}`,
    )
    // Where one side always wins, nothing was raced.
    assert.ok(won.undo > 0 && won.first + won.second > 0, JSON.stringify(won))
    await expectSafe(lab, 'after all the races')
  })
})

type Winner = 'first' | 'second' | 'undo'

/** Makes a transaction that is pending once, for every race to begin with. */
async function prepareRace(lab: DrillLab): Promise<(lead: number) => Promise<Winner>> {
  await beginConfirmed(lab)
  const before = await digestOf(lab)
  writePolicy(lab, POLICY_GOOD)
  const applied = await runAdmitIn(lab, ['apply', '--confirm-within', '1h'])
  assert.equal(applied.exit, 0, applied.output)
  const after = await digestOf(lab)
  // Its watchdog takes no part.
  const pending = join(lab.state, 'pending')
  killQuietly(Number(readFileSync(join(pending, 'ready'), 'utf8').split(' ')[0]), 'SIGKILL')
  const begin = mkdtempSync(join(lab.folder, 'begin-'))
  cpSync(lab.state, begin, { recursive: true })
  const id = /^id (\S+)$/m.exec(readFileSync(join(pending, 'journal'), 'utf8'))?.[1] ?? ''
  const candidate = readFileSync(join(pending, 'candidate.nft'), 'utf8')
  const replace = `table inet admit {}\ndelete table inet admit\n${candidate}`
  const guard = guardThatHolds(lab.folder, 'undo-claim')
  const journals = [realJournal(lab.state), realJournal(lab.state)]
  return async (lead) => {
    for (const name of ['held', 'go']) rmSync(join(lab.folder, name), { force: true })
    rmSync(lab.state, { recursive: true })
    cpSync(begin, lab.state, { recursive: true })
    await lab.run('nft', ['-f', '-'], replace)
    const undo = await lab.start(['/bin/sh', guard, 'undo', lab.state, 'deadline'], { terminal: false })
    while (!existsSync(join(lab.folder, 'held'))) await sleep(1)
    const [claims] = await Promise.all([
      sleep(Math.max(0, -lead)).then(() =>
        Promise.all(journals.map((journal, index) => journal.claim(id, proof(`operator ${index}`)))),
      ),
      sleep(Math.max(0, lead)).then(() => writeFileSync(join(lab.folder, 'go'), '')),
    ])
    assert.equal(await undo.ended(PATIENCE), 0, undo.output())
    const words = claims.map((result) => {
      assert.ok(result.ok, JSON.stringify(result))
      return result.value
    })
    const undone = undo.output().includes('undone')
    const winners: readonly Winner[] = [
      ...(words[0] === 'claimed' ? (['first'] as const) : []),
      ...(words[1] === 'claimed' ? (['second'] as const) : []),
      ...(undone ? (['undo'] as const) : []),
    ]
    assert.equal(winners.length, 1, `${words.join()}, undo: ${undo.output()}`)
    const [winner = 'undo'] = winners
    await lab.run('/bin/sh', [GUARD, 'complete', lab.state])
    assert.deepEqual(inFlight(lab), [])
    const stored = readFileSync(join(lab.state, 'rules.nft'), 'utf8')
    assert.equal(await digestOf(lab), winner === 'undo' ? before : after)
    assert.equal(stored === candidate, winner !== 'undo')
    const point = join(lab.state, 'points/2/point')
    assert.equal(existsSync(point), winner !== 'undo')
    // Both may have written their proof before the rename: the record names the one that won.
    if (winner !== 'undo') {
      const by = `operator ${winner === 'first' ? 0 : 1}`
      assert.match(readFileSync(point, 'utf8'), new RegExp(`^confirmed-by ${by}$`, 'm'))
      assert.match(readFileSync(join(lab.state, 'outcome'), 'utf8'), new RegExp(`^by ${by}$`, 'm'))
    }
    return winner
  }
}

function proof(by: string): Proof {
  return { by, from: 'a console', how: 'console', at: { uptime: 1, wall: 1_800_000_000 } }
}

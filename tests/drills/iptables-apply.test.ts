/**
 * What `iptables-apply` of Debian's iptables package leaves standing when it is ended inside its window: the same ways
 * to kill that admit must survive. The table in iptables-apply.expected.md is what docs/safety.md shows; a new version
 * that does better, or worse, fails here. ADMIT_WRITE_EXPECTED=1 writes it anew.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ALL_WAYS_TO_KILL, WAYS_TO_KILL } from '../support/drill-kill.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { Program } from '../support/drill-program.ts'
import type { Expected } from '../support/drill-reach.ts'
import { ADMINS_ONLY, expectReach, NOBODY } from '../support/drill-reach.ts'
import { caseCount } from '../support/law-cases.ts'

const EXPECTED = new URL('iptables-apply.expected.md', import.meta.url).pathname
/** Seconds: the option -t. One would do on a quiet machine; on a busy one it is over before anything is done in it. */
const WINDOW = 3
/** How often each drill is done, at moments spread over its first third; outcomes that differ are all told. */
const TIMES = caseCount(1, 3, 10)

const BEFORE = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp --dport 22 -m mac --mac-source 02:ad:00:00:00:01 -j ACCEPT
-A INPUT -p tcp --dport 22 -s 10.60.2.2 -j ACCEPT
COMMIT
`
const LOCKED_OUT = BEFORE.replaceAll(/^-A.*\n/gm, '')

/** A drill by what is done while the question stands, and the answer that the terminal gives, if any. */
const DRILLS: Readonly<Record<string, (program: Program) => void>> = {
  'nothing: no answer': () => {},
  'the answer n': (program) => program.type('n'),
  ...Object.fromEntries(ALL_WAYS_TO_KILL.map((way) => [way, WAYS_TO_KILL[way]])),
}

type Standing = 'the previous rules' | 'the new rules: the admins are locked out'
const REACHED: Readonly<Record<Standing, Expected>> = {
  'the previous rules': ADMINS_ONLY,
  'the new rules: the admins are locked out': NOBODY,
}

const standing = new Map<string, Standing[]>()
const started = performance.now()

// They mostly wait.
describe('iptables-apply', { concurrency: 8 }, () => {
  for (const [what, act] of Object.entries(DRILLS)) {
    for (let time = 0; time < TIMES; time++) {
      const after = Math.round((time / TIMES) * 0.3 * WINDOW * 1000)
      test(`${what}, ${after} ms after it asked`, async () => {
        await withLab(async (lab) => {
          let left = await drill(lab, act, after)
          for (let again = 0; left === 'too late' && again < 3; again++) left = await drill(lab, act, after)
          assert.ok(left !== 'too late', 'this machine is too slow to act inside the window')
          standing.set(what, [...(standing.get(what) ?? []), left])
          await expectReach(lab, REACHED[left], what, { families: ['ip'] })
        })
      })
    }
  }
})

test('what is left standing is what docs/safety.md says', (context) => {
  const table = tableOf(standing)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  context.diagnostic(`${Object.keys(DRILLS).length * TIMES} drills of iptables-apply, ${seconds} s\n${table}`)
  if (process.env['ADMIT_WRITE_EXPECTED'] !== undefined) writeFileSync(EXPECTED, table)
  assert.equal(table, readFileSync(EXPECTED, 'utf8'))
})

/** Begins the change, acts while the question stands, and looks at the rules when the window is over and the program gone. */
async function drill(
  lab: DrillLab,
  act: (program: Program) => void,
  after: number,
): Promise<Standing | 'too late'> {
  await lab.run('iptables-restore', [], BEFORE)
  const before = await rulesOf(lab)
  await expectReach(lab, ADMINS_ONLY, 'before', { families: ['ip'] })
  writeFileSync(join(lab.folder, 'new.rules'), LOCKED_OUT)
  // Its backup is made in /tmp, and stays there when it is killed: it gets a /tmp of its own.
  const inOwnTmp = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /tmp && exec "$@"', lab.folder]
  const command = ['iptables-apply', '-t', `${WINDOW}`, '/tmp/new.rules']
  const begun = performance.now()
  const program = await lab.start([...inOwnTmp, ...command])
  await program.says(/Can you establish NEW connections/)
  const asked = performance.now()
  await expectReach(lab, NOBODY, 'inside the window', { families: ['ip'] })
  await sleep(Math.max(0, asked + after - performance.now()))
  act(program)
  // By its own clock it asked at some moment since it was begun: only this is surely inside the window.
  const inTime = performance.now() - begun < WINDOW * 1000
  // When the window is over and the program gone, nobody is left who would undo anything.
  await sleep(asked + WINDOW * 1000 - performance.now())
  await program.ended()
  if (!inTime) return 'too late'
  const rules = await rulesOf(lab)
  return rules === before ? 'the previous rules' : 'the new rules: the admins are locked out'
}

async function rulesOf(lab: DrillLab): Promise<string> {
  return (await lab.run('iptables-save', ['-t', 'filter'])).replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '')
}

function tableOf(standing: ReadonlyMap<string, readonly Standing[]>): string {
  const rows = Object.keys(DRILLS).map((what) => {
    const found = [...new Set(standing.get(what) ?? [])].toSorted()
    return `| ${what} | ${found.join(', or ')} |\n`
  })
  return `| inside the window | left standing after it |\n|---|---|\n${rows.join('')}`
}

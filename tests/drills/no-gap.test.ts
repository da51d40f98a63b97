/**
 * No gap: while a stranger floods and two machines that both policies admit send without pause, admit changes from one policy
 * to the other and back. Nothing of the stranger's gets through, no packet of the others is dropped by a rule, and none of their
 * connections breaks. When a change is undone, nothing gets through either. ADMIT_SEED repeats a run; with --long there are
 * 1,000 changes.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { run as runAdmit } from '../../src/cli/program.ts'
import { realJournal } from '../../src/system/journal.ts'
import { realSystem } from '../../src/system/real-system.ts'
import type { GapLab, Measured } from '../support/gap-lab.ts'
import { openGapLab } from '../support/gap-lab.ts'
import { caseCount, drawnSeed } from '../support/law-cases.ts'
import { randomFrom } from '../support/random.ts'
import { run } from '../support/run.ts'

const ADMIT = new URL('../../bin/admit', import.meta.url).pathname
const APPLIES = caseCount(8, 48, 850)
const UNDOS = caseCount(3, 12, 150)
/** Milliseconds for each of the two; a slow machine changes less often, and says so. */
const TIME = caseCount(20_000, 150_000, 5_000_000)
const seed = drawnSeed()

/** Both admit card and twin, each by its MAC, or by an address; all else differs: devices, grants, services, chains. */
const POLICIES = [
  `admit: 1
host: { log: off, forward: drop }
devices:
  card: { mac: 02:ad:00:00:01:01, admin: true, unseen: true }
  twin: { mac: 02:ad:00:00:01:02, admin: true, unseen: true }
  old: { mac: 02:ad:00:00:02:01 }
  office: { address: [203.0.113.7, "2001:db8:77::/64"] }
  guest: { mac: 02:ad:00:00:02:02, until: 2090-01-01T00:00:00Z }
services:
  ssh: 22/tcp
  numbers: [7000/tcp, 7000/udp]
grants:
  - { from: card, to: everything }
  - { from: twin, to: [numbers, ssh] }
  - { from: [old, office, guest], to: 443/tcp }
`,
  `admit: 1
host: { log: off, forward: guard }
devices:
  twin: { address: [10.50.2.2, "2001:db8:50:2::2"], admin: true, unseen: true }
  card: { mac: 02:ad:00:00:01:01, admin: true, unseen: true }
  desk: { bound: { mac: 02:ad:00:00:02:03, address: 192.168.1.7 } }
  office: { address: [203.0.113.7, 203.0.113.8] }
services:
  ssh: 22/tcp
  numbers: [7000-7001/tcp, 6000-7000/udp]
grants:
  - { from: anyone, to: 80/tcp, on: to-card }
  - { from: [twin, card], to: [numbers, ssh, ping] }
  - { from: [desk, office], to: 443/tcp }
`,
] as const

describe('no gap', () => {
  let lab: GapLab
  let folder: string
  let state: string
  let present: 0 | 1 = 0

  before(async () => {
    lab = openGapLab()
    folder = mkdtempSync(join(tmpdir(), 'admit-gap-'))
    state = join(folder, 'state')
    mkdirSync(state)
    chmodSync(state, 0o700)
    for (const [index, text] of POLICIES.entries()) writeFileSync(policyFile(index), text)
    assert.equal(await admit(['apply', '--no-confirm'], 0), 0)
  })
  after(async () => {
    await lab?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const policyFile = (index: number): string => join(folder, `policy-${index}.yaml`)
  const other = (): 0 | 1 => (present === 0 ? 1 : 0)

  /** admit from its command line on, in this process: its start would take the most of the time. */
  async function admit(
    words: readonly string[],
    policy: number,
    codes: readonly number[] = [0],
  ): Promise<number> {
    let said = ''
    const hear = (text: string): void => {
      said += text
    }
    const code = await runAdmit({
      args: [...words, '--policy', policyFile(policy), '--state', state],
      version: '0.0.0',
      env: {},
      streams: { out: hear, err: hear },
      terminal: { out: false, err: false, width: 100 },
      system: async () => realSystem(),
    })
    assert.ok(codes.includes(code), `admit ${words.join(' ')} ended with ${code}: ${said}`)
    return code
  }

  /** As often as wanted and as there is time for. */
  async function repeat(
    count: number,
    least: number,
    work: (index: number) => Promise<void>,
  ): Promise<number> {
    const deadline = Date.now() + TIME
    let done = 0
    while (done < count && (done < least || Date.now() < deadline)) await work(done++)
    return done
  }

  test('what goes wrong is seen: rules that are gone for a moment, and rules that admit nobody', async () => {
    const open = await lab.during(async () => {
      run('nft', ['delete', 'table', 'inet', 'admit'])
      await sleep(200)
      await admit(['apply', '--no-confirm'], present)
    })
    assert.ok(open.stranger.after > 0 && open.stranger.after < open.stranger.before, words(open))
    const closed = await lab.during(async () => {
      run('nft', ['insert', 'rule', 'inet', 'admit', 'input', 'udp', 'dport', '7000', 'drop'])
      await sleep(200)
      await admit(['apply', '--no-confirm'], present)
    })
    assert.ok(closed.udp.after > 0 && closed.udp.after < closed.udp.before, words(closed))
    // A RST is what a rule that cuts by mistake would be to the connection.
    const broken = await lab.during(async () => {
      run('ss', ['-K', 'sport', '=', ':7000'])
      await sleep(200)
    })
    assert.ok(Object.values(broken.friends).some((one) => one.broken))
  })

  test('one policy applied after the other', async (context) => {
    const random = randomFrom(seed)
    let whole = 0
    let done = 0
    const measured = await lab.during(async () => {
      done = await repeat(APPLIES, 4, async (index) => {
        const next = other()
        // One of them at least is the whole program, as a user starts it.
        if (index === 1 || random.chance(0.15)) {
          whole++
          const args = ['apply', '--no-confirm', '--policy', policyFile(next), '--state', state]
          await promisify(execFile)(ADMIT, args)
        } else {
          await admit(['apply', '--no-confirm'], next)
        }
        present = next
      })
    })
    report(context, `${done} applies, ${whole} of them by the whole program`, measured)
    expectNoGap(measured)
  })

  test('a change undone at its deadline, and when asked', async (context) => {
    const random = randomFrom(seed + 1)
    const journal = realJournal(state)
    let asked = 0
    let done = 0
    const measured = await lab.during(async () => {
      done = await repeat(UNDOS, 2, async (index) => {
        const byHand = index === 0 || (index > 1 && random.chance(0.5))
        // 3: on a busy machine its second is over, and it is undone, before the command has said all that it had to say.
        await admit(['apply', '--confirm-within', byHand ? '60s' : '1s'], other(), byHand ? [0] : [0, 3])
        if (byHand) {
          asked++
          await admit(['rollback'], present)
        }
        await undone(journal, byHand ? 'asked' : 'deadline')
        // And forth, so that each policy comes back by an undo.
        await admit(['apply', '--no-confirm'], other())
        present = other()
      })
    })
    report(context, `${done} undos, ${asked} of them asked for`, measured)
    expectClosed(measured)
    expectUnbroken(measured)
    // The guard brings the previous table back whatever is there: it is deleted and made anew in one transaction. From the moment
    // that the new rules count until the old chain is off its hook, that one is empty and its drop policy takes what arrives.
    // Measured: none in most runs, one of 206,324 datagrams in one. TCP sends it again; nothing else may get lost.
    const { udp, tcp, answers } = measured
    const lost = [udp, tcp, answers].map((passage) => passage.before - passage.after)
    assert.ok(
      lost.reduce((sum, one) => sum + one) <= udp.before / 1000,
      `${lost.join(' ')} packets of admitted devices`,
    )
  })

  async function undone(journal: ReturnType<typeof realJournal>, why: string): Promise<void> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const now = await journal.state()
      if (now.ok && now.value.kind === 'idle') break
      assert.ok(Date.now() < deadline, 'never undone')
      await sleep(50)
    }
    const outcome = await journal.outcome()
    assert.ok(outcome.ok && outcome.value !== undefined)
    assert.deepEqual([outcome.value.result, outcome.value.why], ['undone', why])
  }

  function report(context: TestContext, what: string, measured: Measured): void {
    context.diagnostic(`ADMIT_SEED=${seed}: ${what}; ${words(measured)}`)
  }
})

function expectNoGap(measured: Measured): void {
  const { udp, tcp, answers } = measured
  expectClosed(measured)
  assert.equal(udp.after, udp.before, 'rules dropped datagrams of admitted devices')
  assert.equal(tcp.after, tcp.before, 'rules dropped TCP segments of admitted devices')
  assert.equal(answers.after, answers.before, 'rules dropped answers of this host')
  expectUnbroken(measured)
}

function expectClosed({ stranger }: Measured): void {
  assert.equal(stranger.after, 0, 'packets of the stranger got through')
  assert.ok(stranger.before > 1000, `only ${stranger.before} packets of the stranger arrived`)
}

function expectUnbroken({ udp, server, friends }: Measured): void {
  // Every number that the rules let pass arrives at the program, once, but for what its own full buffer drops.
  const numbers = server['udp'] ?? assert.fail('no count')
  assert.equal(numbers.heard + numbers.dropped, udp.after, 'datagrams went astray')
  assert.ok(!numbers.broken, 'a number arrived twice')
  const talks = Object.entries(friends).filter(([name]) => name.includes('tcp'))
  assert.equal(talks.length, 4)
  for (const [name, { sent, heard, broken }] of talks) {
    assert.ok(!broken, `${name} broke`)
    assert.ok(sent > 0)
    assert.equal(heard, sent, `${name}: bytes in, bytes out`)
  }
}

function words({ stranger, udp, tcp, answers }: Measured): string {
  const lost = [udp, tcp, answers].map(({ before: all, after: left }) => `${all - left} of ${all}`)
  return `${stranger.after} of the stranger's ${stranger.before} packets got through; dropped by rules: ${lost[0]} datagrams, ${lost[1]} segments, ${lost[2]} answers`
}

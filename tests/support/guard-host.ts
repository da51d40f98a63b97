import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, before, beforeEach } from 'node:test'
import { readOutcome } from '../../src/apply/journal-text.ts'
import { parseRecord } from '../../src/apply/record.ts'
import { expectOk } from './expect-ok.ts'
import type { GuardTransaction } from './guard-state.ts'
import { digest, GUARD, NO_TABLE, sha256, storedText, tableText, writeTransaction } from './guard-state.ts'
import { requirePrivateNamespace } from './private-namespace.ts'
import { run } from './run.ts'

/** Not this boot. */
export const BOOT = '11111111-2222-4333-8444-555555555555'

/** What every test of the guard has. */
export interface GuardHost {
  /** A state folder of its own for each test. */
  readonly state: string
  /** The digest of a kernel without admit's table. */
  readonly empty: string
}

/** The begin and the end of each test in the calling file: a state folder of its own, and no table in the kernel. */
export function guardHost(): GuardHost {
  requirePrivateNamespace()
  let state = ''
  let empty = ''
  before(() => {
    load(NO_TABLE)
    empty = digest()
  })
  beforeEach(() => {
    load(NO_TABLE)
    state = mkdtempSync(join(tmpdir(), 'admit-guard-'))
  })
  afterEach(() => {
    spawnSync('umount', ['-l', state], { stdio: 'ignore' })
    rmSync(state, { recursive: true, force: true })
  })
  return {
    get state() {
      return state
    },
    get empty() {
      return empty
    },
  }
}

export function load(text: string): void {
  run('nft', ['-f', '-'], text)
}

/** The chain that tells whose table the kernel holds. */
export function present(): string | undefined {
  const { stdout } = spawnSync('nft', ['list', 'table', 'inet', 'admit'], { encoding: 'utf8' })
  return /chain (\w+)/.exec(stdout)?.[1]
}

/** Rules `old` were there and others are confirmed; `fresh` are in the kernel now, and wait for their confirmation. */
export function change(
  state: string,
  more: Partial<GuardTransaction> = {},
  place: 'pending' | 'undoing' = 'pending',
): void {
  load(`${NO_TABLE}${tableText('old')}`)
  const listing = digest()
  writeFileSync(`${state}/rules.nft`, storedText(tableText('confirmed')))
  writeFileSync(`${state}/rescue.nft`, storedText(tableText('oldrescue')))
  writeTransaction(state, place, {
    previous: `${NO_TABLE}${tableText('old')}`,
    candidate: tableText('fresh'),
    rescue: tableText('freshrescue'),
    policy: 'admit: 1\n',
    listing,
    ...more,
  })
  load(`${NO_TABLE}${tableText('fresh')}`)
}

/** How the last transaction ended, as written; admit can read it, too. */
export function outcome(state: string): Readonly<Record<string, string>> {
  const path = `${state}/outcome`
  const record = expectOk(parseRecord(readFileSync(path, 'utf8'), 'outcome', path, sha256), path)
  expectOk(readOutcome(record), path)
  return Object.fromEntries(record.lines.toReversed())
}

/** Nothing is in flight any more, and nothing half written lies about. */
export function assertTidy(state: string): void {
  const expected = new Set(['lock', 'rules.nft', 'rescue.nft', 'policy.yaml', 'outcome', 'points'])
  assert.deepEqual(
    readdirSync(state).filter((name) => !expected.has(name)),
    [],
  )
}

/** Puts a small file system under the state folder; `fill` leaves no byte of it. */
export function smallDisk(state: string): { readonly fill: () => void } {
  run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state])
  return {
    fill: () => {
      spawnSync('dd', ['if=/dev/zero', `of=${state}/rest`, 'bs=1k'], { stdio: 'ignore' })
    },
  }
}

/** A copy of the guard, in the state's folder, that differs in one place. */
export function changedGuard(state: string, from: string, to: string): string {
  const parts = readFileSync(GUARD, 'utf8').split(from)
  assert.equal(parts.length, 2, `the guard says ${from} ${parts.length - 1} times`)
  writeFileSync(`${state}/changed-guard`, parts.join(to))
  return `${state}/changed-guard`
}

/** To all of a session, as a terminal that closes sends it. */
export function signalSession(session: number, signal: NodeJS.Signals): void {
  const { stdout } = spawnSync('ps', ['-s', String(session), '-o', 'pid='], { encoding: 'utf8' })
  for (const pid of stdout.trim().split(/\s+/)) {
    try {
      process.kill(Number(pid), signal)
    } catch {
      // It ended meanwhile.
    }
  }
}

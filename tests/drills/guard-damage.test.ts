/** Files that are not whole are told and never obeyed, whatever became of them. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { assertTidy, change, newState, outcome, present, removeState } from '../support/guard-host.ts'
import { guard, ID, sha256, writeRecord } from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

let state = ''

beforeEach(() => {
  state = newState()
})
afterEach(() => {
  removeState(state)
})

describe('damaged files', () => {
  const damage: Readonly<Record<string, () => void>> = {
    'cut short': () => {
      truncateSync(`${state}/pending/journal`, 300)
    },
    'without its last line feed': () => {
      const text = readFileSync(`${state}/pending/journal`, 'utf8')
      writeFileSync(`${state}/pending/journal`, text.slice(0, -1))
    },
    empty: () => {
      truncateSync(`${state}/pending/journal`, 0)
    },
    changed: () => {
      const text = readFileSync(`${state}/pending/journal`, 'utf8')
      writeFileSync(`${state}/pending/journal`, text.replace('root (alice)', 'root (mallory)'))
    },
    foreign: () => {
      writeFileSync(`${state}/pending/journal`, 'hello\n')
    },
    'of a newer version': () => {
      const body = readFileSync(`${state}/pending/journal`, 'utf8').replace(
        'admit-journal 1',
        'admit-journal 2',
      )
      const lines = body.replace(/sha256 .*\n$/, '')
      writeFileSync(`${state}/pending/journal`, `${lines}sha256 ${sha256(lines)}\n`)
    },
    'of another kind': () => {
      writeRecord(`${state}/pending/journal`, { what: 'window', lines: [['id', ID]] })
    },
    'whole, without what it must have': () => {
      writeRecord(`${state}/pending/journal`, { what: 'journal', lines: [['id', '../../etc']] })
    },
    missing: () => {
      rmSync(`${state}/pending/journal`)
    },
    'a folder': () => {
      rmSync(`${state}/pending/journal`)
      mkdirSync(`${state}/pending/journal`)
    },
    'a link': () => {
      renameSync(`${state}/pending/journal`, `${state}/pending/elsewhere`)
      symlinkSync('elsewhere', `${state}/pending/journal`)
    },
    'a pipe that nobody writes to': () => {
      rmSync(`${state}/pending/journal`)
      run('mkfifo', [`${state}/pending/journal`])
    },
    'in a linked folder': () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'admit-guard-'))
      renameSync(`${state}/pending`, `${elsewhere}/pending`)
      symlinkSync(`${elsewhere}/pending`, `${state}/pending`)
    },
    'no folder at all': () => {
      rmSync(`${state}/pending`, { recursive: true })
      writeFileSync(`${state}/pending`, 'text')
    },
  }
  for (const [what, spoil] of Object.entries(damage)) {
    test(`a journal ${what} is told and not obeyed: the admins-only rules of the last confirmation`, () => {
      change(state)
      spoil()
      const { code, stdout, stderr } = guard(['undo', state, 'asked'])
      assert.deepEqual([code, stdout], [0, 'rescued\n'])
      assert.match(stderr, /^admit-guard: \S+pending|undoing/)
      assert.equal(present(), 'oldrescue')
      assert.equal(outcome(state)['result'], 'rescued')
      assertTidy(state)
    })
  }

  test('a changed or missing previous.nft is not loaded', () => {
    for (const spoil of [
      () => {
        appendFileSync(`${state}/pending/previous.nft`, 'table inet evil {}\n')
      },
      () => {
        rmSync(`${state}/pending/previous.nft`)
      },
    ]) {
      change(state)
      spoil()
      assert.equal(guard(['undo', state, 'asked']).stdout, 'rescued\n')
      assert.equal(present(), 'freshrescue')
      assert.doesNotMatch(run('nft', ['list', 'tables']), /evil/)
    }
  })
})

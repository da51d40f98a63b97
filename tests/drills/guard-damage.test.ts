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
import { describe, test } from 'node:test'
import { assertTidy, change, guardHost, outcome, present } from '../support/guard-host.ts'
import { guard, ID, sha256, writeRecord } from '../support/guard-state.ts'
import { run } from '../support/run.ts'

const host = guardHost()

describe('damaged files', () => {
  const damage: Readonly<Record<string, () => void>> = {
    'cut short': () => {
      truncateSync(`${host.state}/pending/journal`, 300)
    },
    'without its last line feed': () => {
      const text = readFileSync(`${host.state}/pending/journal`, 'utf8')
      writeFileSync(`${host.state}/pending/journal`, text.slice(0, -1))
    },
    empty: () => {
      truncateSync(`${host.state}/pending/journal`, 0)
    },
    changed: () => {
      const text = readFileSync(`${host.state}/pending/journal`, 'utf8')
      writeFileSync(`${host.state}/pending/journal`, text.replace('root (alice)', 'root (mallory)'))
    },
    foreign: () => {
      writeFileSync(`${host.state}/pending/journal`, 'hello\n')
    },
    'of a newer version': () => {
      const body = readFileSync(`${host.state}/pending/journal`, 'utf8').replace(
        'admit-journal 1',
        'admit-journal 2',
      )
      const lines = body.replace(/sha256 .*\n$/, '')
      writeFileSync(`${host.state}/pending/journal`, `${lines}sha256 ${sha256(lines)}\n`)
    },
    'of another kind': () => {
      writeRecord(`${host.state}/pending/journal`, { what: 'window', lines: [['id', ID]] })
    },
    'whole, without what it must have': () => {
      writeRecord(`${host.state}/pending/journal`, { what: 'journal', lines: [['id', '../../etc']] })
    },
    missing: () => {
      rmSync(`${host.state}/pending/journal`)
    },
    'a folder': () => {
      rmSync(`${host.state}/pending/journal`)
      mkdirSync(`${host.state}/pending/journal`)
    },
    'a link': () => {
      renameSync(`${host.state}/pending/journal`, `${host.state}/pending/elsewhere`)
      symlinkSync('elsewhere', `${host.state}/pending/journal`)
    },
    'a pipe that nobody writes to': () => {
      rmSync(`${host.state}/pending/journal`)
      run('mkfifo', [`${host.state}/pending/journal`])
    },
    'in a linked folder': () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'admit-guard-'))
      renameSync(`${host.state}/pending`, `${elsewhere}/pending`)
      symlinkSync(`${elsewhere}/pending`, `${host.state}/pending`)
    },
    'no folder at all': () => {
      rmSync(`${host.state}/pending`, { recursive: true })
      writeFileSync(`${host.state}/pending`, 'text')
    },
  }
  for (const [what, spoil] of Object.entries(damage)) {
    test(`a journal ${what} is told and not obeyed: the admins-only rules of the last confirmation`, () => {
      change(host.state)
      spoil()
      const { code, stdout, stderr } = guard(['undo', host.state, 'asked'])
      assert.deepEqual([code, stdout], [0, 'rescued\n'])
      assert.match(stderr, /^admit-guard: \S+pending|undoing/)
      assert.equal(present(), 'oldrescue')
      assert.equal(outcome(host.state)['result'], 'rescued')
      assertTidy(host.state)
    })
  }

  test('a changed or missing previous.nft is not loaded', () => {
    for (const spoil of [
      () => {
        appendFileSync(`${host.state}/pending/previous.nft`, 'table inet evil {}\n')
      },
      () => {
        rmSync(`${host.state}/pending/previous.nft`)
      },
    ]) {
      change(host.state)
      spoil()
      assert.equal(guard(['undo', host.state, 'asked']).stdout, 'rescued\n')
      assert.equal(present(), 'freshrescue')
      assert.doesNotMatch(run('nft', ['list', 'tables']), /evil/)
    }
  })
})

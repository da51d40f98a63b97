import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { expectOk } from '../../tests/support/expect-ok.ts'
import type { JournalEntry, Moment, Proof, TransactionKind, Window } from './journal.ts'
import type { JournalSeal } from './journal-text.ts'
import {
  journalRecord,
  proofRecord,
  readJournal,
  readOutcome,
  readPoint,
  readWindow,
  windowRecord,
} from './journal-text.ts'
import type { RecordFile } from './record.ts'
import { parseRecord, renderRecord, valueOf } from './record.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** As it comes back from the disk. */
function stored(record: RecordFile): RecordFile {
  return expectOk(parseRecord(renderRecord(record, sha256), record.what, 'FILE', sha256), 'parseRecord')
}

const KINDS = [
  'apply',
  'start',
  'reload',
  'stop',
  'flush',
  'rollback',
] as const satisfies readonly TransactionKind[]

/** Objects as the program makes them. */
const PLAIN = { noNullPrototype: true } as const

/** Two digits after the point are kept. */
const seconds = fc.integer({ min: 0, max: 2 ** 40 }).map((value) => value / 100)
const moment: fc.Arbitrary<Moment> = fc.record({ uptime: seconds, wall: seconds }, PLAIN)
const word = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9.:() -]{0,40}[a-z0-9)]$/)
const hash = fc.string().map(sha256)
const optionalHash = fc.option(hash, { nil: undefined })

const entry: fc.Arbitrary<JournalEntry> = fc
  .record({
    id: word,
    kind: fc.constantFrom(...KINDS),
    by: word,
    from: word,
    started: moment,
    window: fc.integer({ min: 1, max: 3600 }),
    tokenHash: hash,
    unguarded: fc.array(word, { maxLength: 3 }),
    keeps: fc.boolean(),
    connections: fc.array(word, { maxLength: 3 }),
    forced: fc.option(word, { nil: undefined }),
  })
  .map(({ forced, ...rest }) => (forced === undefined ? rest : { ...rest, forced }))

const seal: fc.Arbitrary<JournalSeal> = fc.record(
  {
    boot: fc.uuid(),
    netns: fc.nat().map(String),
    applier: fc.record({ pid: fc.integer({ min: 1, max: 4194304 }), start: fc.nat().map(String) }, PLAIN),
    previous: hash,
    candidate: optionalHash,
    rescue: optionalHash,
    policy: optionalHash,
    listing: hash,
  },
  PLAIN,
)

describe('what is written is what is read', () => {
  test('of a journal', () => {
    fc.assert(
      fc.property(entry, seal, (one, other) => {
        const back = expectOk(readJournal(stored(journalRecord(one, other))), 'readJournal')
        assert.deepEqual(back, { entry: one, seal: other })
      }),
      { numRuns: 300 },
    )
  })

  test('of a window', () => {
    const window: fc.Arbitrary<Window> = fc.record(
      {
        opened: moment,
        deadline: moment,
        connections: fc.array(word, { maxLength: 4 }),
      },
      PLAIN,
    )
    fc.assert(
      fc.property(window, (one) => {
        assert.deepEqual(expectOk(readWindow(stored(windowRecord(one))), 'readWindow'), one)
      }),
    )
  })

  test('of a proof: who, from where, how and when', () => {
    const proof: Proof = { by: 'root', from: 'a console', how: 'console', at: { uptime: 1.5, wall: 2 } }
    const record = stored(proofRecord(proof))
    assert.deepEqual(record.lines, [
      ['by', 'root'],
      ['from', 'a console'],
      ['how', 'console'],
      ['uptime', '1.50'],
      ['wall', '2.00'],
    ])
  })
})

describe('what is missing or wrong is told', () => {
  const [one] = fc.sample(entry, { numRuns: 1, seed: 1 })
  const [other] = fc.sample(seal, { numRuns: 1, seed: 1 })
  const record = journalRecord(one ?? assert.fail(), other ?? assert.fail())
  const without = (from: RecordFile, key: string): RecordFile => ({
    ...from,
    lines: from.lines.filter(([name]) => name !== key),
  })
  const withValue = (from: RecordFile, key: string, value: string): RecordFile => ({
    ...from,
    lines: from.lines.map(([name, old]) => [name, name === key ? value : old]),
  })

  test('of a journal: any key that it must have', () => {
    const keys = new Set(record.lines.map(([key]) => key))
    for (const key of keys) {
      const result = readJournal(without(record, key))
      if (['forced', 'unguarded', 'connection'].includes(key)) assert.ok(result.ok)
      else assert.deepEqual(result, { ok: false, error: `it does not say \`${key}\`` })
    }
  })

  test('of a journal: a kind that nobody knows, a time that is none', () => {
    assert.equal(readJournal(withValue(record, 'kind', 'explode')).ok, false)
    for (const value of ['', 'x', '-1', '1e9', 'Infinity', '0x10', '1.', ' 1', '9'.repeat(16)]) {
      assert.equal(readJournal(withValue(record, 'window', value)).ok, false, value)
    }
  })

  test('of an outcome', () => {
    const outcome: RecordFile = {
      what: 'outcome',
      lines: [
        ['id', 'x'],
        ['kind', 'stop'],
        ['result', 'undone'],
        ['why', 'deadline'],
        ['by', 'root'],
        ['wall', '7'],
      ],
    }
    assert.deepEqual(readOutcome(outcome), {
      ok: true,
      value: { id: 'x', kind: 'stop', result: 'undone', why: 'deadline', by: 'root', at: 7 },
    })
    for (const [key] of outcome.lines) assert.equal(readOutcome(without(outcome, key)).ok, false, key)
    assert.equal(readOutcome(withValue(outcome, 'result', 'fine')).ok, false)
  })

  test('of a restore point; how it was confirmed may be unknown', () => {
    const point: RecordFile = {
      what: 'point',
      lines: [
        ['id', 'x'],
        ['kind', 'apply'],
        ['by', 'root'],
        ['from', 'a console'],
        ['wall', '7'],
        ['how', 'token'],
        ['confirmed-by', 'bob'],
        ['confirmed-from', 'elsewhere'],
      ],
    }
    const back = expectOk(readPoint(point), 'readPoint')
    assert.deepEqual(
      [back.how, back.confirmedBy, back.confirmedFrom, back.at],
      ['token', 'bob', 'elsewhere', 7],
    )
    for (const key of ['kind', 'by', 'from', 'wall'])
      assert.equal(readPoint(without(point, key)).ok, false, key)
    assert.equal(readPoint(withValue(point, 'how', 'magic')).ok, false)
    for (const bare of [withValue(point, 'how', 'unknown'), without(point, 'how')]) {
      assert.equal(expectOk(readPoint(bare), 'readPoint').how, 'unproven')
    }
    assert.equal(expectOk(readPoint(without(point, 'confirmed-by')), 'readPoint').confirmedBy, 'unknown')
    assert.equal(valueOf(point, 'id'), 'x')
  })
})

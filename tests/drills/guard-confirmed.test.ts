/** The guard completes what was confirmed, and loads it at boot, or what comes nearest. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { afterEach, before, beforeEach, describe, test } from 'node:test'
import {
  assertTidy,
  BOOT,
  change,
  load,
  newState,
  outcome,
  present,
  removeState,
  smallDisk,
} from '../support/guard-host.ts'
import {
  claim,
  digest,
  guard,
  ID,
  moment,
  NO_TABLE,
  readRecord,
  storedText,
  tableText,
  writeTransaction,
} from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

let state = ''
let empty = ''

before(() => {
  load(NO_TABLE)
  empty = digest()
})
beforeEach(() => {
  state = newState()
})
afterEach(() => {
  removeState(state)
})

describe('complete', () => {
  test('makes what was confirmed boot, and a restore point, once', () => {
    change(state)
    claim(state)
    const again = `${state}/again`
    run('cp', ['-a', `${state}/confirming`, again])
    assert.deepEqual(guard(['complete', state]), { code: 0, stdout: '', stderr: '' })
    renameSync(again, `${state}/confirming`)
    assert.deepEqual(guard(['complete', state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(guard(['complete', state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(readdirSync(`${state}/points`), ['1'])
    for (const folder of [state, `${state}/points/1`]) {
      assert.equal(readFileSync(`${folder}/rules.nft`, 'utf8'), storedText(tableText('fresh')))
      assert.equal(readFileSync(`${folder}/rescue.nft`, 'utf8'), storedText(tableText('freshrescue')))
      assert.equal(readFileSync(`${folder}/policy.yaml`, 'utf8'), 'admit: 1\n')
    }
    const { wall: confirmed, ...point } = readRecord(`${state}/points/1/point`, 'point')
    assert.deepEqual(point, {
      id: ID,
      kind: 'apply',
      by: 'root (alice)',
      from: '203.0.113.7 port 50122',
      how: 'connection',
      'confirmed-by': 'root (bob)',
      'confirmed-from': '203.0.113.8 port 50200',
    })
    assert.ok(Math.abs(Number(confirmed) - moment().wall) < 60, confirmed)
    const { wall, ...told } = outcome(state)
    assert.ok(Number(wall) > 0)
    assert.deepEqual(told, {
      id: ID,
      kind: 'apply',
      result: 'confirmed',
      why: 'connection',
      by: 'root (bob)',
    })
    assertTidy(state)
    assert.equal(run('find', [state, '-perm', '/077']), '')
    assert.equal(present(), 'fresh')
  })

  test('without a proof it is unknown who confirmed', () => {
    change(state)
    renameSync(`${state}/pending`, `${state}/confirming`)
    assert.equal(guard(['complete', state]).code, 0)
    const { how, 'confirmed-by': by, 'confirmed-from': from } = readRecord(`${state}/points/1/point`, 'point')
    assert.deepEqual([how, by, from], ['unknown', 'unknown', 'unknown'])
  })

  test('what keeps nothing, or has nothing to keep, leaves what boots as it is', () => {
    for (const more of [
      { keeps: false, kind: 'reload' },
      { keeps: true, kind: 'stop', candidate: undefined },
    ] as const) {
      change(state, more)
      claim(state)
      assert.equal(guard(['complete', state]).code, 0)
      assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
      assert.equal(existsSync(`${state}/points`), false)
      assert.deepEqual([outcome(state)['result'], outcome(state)['kind']], ['confirmed', more.kind])
      assertTidy(state)
    }
  })

  for (const file of ['candidate.nft', 'rescue.nft', 'policy.yaml', 'journal']) {
    test(`a bad ${file} is told, and nothing is copied`, () => {
      for (const spoil of [
        () => {
          appendFileSync(`${state}/confirming/${file}`, '# more\n')
        },
        () => {
          rmSync(`${state}/confirming/${file}`)
        },
      ]) {
        change(state)
        claim(state)
        spoil()
        const { code, stderr } = guard(['complete', state])
        assert.equal(code, 4)
        assert.match(stderr, new RegExp(`confirming/${file.replace('.', '\\.')}.*To be rid of it: rm -r`))
        assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
        assert.equal(existsSync(`${state}/points`), false)
        rmSync(`${state}/confirming`, { recursive: true })
      }
    })
  }

  test('a full disk: all stays for the next time', () => {
    const disk = smallDisk(state)
    change(state)
    claim(state)
    disk.fill()
    const { code, stderr } = guard(['complete', state])
    assert.equal(code, 4)
    assert.match(stderr, /could not be written/)
    assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
    rmSync(`${state}/rest`)
    assert.equal(guard(['complete', state]).code, 0)
    assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('fresh')))
    assertTidy(state)
  })

  test('20 points without a name are kept, and every one with a name', () => {
    change(state)
    for (let number = 1; number <= 22; number++) {
      mkdirSync(`${state}/points/${number}`, { recursive: true })
      if (number === 2) writeFileSync(`${state}/points/2/name`, 'good\n')
    }
    for (const number of [23, 24]) {
      const id = `${ID}${number}`
      writeTransaction(state, 'confirming', { id, candidate: tableText(`t${number}`), listing: empty })
      assert.equal(guard(['complete', state]).code, 0)
    }
    const expected = [2, ...Array.from({ length: 20 }, (_, index) => index + 5)]
    const kept = readdirSync(`${state}/points`).map(Number)
    assert.deepEqual(
      kept.toSorted((a, b) => a - b),
      expected,
    )
    assert.equal(existsSync(`${state}/rescue.nft`), false)
  })
})

describe('boot', () => {
  test('nothing was ever confirmed: not a word', () => {
    assert.deepEqual(guard(['boot', state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(guard(['boot', `${state}/none`]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), undefined)
  })

  test('loads what was confirmed', () => {
    writeFileSync(`${state}/rules.nft`, storedText(tableText('confirmed')))
    assert.deepEqual(guard(['boot', state]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), 'confirmed')
    assert.deepEqual(guard(['boot', state]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), 'confirmed')
  })

  test('an unconfirmed change is undone and told; the confirmed rules are loaded', () => {
    for (const place of ['pending', 'undoing'] as const) {
      change(state, { boot: BOOT }, place)
      load(NO_TABLE)
      const { code, stderr } = guard(['boot', state])
      assert.equal(code, 0)
      assert.match(
        stderr,
        new RegExp(`the change ${ID} by root \\(alice\\) was not confirmed before the restart`),
      )
      assert.equal(present(), 'confirmed')
      assert.deepEqual([outcome(state)['result'], outcome(state)['why']], ['undone', 'reboot'])
      assertTidy(state)
    }
  })

  test('an unconfirmed first change leaves the host as it was', () => {
    writeTransaction(state, 'pending', { boot: BOOT, candidate: tableText('fresh'), listing: empty })
    assert.equal(guard(['boot', state]).code, 0)
    assert.equal(present(), undefined)
  })

  test('a damaged journal does not keep it from loading', () => {
    change(state, { boot: BOOT })
    load(NO_TABLE)
    truncateSync(`${state}/pending/journal`, 300)
    assert.equal(guard(['boot', state]).code, 0)
    assert.equal(present(), 'confirmed')
    assertTidy(state)
  })

  test('a confirmation that was cut off is completed and loaded, on a full and on a read-only disk, too', () => {
    for (const disk of ['healthy', 'full', 'read-only']) {
      const small = smallDisk(state)
      change(state, { boot: BOOT })
      claim(state)
      load(NO_TABLE)
      if (disk === 'full') small.fill()
      if (disk === 'read-only') run('mount', ['-o', 'remount,ro', state])
      const { code } = guard(['boot', state])
      assert.equal(present(), 'fresh', disk)
      assert.equal(code, 0, disk)
      assert.equal(existsSync(`${state}/points/1/point`), disk === 'healthy')
      run('umount', [state])
    }
  })

  test('rules that are not whole: the admins-only rules, then the newest restore point, loudly', () => {
    const spoils: readonly (readonly [string, () => void])[] = [
      [
        'oldrescue',
        () => {
          appendFileSync(`${state}/rules.nft`, ' ')
        },
      ],
      [
        'second',
        () => {
          truncateSync(`${state}/rescue.nft`, 20)
        },
      ],
      [
        'first',
        () => {
          writeFileSync(`${state}/points/2/rules.nft`, storedText('table inet admit { nonsense }\n'))
        },
      ],
    ]
    change(state, { boot: BOOT })
    rmSync(`${state}/pending`, { recursive: true })
    for (const [index, mark] of ['first', 'second'].entries()) {
      mkdirSync(`${state}/points/${index + 1}`, { recursive: true })
      writeFileSync(`${state}/points/${index + 1}/rules.nft`, storedText(tableText(mark)))
    }
    for (const [expected, spoil] of spoils) {
      load(NO_TABLE)
      spoil()
      const { code, stderr } = guard(['boot', state])
      assert.equal(code, 1)
      assert.match(stderr, /is loaded instead/)
      assert.equal(present(), expected)
    }
    load(NO_TABLE)
    rmSync(`${state}/points/1`, { recursive: true })
    const { code, stderr } = guard(['boot', state])
    assert.equal(code, 4)
    assert.match(stderr, /NO RULES ARE LOADED/)
    assert.equal(present(), undefined)
  })

  for (const [what, text] of Object.entries({
    'an empty file': '',
    'a first line alone': storedText(tableText('x')).replace(/\n.*/s, '\n'),
    'no body under a right checksum': storedText(''),
    "another's rules": 'table inet admit { chain evil { } }\n',
    'a newer version': storedText(tableText('x')).replace('version 1', 'version 2'),
  })) {
    test(`${what} in the place of rules.nft is not loaded`, () => {
      writeFileSync(`${state}/rules.nft`, text)
      writeFileSync(`${state}/rescue.nft`, storedText(tableText('oldrescue')))
      assert.equal(guard(['boot', state]).code, 1)
      assert.equal(present(), 'oldrescue')
    })
  }
})

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
import { describe, test } from 'node:test'
import {
  assertTidy,
  BOOT,
  change,
  guardHost,
  load,
  outcome,
  present,
  smallDisk,
} from '../support/guard-host.ts'
import {
  claim,
  CLAIMED,
  guard,
  ID,
  moment,
  NO_TABLE,
  readRecord,
  storedText,
  tableText,
  writeProof,
  writeTransaction,
} from '../support/guard-state.ts'
import { run } from '../support/run.ts'

const host = guardHost()

describe('complete', () => {
  test('makes what was confirmed boot, and a restore point, once', () => {
    change(host.state)
    claim(host.state)
    const again = `${host.state}/again`
    run('cp', ['-a', `${host.state}/${CLAIMED}`, again])
    assert.deepEqual(guard(['complete', host.state]), { code: 0, stdout: '', stderr: '' })
    renameSync(again, `${host.state}/${CLAIMED}`)
    assert.deepEqual(guard(['complete', host.state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(guard(['complete', host.state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(readdirSync(`${host.state}/points`), ['1'])
    for (const folder of [host.state, `${host.state}/points/1`]) {
      assert.equal(readFileSync(`${folder}/rules.nft`, 'utf8'), storedText(tableText('fresh')))
      assert.equal(readFileSync(`${folder}/rescue.nft`, 'utf8'), storedText(tableText('freshrescue')))
      assert.equal(readFileSync(`${folder}/policy.yaml`, 'utf8'), 'admit: 1\n')
    }
    const { wall: confirmed, ...point } = readRecord(`${host.state}/points/1/point`, 'point')
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
    const { wall, ...told } = outcome(host.state)
    assert.ok(Number(wall) > 0)
    assert.deepEqual(told, {
      id: ID,
      kind: 'apply',
      result: 'confirmed',
      why: 'connection',
      by: 'root (bob)',
    })
    assertTidy(host.state)
    assert.equal(run('find', [host.state, '-perm', '/077']), '')
    assert.equal(present(), 'fresh')
  })

  test('without a proof it is unknown who confirmed', () => {
    change(host.state)
    renameSync(`${host.state}/pending`, `${host.state}/${CLAIMED}`)
    assert.equal(guard(['complete', host.state]).code, 0)
    const {
      how,
      'confirmed-by': by,
      'confirmed-from': from,
    } = readRecord(`${host.state}/points/1/point`, 'point')
    assert.deepEqual([how, by, from], ['unknown', 'unknown', 'unknown'])
  })

  test('of several proofs, the one of the claim that won counts', () => {
    change(host.state)
    writeProof(host.state, '000000000000', 'root (carol)')
    writeProof(host.state, 'ffffffffffff', 'root (dave)')
    claim(host.state)
    assert.equal(guard(['complete', host.state]).code, 0)
    assert.equal(readRecord(`${host.state}/points/1/point`, 'point')['confirmed-by'], 'root (bob)')
    assert.equal(outcome(host.state)['by'], 'root (bob)')
    assertTidy(host.state)
  })

  test('what keeps nothing, or has nothing to keep, leaves what boots as it is', () => {
    for (const more of [
      { keeps: false, kind: 'reload' },
      { keeps: true, kind: 'stop', candidate: undefined },
    ] as const) {
      change(host.state, more)
      claim(host.state)
      assert.equal(guard(['complete', host.state]).code, 0)
      assert.equal(readFileSync(`${host.state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
      assert.equal(existsSync(`${host.state}/points`), false)
      assert.deepEqual([outcome(host.state)['result'], outcome(host.state)['kind']], ['confirmed', more.kind])
      assertTidy(host.state)
    }
  })

  for (const file of ['candidate.nft', 'rescue.nft', 'policy.yaml', 'journal']) {
    test(`a bad ${file} is told, and nothing is copied`, () => {
      for (const spoil of [
        () => {
          appendFileSync(`${host.state}/${CLAIMED}/${file}`, '# more\n')
        },
        () => {
          rmSync(`${host.state}/${CLAIMED}/${file}`)
        },
      ]) {
        change(host.state)
        claim(host.state)
        spoil()
        const { code, stderr } = guard(['complete', host.state])
        assert.equal(code, 4)
        assert.match(stderr, new RegExp(`${CLAIMED}/${file.replace('.', '\\.')}.*To be rid of it: rm -r`))
        assert.equal(readFileSync(`${host.state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
        assert.equal(existsSync(`${host.state}/points`), false)
        rmSync(`${host.state}/${CLAIMED}`, { recursive: true })
      }
    })
  }

  test('a full disk: all stays for the next time', () => {
    const disk = smallDisk(host.state)
    change(host.state)
    claim(host.state)
    disk.fill()
    const { code, stderr } = guard(['complete', host.state])
    assert.equal(code, 4)
    assert.match(stderr, /could not be written/)
    assert.equal(readFileSync(`${host.state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
    rmSync(`${host.state}/rest`)
    assert.equal(guard(['complete', host.state]).code, 0)
    assert.equal(readFileSync(`${host.state}/rules.nft`, 'utf8'), storedText(tableText('fresh')))
    assertTidy(host.state)
  })

  test('20 points without a name are kept, and every one with a name', () => {
    change(host.state)
    for (let number = 1; number <= 22; number++) {
      mkdirSync(`${host.state}/points/${number}`, { recursive: true })
      if (number === 2) writeFileSync(`${host.state}/points/2/name`, 'good\n')
    }
    for (const number of [23, 24]) {
      const id = `${ID}${number}`
      writeTransaction(host.state, CLAIMED, { id, candidate: tableText(`t${number}`), listing: host.empty })
      assert.equal(guard(['complete', host.state]).code, 0)
    }
    const expected = [2, ...Array.from({ length: 20 }, (_, index) => index + 5)]
    const kept = readdirSync(`${host.state}/points`).map(Number)
    assert.deepEqual(
      kept.toSorted((a, b) => a - b),
      expected,
    )
    assert.equal(existsSync(`${host.state}/rescue.nft`), false)
  })
})

describe('boot', () => {
  test('nothing was ever confirmed: not a word', () => {
    assert.deepEqual(guard(['boot', host.state]), { code: 0, stdout: '', stderr: '' })
    assert.deepEqual(guard(['boot', `${host.state}/none`]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), undefined)
  })

  test('loads what was confirmed', () => {
    writeFileSync(`${host.state}/rules.nft`, storedText(tableText('confirmed')))
    assert.deepEqual(guard(['boot', host.state]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), 'confirmed')
    assert.deepEqual(guard(['boot', host.state]), { code: 0, stdout: '', stderr: '' })
    assert.equal(present(), 'confirmed')
  })

  test('an unconfirmed change is undone and told; the confirmed rules are loaded', () => {
    for (const place of ['pending', 'undoing'] as const) {
      change(host.state, { boot: BOOT }, place)
      load(NO_TABLE)
      const { code, stderr } = guard(['boot', host.state])
      assert.equal(code, 0)
      assert.match(
        stderr,
        new RegExp(`the change ${ID} by root \\(alice\\) was not confirmed before the restart`),
      )
      assert.equal(present(), 'confirmed')
      assert.deepEqual([outcome(host.state)['result'], outcome(host.state)['why']], ['undone', 'reboot'])
      assertTidy(host.state)
    }
  })

  test('an unconfirmed first change leaves the host as it was', () => {
    writeTransaction(host.state, 'pending', {
      boot: BOOT,
      candidate: tableText('fresh'),
      listing: host.empty,
    })
    assert.equal(guard(['boot', host.state]).code, 0)
    assert.equal(present(), undefined)
  })

  test('a damaged journal does not keep it from loading', () => {
    change(host.state, { boot: BOOT })
    load(NO_TABLE)
    truncateSync(`${host.state}/pending/journal`, 300)
    assert.equal(guard(['boot', host.state]).code, 0)
    assert.equal(present(), 'confirmed')
    assertTidy(host.state)
  })

  test('a confirmation that was cut off is completed and loaded, on a full and on a read-only disk, too', () => {
    for (const disk of ['healthy', 'full', 'read-only']) {
      const small = smallDisk(host.state)
      change(host.state, { boot: BOOT })
      claim(host.state)
      load(NO_TABLE)
      if (disk === 'full') small.fill()
      if (disk === 'read-only') run('mount', ['-o', 'remount,ro', host.state])
      const { code } = guard(['boot', host.state])
      assert.equal(present(), 'fresh', disk)
      assert.equal(code, 0, disk)
      assert.equal(existsSync(`${host.state}/points/1/point`), disk === 'healthy')
      run('umount', [host.state])
    }
  })

  test('rules that are not whole: the admins-only rules, then the newest restore point, loudly', () => {
    const spoils: readonly (readonly [string, () => void])[] = [
      [
        'oldrescue',
        () => {
          appendFileSync(`${host.state}/rules.nft`, ' ')
        },
      ],
      [
        'second',
        () => {
          truncateSync(`${host.state}/rescue.nft`, 20)
        },
      ],
      [
        'first',
        () => {
          writeFileSync(`${host.state}/points/2/rules.nft`, storedText('table inet admit { nonsense }\n'))
        },
      ],
    ]
    change(host.state, { boot: BOOT })
    rmSync(`${host.state}/pending`, { recursive: true })
    for (const [index, mark] of ['first', 'second'].entries()) {
      mkdirSync(`${host.state}/points/${index + 1}`, { recursive: true })
      writeFileSync(`${host.state}/points/${index + 1}/rules.nft`, storedText(tableText(mark)))
    }
    for (const [expected, spoil] of spoils) {
      load(NO_TABLE)
      spoil()
      const { code, stderr } = guard(['boot', host.state])
      assert.equal(code, 1)
      assert.match(stderr, /is loaded instead/)
      assert.equal(present(), expected)
    }
    load(NO_TABLE)
    rmSync(`${host.state}/points/1`, { recursive: true })
    const { code, stderr } = guard(['boot', host.state])
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
      writeFileSync(`${host.state}/rules.nft`, text)
      writeFileSync(`${host.state}/rescue.nft`, storedText(tableText('oldrescue')))
      assert.equal(guard(['boot', host.state]).code, 1)
      assert.equal(present(), 'oldrescue')
    })
  }
})

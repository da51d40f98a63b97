/** The guard on the real kernel: what it restores, completes and loads, and what it does with files that are not whole. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
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
import { setTimeout as sleep } from 'node:timers/promises'
import type { GuardTransaction } from '../support/guard-state.ts'
import {
  claim,
  digest,
  guard,
  GUARD,
  ID,
  moment,
  NO_TABLE,
  openWindow,
  readRecord,
  sha256,
  startWatch,
  storedText,
  tableText,
  until,
  writeRecord,
  writeTransaction,
} from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

const EMPTY = digest()
const BOOT = '11111111-2222-4333-8444-555555555555'
let state = ''

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'admit-guard-'))
  load(NO_TABLE)
})
afterEach(() => {
  spawnSync('umount', ['-l', state], { stdio: 'ignore' })
  rmSync(state, { recursive: true, force: true })
})

function load(text: string): void {
  run('nft', ['-f', '-'], text)
}

/** The chain that tells whose table the kernel holds. */
function present(): string | undefined {
  const { stdout } = spawnSync('nft', ['list', 'table', 'inet', 'admit'], { encoding: 'utf8' })
  return /chain (\w+)/.exec(stdout)?.[1]
}

/** Rules `old` are confirmed and were there; `fresh` are in the kernel now, and wait for their confirmation. */
function change(more: Partial<GuardTransaction> = {}, place: 'pending' | 'undoing' = 'pending'): void {
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

function outcome(): Readonly<Record<string, string>> {
  return readRecord(`${state}/outcome`, 'outcome')
}

/** Nothing is in flight any more, and nothing half written lies about. */
function assertTidy(): void {
  const expected = new Set(['lock', 'rules.nft', 'rescue.nft', 'policy.yaml', 'outcome', 'points'])
  assert.deepEqual(
    readdirSync(state).filter((name) => !expected.has(name)),
    [],
  )
}

/** A small file system of its own under the state folder, with no byte left when `fill` was called. */
function smallDisk(): { readonly fill: () => void } {
  run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state])
  return {
    fill: () => {
      // Bytes run out one by one: the last page is filled, too.
      spawnSync('dd', ['if=/dev/zero', `of=${state}/rest`, 'bs=1k'], { stdio: 'ignore' })
    },
  }
}

describe('digest', () => {
  test('no table, and an empty one, and each rule and element counts', () => {
    const seen = new Set([EMPTY])
    for (const text of [
      'table inet admit {}',
      'table inet admit { flags dormant; }',
      'table inet admit { chain a { }; }',
      'table inet admit { chain a { tcp dport { 22, 80 } accept; } }',
      'table inet admit { chain a { tcp dport { 22, 81 } accept; } }',
      'table inet admit { chain a { accept comment "a, b"; } }',
      'table inet admit { chain a { accept comment "b, a"; } }',
      'table inet admit { chain a { accept comment "{ b, a }"; } }',
      'table inet admit { chain a { accept comment "{ a, b }"; } }',
      'table inet admit { chain a { ct state new; accept; } }',
      'table inet admit { chain a { accept; ct state new; } }',
      'table inet admit { set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }; } }',
      'table inet admit { set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.3 }; } }',
      'table inet admit { set s { type ipv4_addr; } }',
      'table inet admit { set t { type ipv4_addr; } }',
    ]) {
      load(`${NO_TABLE}${text}\n`)
      const said = digest()
      assert.ok(!seen.has(said), text)
      seen.add(said)
    }
  })

  test('the order of elements, sets and chains does not count, and the order of rules does', () => {
    const elements = Array.from({ length: 500 }, (_, index) => `10.1.${index % 7}.${index % 251}`)
    const text = (...blocks: readonly string[]): string =>
      `${NO_TABLE}table inet admit {\n${blocks.join('\n')}\n}\n`
    const set = (some: readonly string[]): string =>
      `set s { type ipv4_addr; elements = { ${[...new Set(some)].join(', ')} }; }`
    const chain = 'chain a { tcp dport { 22, 80, 443, 8080 } accept; tcp dport 1 drop; }'
    load(text(set(elements), chain, 'chain b { }'))
    const said = digest()
    load(text('chain b { }', set(elements.toReversed()), chain.replace('22, 80', '80, 22')))
    assert.equal(digest(), said)
    load(
      text(
        set(elements),
        'chain a { tcp dport 1 drop; tcp dport { 22, 80, 443, 8080 } accept; }',
        'chain b { }',
      ),
    )
    assert.notEqual(digest(), said)
  })

  test('every case of the compiler has its own, and has it again when its listing is loaded', () => {
    const files = globSync(new URL('../cases/*/rules*.nft', import.meta.url).pathname)
      .filter((file) => !file.includes('fragment'))
      .toSorted()
    assert.ok(files.length > 5)
    for (const file of files) {
      load(`${NO_TABLE}${readFileSync(file, 'utf8')}`)
      const said = digest()
      load(`${NO_TABLE}${run('nft', ['list', 'table', 'inet', 'admit'])}`)
      assert.equal(digest(), said, file)
    }
  })
})

describe('undo', () => {
  test('brings the previous rules back, says so and writes it down', () => {
    change()
    assert.deepEqual(guard(['undo', state, 'asked']), { code: 0, stdout: 'undone\n', stderr: '' })
    assert.equal(present(), 'old')
    const { wall, ...told } = outcome()
    assert.deepEqual(told, { id: ID, kind: 'apply', result: 'undone', why: 'asked', by: 'root (alice)' })
    assert.ok(Math.abs(Number(wall) - moment().wall) < 60, wall)
    assertTidy()
    assert.deepEqual(guard(['undo', state, 'asked']), { code: 0, stdout: 'nothing\n', stderr: '' })
    assert.equal(present(), 'old')
  })

  test('before the first apply it opens the host again', () => {
    change({ previous: NO_TABLE, listing: EMPTY })
    assert.equal(guard(['undo', state, 'asked']).stdout, 'undone\n')
    assert.equal(present(), undefined)
  })

  test('takes up an undo that was cut off', () => {
    change({}, 'undoing')
    assert.equal(guard(['undo', state, 'stale']).stdout, 'undone\n')
    assert.equal(present(), 'old')
    assertTidy()
  })

  test('two at once: one does it, the other finds nothing', async () => {
    change()
    const answers = await Promise.all(['asked', 'deadline'].map(async (why) => undo(why)))
    assert.deepEqual(answers.toSorted(), ['nothing\n', 'undone\n'])
    assert.equal(present(), 'old')
    assertTidy()
  })

  test('after a reboot nothing is restored', () => {
    change({ boot: BOOT, netns: '1' })
    assert.equal(guard(['undo', state, 'stale']).stdout, 'undone\n')
    assert.equal(present(), 'fresh')
    assert.equal(outcome()['why'], 'reboot')
  })

  test("another network namespace's is not obeyed, and left where it is", () => {
    change({ netns: '1' })
    const { code, stdout, stderr } = guard(['undo', state, 'asked'])
    assert.deepEqual([code, stdout], [5, 'failed\n'])
    assert.match(stderr, /another network namespace/)
    assert.equal(present(), 'fresh')
    assert.ok(existsSync(`${state}/pending/journal`))
  })

  test('rules that come back as others than they were: the admins-only rules', () => {
    change({ listing: EMPTY })
    const { code, stdout, stderr } = guard(['undo', state, 'asked'])
    assert.deepEqual([code, stdout], [0, 'rescued\n'])
    assert.equal(stderr.match(/not what they were/g)?.length, 2)
    assert.equal(present(), 'freshrescue')
    assert.equal(outcome()['result'], 'rescued')
  })

  test('rules that do not load: the same, then those of the last confirmation, then nothing', () => {
    for (const [step, expected] of ['freshrescue', 'oldrescue', 'confirmed', 'fresh'].entries()) {
      change({
        previous: 'table inet admit { chain broken { nonsense; } }\n',
        ...(step > 0 ? { rescue: undefined } : {}),
      })
      if (step > 1) appendFileSync(`${state}/rescue.nft`, '# by hand\n')
      if (step > 2) truncateSync(`${state}/rules.nft`, 200)
      const { code, stdout } = guard(['undo', state, 'asked'])
      assert.deepEqual([code, stdout], step > 2 ? [5, 'failed\n'] : [0, 'rescued\n'])
      assert.equal(present(), expected)
      assertTidy()
    }
  })

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
      change()
      spoil()
      const { code, stdout, stderr } = guard(['undo', state, 'asked'])
      assert.deepEqual([code, stdout], [0, 'rescued\n'])
      assert.match(stderr, /^admit-guard: \S+pending|undoing/)
      assert.equal(present(), 'oldrescue')
      assert.equal(outcome()['result'], 'rescued')
      assertTidy()
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
      change()
      spoil()
      assert.equal(guard(['undo', state, 'asked']).stdout, 'rescued\n')
      assert.equal(present(), 'freshrescue')
      assert.doesNotMatch(run('nft', ['list', 'tables']), /evil/)
    }
  })

  test('is not kept by whoever holds the lock, and says so', { timeout: 60_000 }, async () => {
    change()
    const holder = spawn('flock', [`${state}/lock`, 'sh', '-c', 'echo held; exec sleep 60'])
    await once(holder.stdout, 'data')
    const began = Date.now()
    const { code, stdout, stderr } = guard(['undo', state, 'asked'])
    holder.kill()
    assert.deepEqual([code, stdout], [0, 'undone\n'])
    assert.match(stderr, /lock is held by somebody else/)
    assert.equal(present(), 'old')
    assert.ok(Date.now() - began >= 19_000)
  })

  test('a full disk does not keep it', () => {
    const disk = smallDisk()
    change()
    disk.fill()
    assert.equal(guard(['undo', state, 'asked']).stdout, 'undone\n')
    assert.equal(present(), 'old')
    assert.equal(existsSync(`${state}/pending`), false)
    assert.equal(outcome()['result'], 'undone')
  })

  test('a read-only disk does not keep it', () => {
    smallDisk()
    change()
    run('mount', ['-o', 'remount,ro', state])
    const { stdout, stderr } = guard(['undo', state, 'asked'])
    assert.equal(stdout, 'undone\n')
    assert.match(stderr, /could not be claimed/)
    assert.equal(present(), 'old')
  })

  test('a lock that is none does not keep it', () => {
    for (const what of ['folder', 'link']) {
      change()
      if (what === 'folder') mkdirSync(`${state}/lock`)
      else symlinkSync('/etc/passwd', `${state}/lock`)
      const { stdout, stderr } = guard(['undo', state, 'asked'])
      assert.equal(stdout, 'undone\n')
      assert.match(stderr, /lock cannot be locked/)
      rmSync(`${state}/lock`, { recursive: true })
    }
  })

  test('the environment and signals decide nothing', async () => {
    change()
    const evil = mkdtempSync(join(tmpdir(), 'admit-guard-'))
    writeFileSync(`${evil}/nft`, '#!/bin/sh\ntouch /run/evil\n', { mode: 0o755 })
    const child = spawn('/bin/sh', ['-c', `/bin/sh ${GUARD} undo ${state} asked`], {
      env: {
        PATH: evil,
        ENV: `${evil}/nft`,
        IFS: '/',
        LC_ALL: 'tr_TR.UTF-8',
        TZ: 'Asia/Tokyo',
        TMPDIR: evil,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    assert.ok(child.pid !== undefined)
    const gone = once(child, 'exit')
    await sleep(30)
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGPIPE'] as const) signalGuards(child.pid, signal)
    await gone
    await until(() => !existsSync(`${state}/undoing`) && !existsSync(`${state}/pending`))
    assert.equal(present(), 'old')
    assert.equal(existsSync('/run/evil'), false)
    rmSync(evil, { recursive: true })
  })
})

/** To all of a session, as a terminal that closes sends it. */
function signalGuards(session: number, signal: NodeJS.Signals): void {
  const { stdout } = spawnSync('ps', ['-s', String(session), '-o', 'pid='], { encoding: 'utf8' })
  for (const pid of stdout.trim().split(/\s+/)) {
    try {
      process.kill(Number(pid), signal)
    } catch {
      // It ended meanwhile.
    }
  }
}

async function undo(why: string): Promise<string> {
  const child = spawn('/bin/sh', [GUARD, 'undo', state, why], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await once(child, 'close')
  return said
}

describe('the state folder', () => {
  const verbs = [['undo', 'asked'], ['complete'], ['boot'], ['watch', ID]] as const
  const call = ([verb, ...rest]: readonly [string, ...string[]]): ReturnType<typeof guard> =>
    guard([verb, state, ...rest])

  for (const verb of verbs) {
    test(`${verb[0]} obeys none that others may write in, that is another's, or that is a link`, () => {
      change()
      for (const mode of [0o770, 0o707, 0o720, 0o702]) {
        chmodSync(state, mode)
        const { code, stderr } = call(verb)
        assert.equal(code, 4)
        assert.match(stderr, /is not obeyed: others may write in it/)
      }
      chmodSync(state, 0o700)
      const link = `${state}.link`
      symlinkSync(state, link)
      assert.equal(guard([verb[0], link, ...verb.slice(1)]).code, 4)
      rmSync(link)
      assert.equal(present(), 'fresh')
    })
  }

  test('a call that is none says how', () => {
    for (const args of [
      [],
      ['undo', state],
      ['undo', state, 'two words'],
      ['undo', 'x', 'asked'],
      ['boot'],
      ['digest', 'x'],
    ]) {
      assert.equal(guard(args).code, 2, args.join(' '))
    }
    assert.match(guard([]).stderr, /usage: admit-guard watch STATE ID/)
  })
})

describe('complete', () => {
  test('makes what was confirmed boot, and a restore point, once', () => {
    change()
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
    const { wall, ...told } = outcome()
    assert.ok(Number(wall) > 0)
    assert.deepEqual(told, {
      id: ID,
      kind: 'apply',
      result: 'confirmed',
      why: 'connection',
      by: 'root (alice)',
    })
    assertTidy()
    assert.equal(run('find', [state, '-perm', '/077']), '')
    assert.equal(present(), 'fresh')
  })

  test('without a proof it is unknown who confirmed', () => {
    change()
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
      change(more)
      claim(state)
      assert.equal(guard(['complete', state]).code, 0)
      assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
      assert.equal(existsSync(`${state}/points`), false)
      assert.deepEqual([outcome()['result'], outcome()['kind']], ['confirmed', more.kind])
      assertTidy()
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
        change()
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
    const disk = smallDisk()
    change()
    claim(state)
    disk.fill()
    const { code, stderr } = guard(['complete', state])
    assert.equal(code, 4)
    assert.match(stderr, /could not be written/)
    assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('confirmed')))
    rmSync(`${state}/rest`)
    assert.equal(guard(['complete', state]).code, 0)
    assert.equal(readFileSync(`${state}/rules.nft`, 'utf8'), storedText(tableText('fresh')))
    assertTidy()
  })

  test('20 points without a name are kept, and every one with a name', () => {
    change()
    for (let number = 1; number <= 22; number++) {
      mkdirSync(`${state}/points/${number}`, { recursive: true })
      if (number === 2) writeFileSync(`${state}/points/2/name`, 'good\n')
    }
    for (const number of [23, 24]) {
      const id = `${ID}${number}`
      writeTransaction(state, 'confirming', { id, candidate: tableText(`t${number}`), listing: EMPTY })
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
      change({ boot: BOOT }, place)
      load(NO_TABLE)
      const { code, stderr } = guard(['boot', state])
      assert.equal(code, 0)
      assert.match(
        stderr,
        new RegExp(`the change ${ID} by root \\(alice\\) was not confirmed before the restart`),
      )
      assert.equal(present(), 'confirmed')
      assert.deepEqual([outcome()['result'], outcome()['why']], ['undone', 'reboot'])
      assertTidy()
    }
  })

  test('an unconfirmed first change leaves the host as it was', () => {
    writeTransaction(state, 'pending', { boot: BOOT, candidate: tableText('fresh'), listing: EMPTY })
    assert.equal(guard(['boot', state]).code, 0)
    assert.equal(present(), undefined)
  })

  test('a damaged journal does not keep it from loading', () => {
    change({ boot: BOOT })
    load(NO_TABLE)
    truncateSync(`${state}/pending/journal`, 300)
    assert.equal(guard(['boot', state]).code, 0)
    assert.equal(present(), 'confirmed')
    assertTidy()
  })

  test('a confirmation that was cut off is completed and loaded, on a full and on a read-only disk, too', () => {
    for (const disk of ['healthy', 'full', 'read-only']) {
      const small = smallDisk()
      change({ boot: BOOT })
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
    change({ boot: BOOT })
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

describe('watch', () => {
  test('undoes at the deadline, not before, and a clock that jumps changes nothing', async () => {
    for (const wall of [1, 4e9]) {
      change()
      const watch = await startWatch(state)
      const gone = once(watch, 'exit')
      openWindow(state, 1, wall)
      await sleep(700)
      assert.equal(present(), 'fresh')
      assert.ok(existsSync(`${state}/pending`))
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), 'old')
      assert.deepEqual([outcome()['result'], outcome()['why']], ['undone', 'deadline'])
      assertTidy()
    }
  })

  test('ends without a word when it is confirmed or withdrawn', async () => {
    for (const how of ['withdrawn', 'confirmed']) {
      change()
      const watch = await startWatch(state)
      const gone = once(watch, 'exit')
      openWindow(state, 60)
      if (how === 'withdrawn') rmSync(`${state}/pending`, { recursive: true })
      else claim(state)
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), 'fresh')
      assert.equal(existsSync(`${state}/outcome`), how === 'confirmed')
    }
  })

  test('undoes at once where the applier is gone before the window opened', async () => {
    const applier = spawn('sleep', ['600'])
    assert.ok(applier.pid !== undefined)
    const { pid } = applier
    const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21] ?? ''
    change({ applier: { pid, start } })
    const watch = await startWatch(state)
    const gone = once(watch, 'exit')
    await sleep(300)
    assert.equal(present(), 'fresh')
    applier.kill('SIGKILL')
    assert.deepEqual(await gone, [0, null])
    assert.equal(present(), 'old')
    assert.equal(outcome()['why'], 'applier-gone')
  })

  test('another process with the number of the applier is not the applier', async () => {
    change({ applier: { pid: process.pid, start: '1' } })
    const watch = spawn('/bin/sh', [GUARD, 'watch', state, ID], { stdio: 'ignore' })
    await once(watch, 'exit')
    assert.equal(present(), 'old')
  })

  test('an applier that is gone after the window opened is missed by nobody', async () => {
    const applier = spawn('sleep', ['600'])
    assert.ok(applier.pid !== undefined)
    const { pid } = applier
    change({ applier: { pid, start: readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21] ?? '' } })
    const watch = await startWatch(state)
    openWindow(state, 2)
    applier.kill('SIGKILL')
    await sleep(600)
    assert.equal(present(), 'fresh')
    await once(watch, 'exit')
    assert.equal(outcome()['why'], 'deadline')
  })

  test('what is damaged inside the window is undone by what it remembers', async () => {
    const spoils: readonly (readonly [string, string, () => void])[] = [
      [
        'old',
        'undone',
        () => {
          truncateSync(`${state}/pending/journal`, 20)
        },
      ],
      [
        'old',
        'undone',
        () => {
          const text = readFileSync(`${state}/pending/journal`, 'utf8')
          writeFileSync(`${state}/pending/journal`, text.replace(ID, `${ID}x`))
        },
      ],
      [
        'old',
        'undone',
        () => {
          writeFileSync(`${state}/pending/window`, 'soon\n')
        },
      ],
      [
        'freshrescue',
        'rescued',
        () => {
          truncateSync(`${state}/pending/previous.nft`, 0)
          rmSync(`${state}/pending/journal`)
        },
      ],
      [
        'oldrescue',
        'rescued',
        () => {
          for (const file of readdirSync(`${state}/pending`)) rmSync(`${state}/pending/${file}`)
        },
      ],
    ]
    for (const [expected, result, spoil] of spoils) {
      change()
      const watch = await startWatch(state)
      const gone = once(watch, 'exit')
      spoil()
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), expected)
      assert.deepEqual([outcome()['id'], outcome()['result'], outcome()['why']], [ID, result, 'damaged'])
      assertTidy()
    }
  })

  test('never begins with a journal that is not whole, of another boot or another namespace', () => {
    const spoils: readonly (() => void)[] = [
      () => {
        truncateSync(`${state}/pending/journal`, 300)
      },
      () => {
        appendFileSync(`${state}/pending/previous.nft`, '# more\n')
      },
      () => {
        change({ boot: BOOT })
      },
      () => {
        change({ netns: '1' })
      },
    ]
    for (const spoil of spoils) {
      change()
      spoil()
      const { code, stderr } = guard(['watch', state, ID])
      assert.equal(code, 4)
      assert.match(stderr, /^admit-guard: \S/)
      assert.equal(existsSync(`${state}/pending/ready`), false)
      assert.equal(present(), 'fresh')
      rmSync(`${state}/pending`, { recursive: true })
    }
  })

  test("twice at once, after the end, and for another's: nothing wrong", async () => {
    change()
    const both = [await startWatch(state), await startWatch(state)]
    assert.deepEqual(guard(['watch', state, 'another']), { code: 0, stdout: '', stderr: '' })
    const gone = Promise.all(both.map(async (watch) => once(watch, 'exit')))
    openWindow(state, 1)
    assert.deepEqual(await gone, [
      [0, null],
      [0, null],
    ])
    assert.equal(present(), 'old')
    assertTidy()
    assert.deepEqual(guard(['watch', state, ID]), { code: 0, stdout: '', stderr: '' })
  })

  test('ends what was claimed by somebody who was killed', async () => {
    change()
    const watch = await startWatch(state)
    const gone = once(watch, 'exit')
    renameSync(`${state}/pending`, `${state}/undoing`)
    assert.deepEqual(await gone, [0, null])
    assert.equal(present(), 'old')
    assertTidy()
  })

  test('begun again after it was killed, it goes on', async () => {
    change()
    const first = await startWatch(state)
    openWindow(state, 2)
    const killed = once(first, 'exit')
    first.kill('SIGKILL')
    await killed
    const second = await startWatch(state)
    await once(second, 'exit')
    assert.equal(present(), 'old')
    assert.equal(outcome()['why'], 'deadline')
  })

  test('is deaf to HUP, INT, QUIT, PIPE and TERM, holds no file of the caller, and is hard to kill for memory', async () => {
    change()
    const watch = await startWatch(state)
    const { pid } = watch
    assert.ok(pid !== undefined)
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGPIPE', 'SIGTERM'] as const) {
      watch.kill(signal)
      signalGuards(pid, signal)
    }
    await sleep(300)
    assert.equal(watch.exitCode, null)
    // Those above 9 a plain shell can neither name nor close.
    const low = readdirSync(`/proc/${pid}/fd`).filter((fd) => fd.length === 1)
    const links = low.map((fd) => run('readlink', [`/proc/${pid}/fd/${fd}`]).trim())
    assert.deepEqual([...new Set(links)].toSorted(), ['/dev/null'])
    assert.equal(run('readlink', [`/proc/${pid}/cwd`]), '/\n')
    if (process.getuid?.() === 0 && readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295')) {
      assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '-1000\n')
    }
    const gone = once(watch, 'exit')
    openWindow(state, 1)
    await gone
    assert.equal(present(), 'old')
  })

  test('a full and a read-only disk do not keep it', async () => {
    for (const disk of ['full', 'read-only']) {
      const small = smallDisk()
      change()
      const watch = await startWatch(state)
      const gone = once(watch, 'exit')
      openWindow(state, 1)
      if (disk === 'full') small.fill()
      else run('mount', ['-o', 'remount,ro', state])
      assert.deepEqual(await gone, [0, null])
      assert.equal(present(), 'old', disk)
      run('umount', [state])
    }
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Result } from '../base/result.ts'
import type { FileError } from './files.ts'
import {
  makePrivateFolder,
  moveFolder,
  readTextFile,
  removeFile,
  removeFolder,
  writeTextFile,
} from './files.ts'

let folder = ''
const at = (name: string) => join(folder, name)

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'admit-files-'))
})
after(() => {
  rmSync(folder, { recursive: true })
})

function assertFails(result: Result<unknown, FileError>, kind: FileError['kind'], message: RegExp): void {
  assert.ok(!result.ok)
  assert.equal(result.error.kind, kind)
  assert.match(result.error.message, message)
}

describe('reading a text file', () => {
  test('gives its text, without a byte order mark', async () => {
    writeFileSync(at('bom'), '\u{feff}admit: 1 # 日本\n')
    assert.deepEqual(await readTextFile(at('bom')), { ok: true, value: 'admit: 1 # 日本\n' })
  })

  test('a file whose size the kernel does not tell', async () => {
    const text = await readTextFile('/proc/self/status')
    assert.ok(text.ok && text.value.startsWith('Name:'))
  })

  test('missing', async () => {
    assertFails(await readTextFile(at('nothing')), 'missing', /there is no such file/)
    assertFails(await readTextFile(at('bom/below')), 'missing', /part of the path is not a folder/)
  })

  test('a folder, a device, a pipe that nobody writes to', async () => {
    assertFails(await readTextFile(folder), 'not-a-file', /is a folder, not a file/)
    assertFails(await readTextFile('/dev/zero'), 'not-a-file', /a device or a pipe/)
    execFileSync('mkfifo', [at('pipe')])
    assertFails(await readTextFile(at('pipe')), 'not-a-file', /a device or a pipe/)
  })

  test('too large', async () => {
    writeFileSync(at('large'), Buffer.alloc(1024 * 1024 + 1, 'x'))
    assertFails(await readTextFile(at('large'), { largest: 1024 * 1024 }), 'too-large', /larger than 1 MB/)
  })

  test('not UTF-8, with the line', async () => {
    writeFileSync(at('latin'), Buffer.from('eins\nzwei\nf\xfcnf\n', 'latin1'))
    assertFails(await readTextFile(at('latin')), 'not-utf8', /latin:3 is not UTF-8/)
  })

  test('a symbolic link, only where it may be one', async () => {
    symlinkSync(at('bom'), at('link'))
    assert.ok((await readTextFile(at('link'))).ok)
    assertFails(await readTextFile(at('link'), { follow: false }), 'symlink', /is a symbolic link/)
  })

  test('a name cannot drive the terminal', async () => {
    assertFails(await readTextFile(at('a\u001b[2J')), 'missing', /a\\u\{1b\}\[2J/)
  })
})

describe('writing a text file', () => {
  test('replaces the text, with its own mode whatever the umask, and leaves nothing else', async () => {
    mkdirSync(at('state'))
    const path = at('state/rules.nft')
    const umask = process.umask(0o777)
    try {
      assert.ok((await writeTextFile(path, 'one\n')).ok)
      assert.equal(statSync(path).mode & 0o777, 0o600)
      assert.ok((await writeTextFile(path, 'two\n', { mode: 0o644 })).ok)
    } finally {
      process.umask(umask)
    }
    assert.equal(statSync(path).mode & 0o777, 0o644)
    assert.equal(readFileSync(path, 'utf8'), 'two\n')
    assert.deepEqual(readdirSync(at('state')), ['rules.nft'])
  })

  test('writers at once: the file is one of theirs, whole', async () => {
    const texts = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(100_000))
    const results = await Promise.all(texts.map((text) => writeTextFile(at('state/many'), text)))
    assert.ok(results.every((result) => result.ok))
    assert.ok(texts.includes(readFileSync(at('state/many'), 'utf8')))
  })

  test('a symbolic link is refused, and its target stays', async () => {
    symlinkSync(at('bom'), at('state/trap'))
    assertFails(await writeTextFile(at('state/trap'), 'x'), 'symlink', /is a symbolic link/)
    assert.match(readFileSync(at('bom'), 'utf8'), /admit: 1/)
  })

  test('no such folder; a folder in the way', async () => {
    assertFails(await writeTextFile(at('absent/file'), 'x'), 'missing', /could not write .*absent/)
    mkdirSync(at('state/taken'))
    assertFails(await writeTextFile(at('state/taken'), 'x'), 'not-a-file', /is a folder/)
    assert.ok(!readdirSync(at('state')).some((name) => name.endsWith('.tmp')))
  })
})

describe('the private folder', () => {
  test('is made for its owner alone, whatever the umask, and found again', async () => {
    const umask = process.umask(0)
    try {
      assert.ok((await makePrivateFolder(at('lib/admit'))).ok)
    } finally {
      process.umask(umask)
    }
    assert.equal(statSync(at('lib/admit')).mode & 0o777, 0o700)
    assert.ok((await makePrivateFolder(at('lib/admit'))).ok)
  })

  test('is refused where others may write, or where it is something else', async () => {
    mkdirSync(at('open'))
    chmodSync(at('open'), 0o777)
    assertFails(await makePrivateFolder(at('open')), 'not-private', /others may write/)
    symlinkSync(at('lib'), at('elsewhere'))
    assertFails(await makePrivateFolder(at('elsewhere')), 'symlink', /is a symbolic link/)
    assertFails(await makePrivateFolder(at('bom')), 'not-a-file', /something that is no folder/)
  })
})

test('removing a file twice is removing it', async () => {
  assert.ok((await removeFile(at('large'))).ok)
  assert.ok((await removeFile(at('large'))).ok)
  assertFails(await removeFile(at('state')), 'not-a-file', /is a folder/)
})

describe('moving a folder', () => {
  /** A folder with one file, whose text is the folder's name. */
  const make = (name: string): string => {
    mkdirSync(at(name), { recursive: true })
    writeFileSync(join(at(name), 'file'), name)
    return at(name)
  }
  const textIn = (name: string): string => readFileSync(join(at(name), 'file'), 'utf8')

  test('takes all that is in it along, also onto an empty folder', async () => {
    make('move/from')
    assert.deepEqual(await moveFolder(at('move/from'), at('move/to')), { ok: true, value: undefined })
    assert.equal(existsSync(at('move/from')), false)
    assert.equal(textIn('move/to'), 'move/from')
    mkdirSync(at('move/empty'))
    assert.deepEqual(await moveFolder(at('move/to'), at('move/empty')), { ok: true, value: undefined })
    assert.equal(textIn('move/empty'), 'move/from')
  })

  test('a name that is taken: both folders stay as they are', async () => {
    make('taken/one')
    make('taken/two')
    assert.equal(await moveFolder(at('taken/one'), at('taken/two')), 'taken')
    assert.deepEqual([textIn('taken/one'), textIn('taken/two')], ['taken/one', 'taken/two'])
  })

  test('nothing to move', async () => {
    make('none/there')
    assert.equal(await moveFolder(at('none/missing'), at('none/to')), 'missing')
    assert.equal(await moveFolder(at('none/there'), at('none/missing/to')), 'missing')
    assert.equal(textIn('none/there'), 'none/there')
  })

  test('of many that move one folder, and of many that move to one name, exactly one succeeds', async () => {
    make('race/one')
    const names = Array.from({ length: 20 }, (_, index) => `race/to-${index}`)
    const from = await Promise.all(names.map((name) => moveFolder(at('race/one'), at(name))))
    assert.equal(from.filter((result) => typeof result === 'object' && result.ok).length, 1)
    assert.equal(from.filter((result) => result === 'missing').length, 19)
    const many = names.map((name) => make(`${name}-too`))
    const to = await Promise.all(many.map((path) => moveFolder(path, at('race/goal'))))
    assert.equal(to.filter((result) => typeof result === 'object' && result.ok).length, 1)
    assert.equal(to.filter((result) => result === 'taken').length, 19)
  })

  test('what cannot be moved is an error with its place, and stays', async () => {
    make('stays/folder')
    const inside = await moveFolder(at('stays/folder'), at('stays/folder/below'))
    assert.ok(typeof inside === 'object')
    assertFails(inside, 'failed', /could not rename .*stays\/folder/)
    writeFileSync(at('stays/file'), 'in the way')
    const onto = await moveFolder(at('stays/folder'), at('stays/file'))
    assert.ok(typeof onto === 'object')
    assertFails(onto, 'missing', /could not rename .*: a part of the path is not a folder/)
    assert.equal(textIn('stays/folder'), 'stays/folder')
  })
})

describe('removing a folder', () => {
  test('takes all that is in it away; twice is once', async () => {
    mkdirSync(at('gone/deep/deeper'), { recursive: true })
    writeFileSync(at('gone/deep/file'), 'x')
    for (const time of ['first', 'second']) {
      assert.deepEqual(await removeFolder(at('gone')), { ok: true, value: undefined }, time)
      assert.equal(existsSync(at('gone')), false)
    }
  })

  test('follows no symbolic link, at the path or below it', async () => {
    mkdirSync(at('kept'))
    writeFileSync(at('kept/file'), 'x')
    mkdirSync(at('linked'))
    symlinkSync(at('kept'), at('linked/link'))
    symlinkSync(at('kept'), at('to-kept'))
    assert.ok((await removeFolder(at('linked'))).ok)
    assert.ok((await removeFolder(at('to-kept'))).ok)
    assert.deepEqual([existsSync(at('linked')), readdirSync(at('kept'))], [false, ['file']])
  })

  test('what cannot be removed is an error with its place', async () => {
    const result = await removeFolder('/proc/self/fdinfo')
    assert.ok(!result.ok)
    assert.match(result.error.message, /could not remove \/proc\/self\/fdinfo/)
    assert.ok(existsSync('/proc/self/fdinfo'))
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
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
import { makePrivateFolder, readTextFile, removeFile, writeTextFile } from './files.ts'

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

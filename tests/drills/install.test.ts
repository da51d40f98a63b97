/**
 * script/install, with a small checkout of its own: in a system's root folder, and in this system, whose folders and
 * systemctl are laid over in this mount namespace.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

const HERE = new URL('../..', import.meta.url).pathname
const CHECKOUT = '/mnt/opt/admit'
const ROOT = '/mnt/system'
const GUARD = '/usr/local/lib/admit/admit-guard'
const UNIT = '/etc/systemd/system/admit.service'
const WANTED = '/etc/systemd/system/sysinit.target.wants/admit.service'
const COMMAND = '/usr/local/bin/admit'

/** Where / belongs to nobody known, no folder is root's alone: in a user namespace of somebody's. */
const skip = statSync('/').uid === 0 ? false : 'the root folder is not root’s in this namespace'

beforeEach(() => {
  run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/mnt'])
  for (const file of ['bin/admit', 'packaging/admit-guard', 'packaging/admit.service', 'script/install']) {
    mkdirSync(dirname(`${CHECKOUT}/${file}`), { recursive: true })
    cpSync(HERE + file, `${CHECKOUT}/${file}`)
    chownSync(`${CHECKOUT}/${file}`, 0, 0)
    chmodSync(`${CHECKOUT}/${file}`, 0o755)
  }
  for (const folder of ['src', 'node_modules', '.cache/node/bin', '.cache/compiled']) {
    mkdirSync(`${CHECKOUT}/${folder}`, { recursive: true })
  }
  writeFileSync(`${CHECKOUT}/.cache/node/bin/node`, '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(`${CHECKOUT}/src/main.ts`, '')
  for (const folder of ['/var/lib/admit', '/etc/admit']) mkdirSync(ROOT + folder, { recursive: true })
})
afterEach(() => {
  run('umount', ['-l', '/mnt'])
})

function install(...args: readonly string[]): {
  readonly code: number | null
  readonly out: string
  readonly err: string
} {
  const { status, stdout, stderr } = spawnSync(`${CHECKOUT}/script/install`, args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { PATH: '/nowhere' },
  })
  return { code: status, out: stdout, err: stderr }
}

function assertRefused(pattern: RegExp): void {
  const { code, err } = install('--root', ROOT)
  assert.equal(code, 4)
  assert.match(err, pattern)
  for (const path of [GUARD, UNIT, WANTED]) assert.equal(existsSync(ROOT + path), false, path)
}

describe('script/install', { skip }, () => {
  test('puts guard, unit and command in place, says so, and can be run again', () => {
    const first = install('--root', ROOT)
    assert.deepEqual([first.code, first.err], [0, ''])
    for (const path of [GUARD, UNIT, COMMAND]) assert.ok(first.out.includes(ROOT + path), first.out)
    assert.match(first.out, /admit\.service is enabled/)
    assert.equal(lstatSync(ROOT + GUARD).mode & 0o7777, 0o755)
    assert.equal(lstatSync(ROOT + UNIT).mode & 0o7777, 0o644)
    assert.equal(
      readFileSync(ROOT + GUARD, 'utf8'),
      readFileSync(`${CHECKOUT}/packaging/admit-guard`, 'utf8'),
    )
    assert.equal(readlinkSync(ROOT + COMMAND), `${CHECKOUT}/bin/admit`)
    assert.equal(readlinkSync(ROOT + WANTED), UNIT)
    const files = run('find', [ROOT, '-printf', '%p %i %l\n'])
    const again = install('--root', ROOT)
    assert.deepEqual([again.code, again.err], [0, ''])
    assert.equal(
      run('find', [ROOT, '-printf', '%p %i %l\n']).replaceAll(/^.*wants\/.*\n/gm, ''),
      files.replaceAll(/^.*wants\/.*\n/gm, ''),
    )
  })

  test('brings a changed guard or unit up to date', () => {
    assert.equal(install('--root', ROOT).code, 0)
    writeFileSync(ROOT + GUARD, 'old\n')
    chmodSync(ROOT + UNIT, 0o666)
    assert.equal(install('--root', ROOT).code, 0)
    assert.match(readFileSync(ROOT + GUARD, 'utf8'), /^#!\/bin\/sh\n# What must happen/)
    assert.equal(lstatSync(ROOT + UNIT).mode & 0o7777, 0o644)
  })

  test('--remove undoes all of it, once and again, and leaves state and policy', () => {
    const before = run('find', [ROOT, '!', '-type', 'd'])
    assert.equal(install('--root', ROOT).code, 0)
    for (const again of [false, true]) {
      const { code, out, err } = install('--remove', '--root', ROOT)
      assert.deepEqual([code, err], [0, ''])
      assert.equal(out.includes('removed'), !again)
      assert.match(out, /var\/lib\/admit and \S+etc\/admit stay/)
      assert.equal(run('find', [ROOT, '!', '-type', 'd']), before)
      assert.equal(existsSync(`${ROOT}/usr/local/lib/admit`), false)
      assert.ok(existsSync(`${ROOT}/var/lib/admit`) && existsSync(`${ROOT}/etc/admit`))
    }
  })

  test('a command that is another program stays, and nothing is installed', () => {
    mkdirSync(dirname(ROOT + COMMAND), { recursive: true })
    for (const other of ['file', 'link']) {
      if (other === 'file') writeFileSync(ROOT + COMMAND, 'other\n')
      else symlinkSync('/bin/sh', ROOT + COMMAND)
      assertRefused(/usr\/local\/bin\/admit is another program/)
      assert.match(install('--remove', '--root', ROOT).out, /is another's and stays/)
      assert.ok(lstatSync(ROOT + COMMAND))
      rmSync(ROOT + COMMAND)
    }
  })

  test('a link to a checkout that is gone is replaced', () => {
    mkdirSync(dirname(ROOT + COMMAND), { recursive: true })
    symlinkSync('/opt/gone/bin/admit', ROOT + COMMAND)
    assert.equal(install('--root', ROOT).code, 0)
    assert.equal(readlinkSync(ROOT + COMMAND), `${CHECKOUT}/bin/admit`)
  })

  test('a checkout inside of the root folder is linked as it is seen from there', () => {
    mkdirSync(`${ROOT}/opt`)
    renameSync(CHECKOUT, `${ROOT}/opt/admit`)
    const { status } = spawnSync(`${ROOT}/opt/admit/script/install`, ['--root', ROOT])
    assert.equal(status, 0)
    assert.equal(readlinkSync(ROOT + COMMAND), '/opt/admit/bin/admit')
  })

  const holes: Readonly<Record<string, () => string>> = {
    'a source that all may write': () => {
      chmodSync(`${CHECKOUT}/src/main.ts`, 0o666)
      return `${CHECKOUT}/src/main.ts`
    },
    "a source that is a user's": () => {
      chownSync(`${CHECKOUT}/src/main.ts`, 1000, 0)
      return `${CHECKOUT}/src/main.ts`
    },
    'a folder that a group may write in': () => {
      chownSync(`${CHECKOUT}/node_modules`, 0, 100)
      chmodSync(`${CHECKOUT}/node_modules`, 0o775)
      return `${CHECKOUT}/node_modules`
    },
    'compiled code that all may change': () => {
      chmodSync(`${CHECKOUT}/.cache/compiled`, 0o777)
      return `${CHECKOUT}/.cache/compiled`
    },
    "a folder above that is a user's": () => {
      chownSync('/mnt/opt', 1000, 1000)
      return '/mnt/opt'
    },
    'a folder above that all may write in': () => {
      chmodSync('/mnt/opt', 0o1777)
      return '/mnt/opt'
    },
    'packages that are a link to where others may write': () => {
      mkdirSync('/mnt/packages/one', { recursive: true })
      writeFileSync('/mnt/packages/one/index.js', '')
      chmodSync('/mnt/packages/one/index.js', 0o666)
      rmSync(`${CHECKOUT}/node_modules`, { recursive: true })
      symlinkSync('/mnt/packages', `${CHECKOUT}/node_modules`)
      return '/mnt/packages/one/index.js'
    },
    "a Node that is a link into a user's home": () => {
      mkdirSync('/mnt/home/alice/bin', { recursive: true })
      chownSync('/mnt/home/alice', 1000, 1000)
      renameSync(`${CHECKOUT}/.cache/node/bin/node`, '/mnt/home/alice/bin/node')
      symlinkSync('/mnt/home/alice/bin/node', `${CHECKOUT}/.cache/node/bin/node`)
      return '/mnt/home/alice'
    },
  }
  for (const [what, dig] of Object.entries(holes)) {
    test(`${what}: refused, and named`, () => {
      const path = dig()
      assertRefused(new RegExp(`^install: ${path.replaceAll('.', '\\.')}: others than root may write there`))
    })
  }

  test('a checkout without its Node is refused, with what to run', () => {
    rmSync(`${CHECKOUT}/.cache/node/bin/node`)
    assertRefused(/run \/mnt\/opt\/admit\/script\/bootstrap first/)
  })

  test('a call that is none', () => {
    assert.equal(install('--bogus').code, 2)
    assert.equal(install('--root').code, 2)
    assert.equal(install('--root', '/mnt/none').code, 2)
  })

  test('somebody who is not root is told so', () => {
    const { status, stderr } = spawnSync(
      'setpriv',
      ['--reuid', '1000', '--clear-groups', `${CHECKOUT}/script/install`],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(status, 4)
    assert.match(stderr, /only root can do that/)
  })

  test('a disk that is full: nothing half written, and said', () => {
    run('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', ROOT])
    const { code, err } = install('--root', ROOT)
    assert.equal(code, 4)
    assert.match(err, /could not write \/mnt\/system\/usr\/local\/lib\/admit\/admit-guard/)
    assert.equal(run('find', [ROOT, '-type', 'f']), '')
    run('umount', [ROOT])
  })

  test('where systemd runs, it is told', () => {
    mkdirSync('/run/systemd/system', { recursive: true })
    for (const folder of ['/usr/local', '/etc/systemd'])
      run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', folder])
    writeFileSync('/mnt/systemctl', `#!/bin/sh\necho "$*" >>/run/calls\n`, { mode: 0o755 })
    run('mount', ['--bind', '/mnt/systemctl', '/usr/bin/systemctl'])
    try {
      const first = install()
      assert.deepEqual([first.code, first.err], [0, ''])
      assert.ok(existsSync(GUARD) && existsSync(UNIT) && existsSync(COMMAND))
      const removed = install('--remove')
      assert.deepEqual([removed.code, removed.err], [0, ''])
      assert.ok(!existsSync(GUARD) && !existsSync(UNIT) && !existsSync(COMMAND))
      assert.deepEqual(readFileSync('/run/calls', 'utf8').trim().split('\n'), [
        'daemon-reload',
        'enable admit.service',
        'disable admit.service',
        'daemon-reload',
      ])
    } finally {
      for (const path of ['/usr/bin/systemctl', '/usr/local', '/etc/systemd']) run('umount', [path])
    }
  })
})

describe('the unit', () => {
  test('is one that systemd understands', {
    skip: existsSync('/usr/bin/systemd-analyze') ? false : 'no systemd-analyze',
  }, () => {
    const text = readFileSync(`${HERE}packaging/admit.service`, 'utf8')
    mkdirSync('/run/unit', { recursive: true })
    // Only what is installed is executable there.
    writeFileSync('/run/unit/admit.service', text.replace(GUARD, '/bin/true'))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '/run/unit/admit.service'], {
      encoding: 'utf8',
    })
    assert.deepEqual([status, stdout + stderr], [0, ''])
    assert.match(text, new RegExp(`^ExecStart=${GUARD} boot /var/lib/admit$`, 'm'))
    assert.doesNotMatch(text, /^ExecStop/m)
  })
})

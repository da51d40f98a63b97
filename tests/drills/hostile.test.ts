/**
 * A state folder or a journal that is not root's alone, a caller with an environment that means harm: nothing of it is
 * obeyed, what is written is its owner's alone, and the token stands nowhere.
 */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { GUARD } from '../../src/system/guard.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  PATIENCE,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  writePolicy,
} from '../support/drill-admit.ts'
import type { Said } from '../support/drill-end.ts'
import { expectEnding, expectWords } from '../support/drill-end.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import { beginPending, endConfirmed, killWatchdog } from '../support/drill-pending.ts'
import { allProcesses } from '../support/drill-program.ts'
import { expectSafe } from '../support/drill-reach.ts'
import { drawnSeed } from '../support/law-cases.ts'

const ADMIT = new URL('../../bin/admit', import.meta.url).pathname
const seed = drawnSeed()
const started = performance.now()

const notRoot = statSync('/proc/1').uid === 0 && mayChown() ? false : 'giving files away takes root itself'

function mayChown(): boolean {
  const path = `/run/may-chown-${process.pid}`
  writeFileSync(path, '')
  try {
    chownSync(path, 1000, 1000)
    return true
  } catch {
    return false
  } finally {
    rmSync(path)
  }
}

/** What is done to the state folder, and to the pending transaction in it. */
const STATES: Readonly<Record<string, (lab: DrillLab) => void>> = {
  'others may write in it': (lab) => chmodSync(lab.state, 0o777),
  'its group may write in it': (lab) => chmodSync(lab.state, 0o770),
  'it is a symbolic link': (lab) => {
    renameSync(lab.state, `${lab.state}-elsewhere`)
    symlinkSync(`${lab.state}-elsewhere`, lab.state)
  },
}
const TRANSACTIONS: Readonly<Record<string, (lab: DrillLab) => void>> = {
  'others may write in it': (lab) => chmodSync(join(lab.state, 'pending'), 0o777),
  'it is a symbolic link': (lab) => {
    renameSync(join(lab.state, 'pending'), join(lab.folder, 'elsewhere'))
    symlinkSync(join(lab.folder, 'elsewhere'), join(lab.state, 'pending'))
  },
  'its journal is a symbolic link': (lab) => {
    renameSync(join(lab.state, 'pending/journal'), join(lab.folder, 'journal'))
    symlinkSync(join(lab.folder, 'journal'), join(lab.state, 'pending/journal'))
  },
  'its journal is a folder': (lab) => {
    rmSync(join(lab.state, 'pending/journal'))
    mkdirSync(join(lab.state, 'pending/journal'))
  },
}

describe('a state folder that is not its owner’s alone', { concurrency: 3 }, () => {
  for (const [name, make] of Object.entries(STATES)) {
    test(`${name}: no command and no boot obeys it`, async () => {
      await withLab(async (lab) => {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        make(lab)
        for (const args of [
          ['apply', '--no-confirm', ...FORCE_BAD],
          ['reload', '--no-confirm'],
          ['rollback'],
          ['confirm', '--here'],
        ]) {
          const said = await runAdmitIn(lab, args)
          assert.equal(said.exit, 4, said.output)
          assert.match(said.output, /not private|symbolic link/)
        }
        const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
        assert.equal(await program.ended(PATIENCE), 4, program.output())
        assert.match(program.output(), /not obeyed|is no folder/)
        assert.equal(await digestOf(lab), before)
        await expectSafe(lab, name)
      })
    })
  }

  test('it belongs to somebody else', { skip: notRoot }, async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      writePolicy(lab, POLICY_BAD)
      chownSync(lab.state, 1000, 1000)
      const said = await runAdmitIn(lab, ['apply', '--no-confirm', ...FORCE_BAD])
      assert.equal(said.exit, 4, said.output)
      assert.match(said.output, /it belongs to user 1000/)
      assert.equal(await digestOf(lab), before)
    })
  })

  for (const [name, make] of Object.entries(TRANSACTIONS)) {
    test(`a pending change, and ${name}: told, not confirmed, and rolled back to what admins reach`, async () => {
      await withLab(async (lab) => {
        await beginPending(lab, POLICY_GOOD)
        killWatchdog(lab)
        make(lab)
        const confirmed = await runAdmitIn(lab, ['confirm', '--here'])
        assert.equal(confirmed.exit, 3, confirmed.output)
        assert.match(confirmed.output, /nothing in it is obeyed/)
        const rolledBack = await runAdmitIn(lab, ['rollback'])
        assert.ok(rolledBack.exit === 0 || rolledBack.exit === 5, rolledBack.output)
        expectWords(rolledBack)
        await expectSafe(lab, name)
        await endConfirmed(lab)
      })
    })
  }
})

describe('a caller who means harm', { concurrency: 3 }, () => {
  for (const umask of ['000', '777']) {
    test(`umask ${umask}: every file is 0600 and every folder 0700`, async () => {
      await withLab(async (lab) => {
        rmSync(lab.state, { recursive: true })
        writePolicy(lab, POLICY_GOOD)
        const before = ['/bin/sh', '-c', `umask ${umask}; exec "$@"`, 'sh']
        const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1h'], { before })
        assert.equal(said.exit, 0, said.output)
        expectPrivate(lab.state)
        const confirmed = await runAdmitIn(lab, ['confirm', '--here'], { before })
        assert.equal(confirmed.exit, 0, confirmed.output)
        const named = await runAdmitIn(lab, ['save', 'first'], { before })
        assert.equal(named.exit, 0, named.output)
        expectPrivate(lab.state)
        assert.ok(existsSync(join(lab.state, 'points/1/name')))
        await expectSafe(lab, umask)
      })
    })
  }

  test('an environment of traps, through bin/admit and a link to it: none is sprung', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      const evil = join(lab.folder, 'evil')
      const sprung = join(lab.folder, 'sprung')
      mkdirSync(evil)
      const trap = `#!/bin/sh\necho "$0 $*" >>'${sprung}'\nexit 0\n`
      for (const name of PROGRAMS) writeFileSync(join(evil, name), trap, { mode: 0o755 })
      writeFileSync(join(evil, 'rc'), `echo rc >>'${sprung}'\n`)
      const script = `require('node:fs').appendFileSync(${JSON.stringify(sprung)}, 'node\\n')`
      writeFileSync(join(evil, 'evil.cjs'), script)
      symlinkSync(ADMIT, join(lab.folder, 'admit'))
      const environment = {
        PATH: evil,
        ENV: join(evil, 'rc'),
        BASH_ENV: join(evil, 'rc'),
        IFS: 'abcdefghijklmnopqrstuvwxyz/',
        NODE_OPTIONS: `--require=${join(evil, 'evil.cjs')}`,
        NODE_PATH: evil,
        TMPDIR: evil,
        CDPATH: evil,
        LC_ALL: 'tr_TR.UTF-8',
        TZ: 'Asia/Tokyo',
        POSIXLY_CORRECT: '1',
        GREP_OPTIONS: '-v',
        PERL5OPT: `-I${evil}`,
        'BASH_FUNC_nft%%': `() { echo function >>'${sprung}'; }`,
      }
      const admit = async (...args: readonly string[]): Promise<Said> => {
        const policy = join(lab.folder, 'policy.yaml')
        const argv = [join(lab.folder, 'admit'), '--policy', policy, '--state', lab.state, ...args]
        const program = await lab.start(argv, { terminal: false, environment })
        return { exit: await program.ended(PATIENCE), output: program.output() }
      }
      writePolicy(lab, POLICY_BAD)
      const applied = await admit('apply', '--confirm-within', '1s', ...FORCE_BAD)
      assert.equal(applied.exit, 0, applied.output)
      assert.ok(await settled(lab, PATIENCE))
      assert.equal(await digestOf(lab), before)
      writePolicy(lab, POLICY_GOOD)
      for (const args of [['apply', '--no-confirm'], ['status'], ['save', 'here'], ['history']]) {
        const said = await admit(...args)
        assert.equal(said.exit, 0, said.output)
      }
      const booted = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false, environment })
      assert.equal(await booted.ended(PATIENCE), 0, booted.output())
      assert.ok(!existsSync(sprung), existsSync(sprung) ? readFileSync(sprung, 'utf8') : '')
      await expectEnding(lab, { before, mayKeep: true, said: { exit: 0, output: '' } })
    })
  })

  test('the token is shown once, and stands nowhere on disk, in no command line and in no environment', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      writePolicy(lab, POLICY_GOOD)
      const applied = await runAdmitIn(lab, ['--json', 'apply', '--confirm-within', '1h'])
      assert.equal(applied.exit, 0, applied.output)
      const token = /"token": *"([^"]+)"/.exec(applied.output)?.[1] ?? ''
      assert.match(token, /^[a-z0-9-]{10,}$/)
      const forms = [token, token.replaceAll('-', '')]
      const texts = allFiles(lab.state).map((path) => [path, readFileSync(path, 'latin1')] as const)
      for (const pid of allProcesses().filter((one) => one !== process.pid)) {
        for (const part of ['cmdline', 'environ']) {
          texts.push([`${pid} ${part}`, readQuietly(`/proc/${pid}/${part}`)])
        }
      }
      assert.ok(
        texts.some(([, text]) => text.includes('admit-guard')),
        'the watchdog is looked at, too',
      )
      for (const [where, text] of texts) {
        assert.ok(!forms.some((form) => text.includes(form)), where)
      }
      // And it is the right one: over another path than SSH, it confirms.
      const confirmed = await runAdmitIn(lab, ['confirm', token])
      assert.equal(confirmed.exit, 0, confirmed.output)
      for (const path of allFiles(lab.state)) {
        const text = readFileSync(path, 'latin1')
        assert.ok(!forms.some((form) => text.includes(form)), path)
      }
    })
  })

  test('a temporary file of a trap’s name is not followed', async () => {
    await withLab(async (lab) => {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      // The guard's temporary names can be guessed: only root can put a link there, by mistake.
      const precious = join(lab.folder, 'precious')
      cpSync(join(lab.state, 'rules.nft'), precious)
      const text = readFileSync(precious, 'utf8')
      for (const name of ['rules.nft.tmp', 'rescue.nft.tmp', 'policy.yaml.tmp', 'outcome.tmp']) {
        symlinkSync(precious, join(lab.state, name))
      }
      writePolicy(lab, POLICY_GOOD)
      const said = await runAdmitIn(lab, ['apply', '--no-confirm'])
      assert.equal(said.exit, 0, said.output)
      assert.equal(readFileSync(precious, 'utf8'), text)
      await expectEnding(lab, { before, mayKeep: true, said })
    })
  })
})

test('how long it took', (context) => {
  context.diagnostic(`ADMIT_SEED=${seed}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
})

/** What admit, the guard and bin/admit start by name. */
const PROGRAMS =
  'nft sh date sha256sum flock mv rm cp cat sync stat id tail sed awk sort sleep timeout logger wall readlink setpriv systemd-run ip ss conntrack node mkdir wc printf dirname basename env'.split(
    ' ',
  )

function allFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function expectPrivate(folder: string): void {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  assert.ok(names.length > 5)
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const found = lstatSync(path)
    assert.equal((found.mode & 0o7777).toString(8), found.isDirectory() ? '700' : '600', path)
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

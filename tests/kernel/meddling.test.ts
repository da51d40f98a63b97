/**
 * Somebody else's hands in `table inet admit`: what they did is seen, an apply undoes it, and `stop` gets rid of what
 * admit cannot read.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'admit-meddling-'))
const policy = join(folder, 'policy.yaml')

const POLICY = `admit: 1
host: { forward: keep }
devices:
  laptop: { mac: 02:11:00:00:00:01, admin: true, unseen: true }
  guest: { mac: 02:11:00:00:00:02, until: 2099-01-01T00:00:00Z }
grants:
  - { from: laptop, to: everything }
  - { from: guest, to: ping }
safety: { admins: 1 }
`

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs admit; with `into`, its standard output goes through a shell to there. */
function admit(words: string, into = ''): Ran {
  const line = `'${process.execPath}' '${MAIN}' --policy '${policy}' --state '${folder}/state' ${words} ${into}`
  return spawnSync('bash', ['-o', 'pipefail', '-c', line], { encoding: 'utf8', timeout: 60_000 })
}

function succeeds(words: string, into = ''): string {
  const { status, stdout, stderr } = admit(words, into)
  assert.equal(status, 0, `${words}: ${stdout}${stderr}`)
  return stdout
}

describe('somebody else in the table of admit', () => {
  beforeEach(() => {
    spawnSync('ip', ['link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'other'])
    writeFileSync(policy, POLICY)
    run('nft', ['-f', '-'], 'flush ruleset')
    succeeds('apply --no-confirm')
  })

  test('a dormant table is no rules in force, and an apply wakes it', () => {
    run('nft', ['-f', '-'], 'add table inet admit { flags dormant; }')
    const status = admit('status')
    assert.equal(status.status, 1)
    assert.match(status.stdout, /dormant/)
    assert.equal(admit('plan').status, 1)
    run('nft', ['flush', 'chain', 'inet', 'admit', 'input'])
    assert.match(succeeds('apply --no-confirm'), /flags dormant/)
    assert.doesNotMatch(run('nft', ['list', 'table', 'inet', 'admit']), /dormant/)
    succeeds('status')
    run('nft', ['-f', '-'], 'add table inet admit { flags dormant; }')
    succeeds('reload --no-confirm')
    succeeds('status')
  })

  test('what admit cannot read is refused, and `stop --open` removes it', () => {
    run('nft', ['-f', '-'], 'add map inet admit m { type ipv4_addr : verdict; }')
    const refused = admit('apply')
    assert.equal(refused.status, 4)
    assert.match(refused.stderr, /stop --open/)
    assert.equal(admit('stop --open').status, 3)
    succeeds('stop --open --no-confirm')
    succeeds('apply --no-confirm')
  })

  test('a state folder that others may write in is not believed, and nothing is changed before that is found', () => {
    chmodSync(join(folder, 'state'), 0o777)
    const before = run('nft', ['list', 'ruleset'])
    try {
      assert.equal(admit('start').status, 4)
      assert.equal(admit('stop --open').status, 4)
      assert.equal(admit('apply').status, 4)
      assert.equal(admit('status').status, 1)
      assert.equal(admit('apply --state /proc/none/state').status, 4)
      assert.equal(run('nft', ['list', 'ruleset']), before)
    } finally {
      chmodSync(join(folder, 'state'), 0o700)
    }
  })

  test('chains in another order are no change', () => {
    writeFileSync(policy, POLICY.replace('keep', 'drop'))
    succeeds('apply --no-confirm')
    assert.match(succeeds('plan'), /nothing to change/)
  })

  test('a reader that goes away does not end an apply in the middle', () => {
    succeeds('stop --open --no-confirm')
    succeeds('apply --no-confirm', '| true')
    succeeds('status')
    const full = admit('show', '> /dev/full')
    assert.equal(full.status, 4)
    assert.match(full.stderr, /could not be written/)
  })
})

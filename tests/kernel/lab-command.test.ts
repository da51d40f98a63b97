/** `admit lab` as a user meets it: the matrix on standard output, the way there on standard error, the exit code. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'admit-lab-'))

const POLICY = `admit: 1
devices:
  laptop: { mac: 00:11:22:33:44:55, admin: true, unseen: true }
  desk:   { bound: { mac: 00:16:3e:00:00:07, address: 192.0.2.7 }, admin: true, unseen: true }
services:
  ssh: 22222/tcp
grants:
  - { from: laptop, to: everything }
  - { from: desk, to: [ssh, ping] }
`

function admitLab(policy: string, ...words: readonly string[]) {
  const file = join(folder, 'policy.yaml')
  writeFileSync(file, policy)
  const argv = [main, 'lab', '--policy', file, '--state', join(folder, 'state'), ...words]
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

describe('admit lab', () => {
  before(() => {
    for (const line of [
      'link add name eth0 address 52:54:00:00:00:10 type veth peer name peer',
      'address add 192.0.2.10/24 dev eth0',
      'link set dev eth0 up',
      'link set dev peer up',
    ]) {
      assert.equal(spawnSync('ip', line.split(' ')).status, 0, line)
    }
  })
  after(() => rmSync(folder, { recursive: true }))

  test('shows the matrix of this host, and ends with 0 where explain agrees', () => {
    const { status, stdout, stderr } = admitLab(POLICY)
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /^laptop +00:11:22:33:44:55 +eth0 .*[●+] +[●+] +[●+]$/m)
    assert.match(stdout, /^desk +00:16:3e:00:00:07 192\.0\.2\.7 +eth0 .*[●+] +[●+] +[○-]$/m)
    assert.match(stdout, /^stranger .*[○-] +[○-] +[○-]$/m)
    assert.match(stdout, /real packets in .* fared as explain says/)
    assert.notEqual(stderr, '', 'no progress was shown')
    assert.ok(!stderr.includes('\u001b'), 'a line is written over where nobody watches')
  })

  test('has a document for programs', () => {
    const { status, stdout } = admitLab(POLICY, '--json')
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).command, 'lab')
  })

  test('does not begin with a policy that is wrong', () => {
    const { status, stderr } = admitLab(POLICY.replace('desk:  ', 'dsek:  '))
    assert.equal(status, 2)
    assert.match(stderr, /dsek|desk/)
  })
})

/** The demo runs to its end, and its last screen says what the README shows. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the demo shows by packets what it claims, and docs/demo-screen.txt is its last screen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'admit-demo-'))
  try {
    const begun = performance.now()
    const { status, stdout, stderr } = spawnSync(
      join(root, 'script/netns'),
      [process.execPath, 'script/demo.ts', '--screen', join(folder, 'screen')],
      { cwd: root, encoding: 'utf8', timeout: 120_000 },
    )
    const seconds = (performance.now() - begun) / 1000
    assert.equal(status, 0, stdout + stderr)
    assert.ok(!stdout.includes('\u001b'), 'colour although nobody watches')
    assert.ok(!stdout.includes('NOT AS CLAIMED'))
    const screen = readFileSync(join(folder, 'screen'), 'utf8')
    assert.ok(stdout.endsWith(screen))
    assert.equal(
      withoutTime(screen),
      withoutTime(readFileSync(join(root, 'docs/demo-screen.txt'), 'utf8')),
      'the demo has changed: run script/demo --screen docs/demo-screen.txt',
    )
    console.log(`demo: ${seconds.toFixed(1)} s`)
    assert.ok(seconds < 60, `${seconds} s`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function withoutTime(screen: string): string {
  return screen.replace(/\d+\.\d s\b/, 'N s')
}

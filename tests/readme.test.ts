/** What the two READMEs show of the program is the program's own. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { HELP } from '../src/cli/help-texts.ts'

const root = new URL('..', import.meta.url).pathname
const commands = Object.keys(HELP).filter((name) => name !== 'admit')

for (const page of ['README.md', 'README.ja.md']) {
  describe(page, () => {
    const text = readFileSync(root + page, 'utf8')

    test("shows the demo's last screen as docs/demo-screen.txt has it", () => {
      const shown = /```text\n(A server whose owner[^]*?)```/.exec(text)?.[1]
      assert.equal(shown, readFileSync(`${root}docs/demo-screen.txt`, 'utf8'))
    })

    test('lists every command', () => {
      assert.deepEqual([...rows(text).keys()].toSorted(), commands.toSorted())
    })

    test('has a policy of ten lines', () => {
      const policy = /```yaml\n([^]*?)```/.exec(text)?.[1] ?? ''
      assert.equal(policy.trimEnd().split('\n').length, 10)
    })

    test('leads to pages that are there', () => {
      for (const [, target = ''] of text.matchAll(/\]\(([^)#:]+)\)/g))
        assert.ok(existsSync(root + target), `${target} is not there`)
    })
  })
}

test('README.md says of every command what --help says', () => {
  for (const [name, words] of rows(readFileSync(`${root}README.md`, 'utf8'))) {
    assert.equal(words, Object.entries(HELP).find(([command]) => command === name)?.[1].summary)
  }
})

/** The table of commands: name and description. */
function rows(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^\| `admit (\w+)` \| (.*) \|$/gm)].map(([, name = '', words = '']) => [name, words]),
  )
}

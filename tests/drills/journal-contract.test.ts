import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { realJournal } from '../../src/system/journal.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { guardThatHolds } from '../support/drill-admit.ts'
import { expectOk } from '../support/expect-ok.ts'
import { journalContract } from '../support/journal-contract.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'

requirePrivateNamespace()

journalContract('the journal on disk, with its guard', () => {
  const folder = mkdtempSync(join(tmpdir(), 'admit-journal-'))
  const tools = mkdtempSync(join(tmpdir(), 'admit-journal-guard-'))
  const [mark, kept] = [join(tools, 'mark'), join(tools, 'kept')]
  const guard = guardThatHolds(tools, undefined, [
    [
      'run_nft() {',
      // The text may come on standard input, which can be read once.
      `run_nft() {
  if [ "$1" = -f ] && [ -e '${mark}' ]; then
    cat "$2" >'${tools}/asked'
    grep -Eq -f '${mark}' '${tools}/asked' || return 1
    set -- -f '${tools}/asked'
  fi
`,
    ],
    ['\ndrop() {\n', `\ndrop() {\n  [ ! -e '${kept}' ] || { note 'the disk keeps it'; return; }\n`],
  ])
  const journal = realJournal(folder, { guard })
  return Promise.resolve({
    kernel: new NftKernel(),
    journal,
    wait: async (seconds) => {
      await sleep(seconds * 1000)
      // A dead watchdog is waited for in vain, and a live one looks at the clock ten times a second.
      const end = Date.now() + 20_000
      while (Date.now() < end) {
        const state = expectOk(await journal.state(), 'state')
        if (state.kind === 'idle' || (state.kind === 'pending' && state.watchdog === 'gone')) return
        await sleep(20)
      }
      throw new Error('the watchdog is late')
    },
    killWatchdog: async () => {
      const [pid] = readFileSync(join(folder, 'pending/ready'), 'utf8').split(' ').map(Number)
      process.kill(pid ?? 0, 'SIGKILL')
      for (;;) {
        const state = expectOk(await journal.state(), 'state')
        if (state.kind !== 'pending' || state.watchdog === 'gone') return
        await sleep(5)
      }
    },
    damageRules: () => {
      writeFileSync(join(folder, 'rules.nft'), 'other\n')
      return Promise.resolve()
    },
    loadOnly: (wanted) => {
      if (wanted === undefined) rmSync(mark)
      else writeFileSync(mark, `${wanted.source}\n`)
      return Promise.resolve()
    },
    setClearable: (clearable) => {
      if (clearable) rmSync(kept)
      else writeFileSync(kept, '')
      return Promise.resolve()
    },
    // A file in the place of the folder: nobody, not even root, writes in it.
    setWritable: (writable) => {
      const aside = `${folder}.aside`
      if (writable) {
        rmSync(folder)
        renameSync(aside, folder)
      } else {
        renameSync(folder, aside)
        writeFileSync(folder, '')
      }
      return Promise.resolve()
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true })
      rmSync(tools, { recursive: true, force: true })
      return Promise.resolve()
    },
  })
})

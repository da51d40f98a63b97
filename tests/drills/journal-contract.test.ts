import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { realJournal } from '../../src/system/journal.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { expectOk } from '../support/expect-ok.ts'
import { journalContract } from '../support/journal-contract.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'

requirePrivateNamespace()

journalContract('the journal on disk, with its guard', () => {
  const folder = mkdtempSync(join(tmpdir(), 'admit-journal-'))
  const journal = realJournal(folder)
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
      return Promise.resolve()
    },
  })
})

import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import { FakeJournal } from './support/fake-journal.ts'
import { journalContract } from './support/journal-contract.ts'

journalContract('the journal in memory', () => {
  const kernel = new FakeKernel()
  const files = new Map<string, string>()
  let now = 1_800_000_000
  const journal = new FakeJournal(
    () => kernel,
    () => now,
    files,
    '/state',
  )
  return Promise.resolve({
    kernel,
    journal,
    wait: async (seconds) => {
      now += seconds
      await journal.tick()
    },
    killWatchdog: () => Promise.resolve(journal.killWatchdog()),
    damageRules: () => {
      files.set('/state/rules.nft', 'other\n')
      return Promise.resolve()
    },
    setWritable: (writable) => {
      journal.writable = writable
      return Promise.resolve()
    },
    remove: () => Promise.resolve(),
  })
})

import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import { fail } from '../src/base/result.ts'
import { renderTransaction } from '../src/backends/nftables/render.ts'
import { kernelLike } from './support/cli-machine.ts'
import { FakeJournal } from './support/fake-journal.ts'
import { journalContract } from './support/journal-contract.ts'

journalContract('the journal in memory', () => {
  const kernel = new FakeKernel()
  const files = new Map<string, string>()
  let now = 1_800_000_000
  let loads = /(?:)/
  // Only the journal's own undo is kept from loading.
  const forJournal = kernelLike(kernel, {
    apply: (transaction) =>
      loads.test(renderTransaction(transaction))
        ? kernel.apply(transaction)
        : Promise.resolve(fail({ kind: 'rejected', message: 'nft said no' })),
  })
  const journal = new FakeJournal(
    () => forJournal,
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
    loadOnly: (mark = /(?:)/) => {
      loads = mark
      return Promise.resolve()
    },
    setClearable: (clearable) => {
      journal.clearable = clearable
      return Promise.resolve()
    },
    setWritable: (writable) => {
      journal.writable = writable
      return Promise.resolve()
    },
    remove: () => Promise.resolve(),
  })
})

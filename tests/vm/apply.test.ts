/**
 * Whole `admit apply` and `admit confirm` on a booted Debian, one boot for both parts: over its sshd, and beside somebody else's
 * flowtable. The second begins with the rules that the first has confirmed.
 */
import { after, before, describe } from 'node:test'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { imageOrSay, SUITE } from './image.ts'
import { overSsh } from './parts/over-ssh.ts'
import { pastFlowtable } from './parts/past-flowtable.ts'
import { Vm } from './vm.ts'

requirePrivateNamespace()

const image = imageOrSay('whole applies on a booted Debian')

if (image !== undefined) {
  describe(`applies on a booted Debian (${SUITE})`, () => {
    let vm: Vm
    before(async () => {
      vm = await Vm.boot(image)
    })
    after(() => vm?.end())
    const guest = (): Vm => vm

    describe('over ssh', () => overSsh(guest))
    describe('past a flowtable', () => pastFlowtable(guest))
  })
}

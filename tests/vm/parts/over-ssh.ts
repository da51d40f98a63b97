/** Applied in one session over the guest's sshd; what confirms is another connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATE } from '../guest-state.ts'
import { knock, laptop, stranger } from '../network.ts'
import type { Vm } from '../vm.ts'
import {
  ADMIT,
  assertOnlyAdminsGetIn,
  expectStatus,
  MARK,
  patiently,
  putPolicy,
  untilSettled,
} from './admit.ts'

export function overSsh(guest: () => Vm): void {
  test('the session that applied does not confirm, a new connection does', async () => {
    const vm = guest()
    await putPolicy(vm, { through: 'laptop, spare', mark: false })
    assert.equal(knock(stranger, 22), 'open', 'before the apply everyone reaches sshd')
    // All of it over one TCP connection.
    const session = [
      `${ADMIT} apply --confirm-within 15m; applied=$?`,
      `${ADMIT} confirm; echo "confirm ended with $?"`,
      "systemctl list-units --plain --no-legend 'admit-watchdog-*'",
      'exit $applied',
    ]
    const said = expectStatus(await patiently(async () => vm.ssh(laptop, session.join('; '))), 0)
    assert.match(said, /^Not confirmed yet: after 900 s/m)
    assert.match(said, /not confirmed\. This SSH connection .* is older than the new rules/)
    assert.match(said, /^confirm ended with 3$/m)
    assert.match(said, /^admit-watchdog-\S+\.service +loaded +active +running/m)

    const confirmed = expectStatus(await patiently(async () => vm.ssh(laptop, `${ADMIT} confirm`)), 0)
    assert.match(confirmed, /^Confirmed: these rules stay/m)
    await untilSettled(vm)
    assert.match(await vm.sh(`cat ${STATE}/outcome`), /^result confirmed\nwhy connection$/m)
    assertOnlyAdminsGetIn()
    assert.equal(knock(stranger, MARK), 'silent')
  })
}

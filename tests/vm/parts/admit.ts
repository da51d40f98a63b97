/** admit as it is typed in the guest, and the policies that the parts of apply.test.ts put there. */
import assert from 'node:assert/strict'
import type { Ran } from '../agent.ts'
import { STATE } from '../guest-state.ts'
import { BEHIND, knock, laptop, spare, stranger } from '../network.ts'
import type { Vm } from '../vm.ts'

export const ADMIT = '/opt/admit/bin/admit'
/** What the clients talk about with a machine behind the guest, by TCP and by UDP. */
export const TALK = 7000
/** What a policy opens for everybody, so that its rules are known by a packet. */
export const MARK = 7001

/** Two admins, of whom those named in `through` reach the network behind the guest, and MARK for everybody or not. */
export async function putPolicy(
  vm: Vm,
  { through, mark }: { readonly through: string; readonly mark: boolean },
): Promise<void> {
  const text = `admit: 1
host: { forward: guard, log: off }
devices:
  laptop: { mac: "${laptop.mac}", admin: true, unseen: true }
  spare: { mac: "${spare.mac}", admin: true, unseen: true }
services: { talk: [${TALK}/tcp, ${TALK}/udp], mark: ${MARK}/tcp }
grants:
  - { from: [laptop, spare], to: everything }
  - { from: [${through}], to: talk, through: 10.${BEHIND.network}.0.0/24 }
${mark ? '  - { from: anyone, to: mark }\n' : ''}tests:
  - { from: laptop, accept: [ssh, ping] }
  - { from: stranger, refuse: [ssh, ping] }
`
  await vm.write('/etc/admit/policy.yaml', text, '644')
}

/**
 * Asks again where the guest was too slow for admit's own limits, so that it did not see what it must (and changed nothing):
 * where nothing is cached yet, and other work beside it.
 */
export async function patiently(attempt: () => Promise<Ran>): Promise<Ran> {
  for (let count = 1; ; count++) {
    const ran = await attempt()
    const late = /no answer within \d+ s|did not come to an end|did not start/.test(ran.stdout + ran.stderr)
    if (ran.status === 0 || !late || count === 5) return ran
  }
}

/** What it printed, on both streams; fails the test where it ended with another status. */
export function expectStatus(ran: Ran, status: number): string {
  const said = ran.stdout + ran.stderr
  assert.equal(ran.status, status, said)
  return said
}

/** Nothing is pending, and no watchdog is left. */
export async function untilSettled(vm: Vm, seconds?: number): Promise<void> {
  await vm.until(
    `[ ! -e ${STATE}/pending ] && [ ! -e ${STATE}/undoing ] && ! ls -d ${STATE}/confirming.* >/dev/null 2>&1`,
    seconds,
  )
  await vm.until(`[ -z "$(systemctl list-units --plain --no-legend 'admit-watchdog-*')" ]`)
}

/** By packets: both admins reach sshd, the stranger does not. */
export function assertOnlyAdminsGetIn(): void {
  assert.equal(knock(laptop, 22), 'open')
  assert.equal(knock(spare, 22), 'open')
  assert.equal(knock(stranger, 22), 'silent')
}

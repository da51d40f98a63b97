/**
 * The clock set a day on and two back while changes are pending: one that systemd's watchdog guards, and one in a network
 * namespace of its own, whose watchdog is a plain process. Deadlines go by the time since boot.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import type { Ran } from './agent.ts'
import { STATE } from './guest-state.ts'
import { imageOrSay, SUITE } from './image.ts'
import { BEHIND, inner, knock, laptop, passer, spare, stranger } from './network.ts'
import { Vm } from './vm.ts'
import {
  ADMIT,
  assertOnlyAdminsGetIn,
  expectStatus,
  MARK,
  patiently,
  putPolicy,
  untilSettled,
} from './parts/admit.ts'

requirePrivateNamespace()

const image = imageOrSay('the clock is set')

/** How late an undo may be on a machine that has other work; a jump would make it a day. */
const LATE = 30

const BOX_STATE = '/var/lib/admit-box'
const BOX = `ip netns exec box ${ADMIT} --state ${BOX_STATE} --policy /etc/admit/box.yaml`
/** In whose rules MARK shows which are in force. */
const BOX_POLICY = `admit: 1
host: { log: off }
devices:
  inner: { mac: "${inner.mac}", admin: true, unseen: true }
services: { mark: ${MARK}/tcp }
grants:
  - { from: inner, to: everything }
safety: { admins: 1 }
`
const MARKED = BOX_POLICY.replace('safety:', '  - { from: anyone, to: mark }\nsafety:')

interface Told {
  readonly secondsLeft: number
  readonly until: string
}

if (image !== undefined) {
  describe(`the clock is set (${SUITE})`, () => {
    let vm: Vm
    /** Seconds: what is done meanwhile takes some five times as long as an apply. */
    let window: number
    before(async () => {
      vm = await Vm.boot(image)
      await putPolicy(vm, { through: 'laptop', mark: false })
      expectStatus(await patiently(async () => vm.ssh(laptop, `${ADMIT} apply --no-confirm`)), 0)
      // Another host in the guest, with the second cable and an sshd of its own.
      await vm.sh(
        'ip netns add box && ip link set eth1 netns box && ip -n box link set lo up && ip -n box link set eth1 up && ' +
          `ip -n box address add ${BEHIND.address}/24 dev eth1 && ip netns exec box /usr/sbin/sshd -o PidFile=/run/box-sshd.pid`,
      )
      await vm.write('/etc/admit/box.yaml', BOX_POLICY)
      const began = performance.now()
      expectStatus(await patiently(async () => vm.run(`${BOX} apply --no-confirm`)), 0)
      window = Math.min(3600, Math.ceil(90 + (8 * (performance.now() - began)) / 1000))
      await vm.write('/etc/admit/box.yaml', MARKED)
    })
    after(() => vm?.end())

    test('it neither fires nor delays the undo, and what status tells stays true', async () => {
      await putPolicy(vm, { through: 'laptop', mark: true })
      const words = `apply --confirm-within ${window}s`
      expectStatus(await patiently(async () => vm.ssh(laptop, `${ADMIT} ${words}`)), 0)
      expectStatus(await patiently(async () => vm.run(`${BOX} ${words}`)), 0)
      const [ends, boxEnds] = [await deadline(vm, STATE), await deadline(vm, BOX_STATE)]
      assert.equal(await watchdogs(vm), 'systemd 1, plain 1')
      const over = Promise.all([gone(vm, STATE, window), gone(vm, BOX_STATE, window)])
      // Of a test that has failed before it is awaited nobody wants to hear more.
      over.catch(() => undefined)

      for (const jump of ['+1 day', '-2 days']) {
        await vm.sh(`date -s '${jump}'; sleep 2; [ -e ${STATE}/pending ] && [ -e ${BOX_STATE}/pending ]`)
        await assertTells(vm, ADMIT, ends)
        await assertTells(vm, BOX, boxEnds)
      }
      assert.ok((await uptime(vm)) < Math.min(ends, boxEnds), 'this machine is too slow to tell')
      assert.equal(await vm.sh(`ls -d ${STATE}/pending ${BOX_STATE}/pending | wc -l`), '2')
      assert.equal(knock(stranger, MARK), 'refused', 'the new rules are in force, and nobody listens')
      assert.equal(knock(passer, MARK, BEHIND.address), 'refused')
      // The one who comes after it keeps to the deadline.
      await vm.sh(`kill -9 $(pgrep -f 'admit-guard watch ${STATE} ')`)

      const [at, boxAt] = await over
      assert.ok(at >= ends && at < ends + LATE, `undone ${at - ends} s after the deadline`)
      assert.ok(boxAt >= boxEnds && boxAt < boxEnds + LATE, `undone ${boxAt - boxEnds} s after the deadline`)
      await untilSettled(vm)
      await vm.until(`[ ! -e ${BOX_STATE}/undoing ]`)
      for (const state of [STATE, BOX_STATE]) {
        assert.match(await vm.sh(`cat ${state}/outcome`), /^result undone\nwhy deadline$/m)
      }
      const told = await vm.sh('journalctl -b -t admit --no-pager')
      assert.equal(told.match(/was not confirmed in time: the previous rules are back/g)?.length, 2, told)
      assertOnlyAdminsGetIn()
      assert.equal(knock(stranger, MARK), 'silent')
      assert.equal(knock(inner, 22, BEHIND.address), 'open')
      assert.equal(knock(passer, 22, BEHIND.address), 'silent')
      assert.equal(knock(passer, MARK, BEHIND.address), 'silent')
    })

    test('a confirmation after it counts', async () => {
      expectStatus(await patiently(async () => vm.ssh(laptop, `${ADMIT} apply --confirm-within 15m`)), 0)
      await vm.sh("date -s '+1 day'")
      const confirm = async (): Promise<Ran> => vm.ssh(spare, `sudo -n ${ADMIT} confirm`, { user: 'alice' })
      assert.match(expectStatus(await patiently(confirm), 0), /^Confirmed: these rules stay/m)
      await untilSettled(vm)
      assertOnlyAdminsGetIn()
      assert.equal(knock(stranger, MARK), 'refused')
    })
  })
}

async function uptime(vm: Vm): Promise<number> {
  return Number(await vm.sh('cut -d" " -f1 /proc/uptime'))
}

/** When the window of a state folder ends, in seconds since boot. */
async function deadline(vm: Vm, state: string): Promise<number> {
  const said = await vm.sh(`sed -n 's/^deadline-uptime //p' ${state}/pending/window`)
  assert.match(said, /^\d+\.\d+$/)
  return Number(said)
}

/** When the undo has claimed what is pending there, in seconds since boot. */
async function gone(vm: Vm, state: string, window: number): Promise<number> {
  return Number(
    await vm.sh(
      `while [ -e ${state}/pending ]; do sleep 0.2; done; cut -d" " -f1 /proc/uptime`,
      window * 2 + 400,
    ),
  )
}

/** How many watchdogs systemd has started, and how many are in no unit of their own. */
async function watchdogs(vm: Vm): Promise<string> {
  return vm.sh(
    "systemd=0 plain=0; for pid in $(pgrep -f 'admit-guard watch /'); do " +
      'if grep -q /admit-watchdog- /proc/$pid/cgroup; then systemd=$((systemd + 1)); else plain=$((plain + 1)); fi; done; ' +
      'echo "systemd $systemd, plain $plain"',
  )
}

/** `admit status` tells the seconds that are really left, and when that is by the clock as it goes now. */
async function assertTells(vm: Vm, admit: string, ends: number): Promise<void> {
  const now = 'echo "$(cut -d" " -f1 /proc/uptime) $(date +%s)"'
  // Pending is not confirmed: exit 1.
  const said = await vm.sh(`${now}; ${admit} status --json >/run/told; [ $? = 1 ] && ${now} && cat /run/told`)
  const [before = '', after = '', ...json] = said.split('\n')
  const { pending } = JSON.parse(json.join('\n')) as { readonly pending: Told }
  const [earlier = 0] = before.split(' ').map(Number)
  const [later = 0, clock = 0] = after.split(' ').map(Number)
  const { secondsLeft, until } = pending
  assert.ok(secondsLeft <= Math.ceil(ends - earlier) && secondsLeft >= Math.ceil(ends - later), said)
  // It reads the two clocks one after the other.
  assert.ok(Math.abs(Date.parse(until) / 1000 - (clock + ends - later)) < 3 + later - earlier, said)
}

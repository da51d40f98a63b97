/**
 * What boots: after an orderly restart and after power cuts, with whatever a transaction had left on the disk. QEMU is
 * killed for a power cut: what the guest had not synced is lost, what it had synced is there, in the order of the syncs.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ID } from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { putConfirmed, putTransaction, rules, STATE } from './guest-state.ts'
import { imageOrSay } from './image.ts'
import { knock, laptop, stranger } from './network.ts'
import { Vm } from './vm.ts'
import { watchdogUnit } from '../../src/system/guard.ts'
import { quoted } from './quoted.ts'

requirePrivateNamespace()

const image = imageOrSay('boots and power cuts')
const GUARD = '/usr/local/lib/admit/admit-guard'

/** The ports by which the rules are known: the confirmed ones, a candidate, the next one, the rescue rules. */
const CONFIRMED = 7001
const CANDIDATE = 7002
const NEXT = 7003
const RESCUE = 7004

const OTHERS = `#!/usr/sbin/nft -f
flush ruleset
table inet others {
\tchain input {
\t\ttype filter hook input priority 10; policy accept;
\t\ttcp dport 7009 reject with tcp reset
\t}
}
`

if (image !== undefined) {
  describe('what boots', () => {
    let vm: Vm
    before(async () => {
      vm = await Vm.boot(image)
    })
    after(() => vm?.end())

    test('script/install puts the guard in place and enables its unit', async () => {
      const said = await vm.sh('/opt/admit/script/install')
      assert.match(said, /admit\.service is enabled/)
      assert.equal(await vm.sh('systemctl is-enabled admit.service'), 'enabled')
      assert.equal(
        await vm.sh('systemd-analyze verify --man=no admit.service 2>&1 | grep -i admit || true'),
        '',
      )
    })

    test('an orderly restart: the confirmed rules are there before any interface, beside nftables.service', async () => {
      await putConfirmed(vm, { rules: rules(CONFIRMED), rescue: rules(RESCUE) })
      await vm.write('/etc/nftables.conf', OTHERS, '755')
      await vm.sh('systemctl enable nftables.service && sync')
      assert.equal(await vm.reboot(), 'running')
      await admitsOnlyTheLaptop(vm, CONFIRMED)
      assert.match(await vm.sh('nft list tables'), /^table inet others$/m)
      const nftables = await moment(vm, 'nftables.service', 'ActiveEnter')
      const begins = await moment(vm, 'admit.service', 'InactiveExit')
      const ends = await moment(vm, 'admit.service', 'ActiveEnter')
      const target = await moment(vm, 'network-pre.target', 'ActiveEnter')
      const networkd = await moment(vm, 'systemd-networkd.service', 'InactiveExit')
      const told = JSON.stringify({ nftables, begins, ends, target, networkd })
      assert.ok(nftables <= begins, `after nftables.service, which flushes all tables: ${told}`)
      assert.ok(begins < ends && ends <= target && target <= networkd, `before the network: ${told}`)
      const [up = 0] = await logged(vm, '-b -u systemd-networkd.service', 'eth0: (Link UP|Gained carrier)')
      assert.ok(up * 1e6 > ends, `eth0 is up at ${up} s, the rules were there at ${ends} µs`)
    })

    test('a power cut in the window: the change is undone at boot, and told', async () => {
      await begin(vm, 'pending')
      await vm.cutPower()
      assert.equal(await vm.powerOn(), 'running')
      await admitsOnlyTheLaptop(vm, CONFIRMED)
      assert.equal(await vm.sh(`ls -d ${STATE}/pending ${STATE}/undoing 2>/dev/null | cat`), '')
      assert.match(await vm.sh(`cat ${STATE}/outcome`), /^result undone\nwhy reboot$/m)
      assert.match(
        await vm.sh('journalctl -b -u admit.service --no-pager'),
        /was not confirmed before the restart/,
      )
      assert.match(await vm.sh('journalctl -b -t admit --no-pager'), /was not confirmed before the restart/)
    })

    test('a power cut while a confirmation is written: it is completed at boot', async () => {
      await begin(vm, 'confirming')
      await vm.sh(`printf '# admit rules, vers' >${STATE}/rules.nft.tmp; sync`)
      await vm.cutPower()
      assert.equal(await vm.powerOn(), 'running')
      await admitsOnlyTheLaptop(vm, CANDIDATE)
      assert.match(await vm.sh(`cat ${STATE}/outcome`), /^result confirmed$/m)
      assert.equal(
        await vm.sh(`cmp ${STATE}/rules.nft ${STATE}/points/1/rules.nft && ls ${STATE}/points`),
        '1',
      )
      assert.equal(await vm.sh(`ls -d ${STATE}/confirming.* ${STATE}/rules.nft.tmp 2>/dev/null | cat`), '')
    })

    test('a restart in the window is not held up; a damaged rules.nft gives the rescue rules and a failed unit', async () => {
      await begin(vm, 'pending', NEXT)
      const unit = `admit-watchdog-${ID}.service`
      await vm.sh(
        `${quoted(['systemd-run', ...watchdogUnit(GUARD, STATE, ID)])}; sleep 2; systemctl is-active ${unit}`,
      )
      await putConfirmed(vm, { rules: rules(CANDIDATE), rescue: rules(RESCUE) })
      await vm.sh(`truncate -s -20 ${STATE}/rules.nft; sync`)
      assert.equal(await vm.reboot(), 'degraded')
      await admitsOnlyTheLaptop(vm, RESCUE)
      assert.equal(
        await vm.sh('systemctl list-units --failed --plain --no-legend | cut -d" " -f1'),
        'admit.service',
      )
      const told = await vm.sh('journalctl -b -u admit.service --no-pager')
      assert.match(told, /rules\.nft is cut short/)
      assert.match(told, /rescue\.nft is loaded instead/)
      // Without TimeoutStopSec it would be ninety seconds.
      const [begun] = await logged(vm, `-b -1 -u ${unit}`, 'Stopping ')
      const [ended] = await logged(vm, `-b -1 -u ${unit}`, 'Stopped ')
      assert.ok(begun !== undefined && ended !== undefined && ended - begun < 40, `from ${begun} to ${ended}`)
    })

    test('script/install --remove takes the unit away, and leaves the rules', async () => {
      await vm.sh('/opt/admit/script/install --remove')
      assert.equal((await vm.run('systemctl cat admit.service')).status, 1)
      await admitsOnlyTheLaptop(vm, RESCUE)
    })
  })
}

/** The kernel holds the rules that are known by this port, and packets say so. */
async function admitsOnlyTheLaptop(vm: Vm, port: number): Promise<void> {
  const table = await vm.sh('nft list table inet admit')
  assert.match(table, new RegExp(`tcp dport ${port} accept`))
  assert.equal(knock(laptop, 22), 'open')
  assert.equal(knock(stranger, 22), 'silent')
  assert.equal(knock(stranger, port), 'refused', 'admitted, and nobody listens')
}

/** Microseconds since the kernel's start. */
async function moment(vm: Vm, unit: string, what: 'ActiveEnter' | 'InactiveExit'): Promise<number> {
  const microseconds = Number(await vm.sh(`systemctl show -P ${what}TimestampMonotonic ${unit}`))
  assert.ok(microseconds > 0, `${unit} has no ${what}`)
  return microseconds
}

/** When the journal says it: seconds since the kernel's start. */
async function logged(vm: Vm, journal: string, pattern: string): Promise<readonly number[]> {
  const lines = await vm.sh(`journalctl ${journal} -o short-monotonic --no-pager | grep -E '${pattern}'`)
  return [...lines.matchAll(/^\[ *([0-9.]+)\]/gm)].map(([, seconds]) => Number(seconds))
}

/** A change to rules with another port, as far as its window, or as far as the claim of its confirmation. */
async function begin(vm: Vm, place: 'pending' | 'confirming', port = CANDIDATE): Promise<void> {
  const table = await vm.sh('nft -s list table inet admit')
  const previous = `table inet admit {}\ndelete table inet admit\n${table}\n`
  await putTransaction(vm, place, { previous, candidate: rules(port), rescue: rules(RESCUE) }, 3600)
  await vm.write('/run/candidate.nft', `table inet admit\ndelete table inet admit\n${rules(port)}`)
  await vm.sh('nft -f /run/candidate.nft')
  await admitsOnlyTheLaptop(vm, port)
}

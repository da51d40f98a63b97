/**
 * A booted Debian: its sshd, the kernel's modules, and admit's watchdog as systemd's child. Whole applies are in apply.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ID } from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { putTransaction, rules, STATE } from './guest-state.ts'
import { imageOrSay, SUITE } from './image.ts'
import { laptop } from './network.ts'
import { Vm } from './vm.ts'
import { watchdogUnit } from '../../src/system/guard.ts'
import { quoted } from './quoted.ts'

requirePrivateNamespace()

const image = imageOrSay('a booted Debian')

const GUARD = '/opt/admit/packaging/admit-guard'
const UNIT = `admit-watchdog-${ID}.service`
/** The ports by which the rules are known. */
const PREVIOUS = 7001
const CANDIDATE = 7002
const START = quoted(['systemd-run', ...watchdogUnit(GUARD, STATE, ID)])

if (image !== undefined) {
  describe(`admit on a booted Debian (${SUITE})`, () => {
    let vm: Vm
    before(async () => {
      vm = await Vm.boot(image)
    })
    after(() => vm?.end())

    test('systemd is up, and so is sshd', async () => {
      assert.equal(await vm.sh('cat /proc/1/comm'), 'systemd')
      assert.equal(await vm.sh('systemctl is-system-running'), 'running')
      assert.match(
        (await vm.ssh(laptop, 'echo $SSH_CONNECTION')).stdout,
        /^10\.60\.0\.2 \d+ 10\.60\.0\.1 22$/m,
      )
    })

    test('its kernel has the modules that a development kernel may lack', async () => {
      const modules =
        'ip_set_hash_mac xt_set xt_mac 8021q bonding dummy wireguard nf_flow_table nft_flow_offload vrf br_netfilter'
      assert.equal(await vm.sh(`for m in ${modules}; do modprobe $m || echo "$m is missing"; done`), '')
    })

    test('an armed watchdog is ready, sits in no session, and is spared when memory is short', async () => {
      await arm(vm, 3600)
      const pid = await mainPid(vm)
      assert.equal((await vm.sh(`cat ${STATE}/pending/ready`)).split(' ')[0], pid)
      assert.equal(await vm.sh(`cat /proc/${pid}/oom_score_adj`), '-1000')
      assert.equal(await vm.sh(`cat /proc/${pid}/cgroup`), `0::/system.slice/${UNIT}`)
      assert.equal(await vm.sh(`readlink /proc/${pid}/cwd`), '/')
    })

    test('daemon-reload starts no second one, and daemon-reexec loses none', async () => {
      const pid = await mainPid(vm)
      await vm.sh('systemctl daemon-reload; systemctl daemon-reexec; sleep 1')
      assert.equal(await mainPid(vm), pid)
      assert.equal(await vm.sh(`pgrep -fc 'admit-guard watch ${STATE}'`), '1')
    })

    test('killed again and again, it comes back every time', async () => {
      const seen = new Set([await mainPid(vm)])
      for (let kill = 0; kill < 8; kill++) {
        await vm.sh(`kill -9 ${[...seen].at(-1)}`)
        await vm.until(
          `p=$(systemctl show -P MainPID ${UNIT}) && [ "$p" != 0 ] && [ "$p" != ${[...seen].at(-1)} ]`,
        )
        seen.add(await mainPid(vm))
      }
      assert.equal(seen.size, 9)
      await vm.until(`grep -q "^${await mainPid(vm)} " ${STATE}/pending/ready`)
    })

    test('asked to stop, it does within seconds, although it ignores TERM', async () => {
      const began = performance.now()
      await vm.sh(`systemctl stop ${UNIT}`)
      // Ninety seconds without TimeoutStopSec: a restart of the machine would wait as long.
      assert.ok(performance.now() - began < 45_000, `${performance.now() - began} ms`)
      assert.equal((await vm.run(`systemctl cat ${UNIT}`)).status, 1, 'and the unit is gone')
    })

    test('the ssh session that started it ends, with all its processes: it stays', async () => {
      await vm.write(
        '/etc/systemd/logind.conf.d/kill.conf',
        '[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n',
        '644',
      )
      await vm.sh('systemctl restart systemd-logind')
      await arm(vm, 3600, false)
      const left = 'setsid sleep 4321 </dev/null >/dev/null 2>&1 &'
      const started = await vm.ssh(
        laptop,
        `sudo -n ${START} && { ${left} } && sleep 1 && pgrep -c -x sleep`,
        { user: 'alice' },
      )
      assert.equal(started.status, 0, started.stdout + started.stderr)
      await vm.until('! pgrep -f "sleep 4321"', 120)
      await vm.until(`[ -e ${STATE}/pending/ready ]`)
      assert.equal(await vm.sh(`pgrep -fc 'admit-guard watch ${STATE}'`), '1')
      await vm.sh(`systemctl stop ${UNIT}; rm -r ${STATE}/pending`)
    })

    test('one that has nothing to watch over ends well, and leaves no unit', async () => {
      await vm.sh(START)
      await sleep(1000)
      await vm.until(`! systemctl cat ${UNIT}`)
    })
  })
}

/** Loads the previous rules, writes a pending transaction whose undo leads to them, and starts its watchdog. */
async function arm(vm: Vm, seconds: number, start = true): Promise<void> {
  const previous = `table inet admit {}\ndelete table inet admit\n${rules(PREVIOUS)}`
  await vm.write('/run/previous.nft', previous)
  await vm.sh('nft -f /run/previous.nft')
  await putTransaction(vm, 'pending', { previous, candidate: rules(CANDIDATE) }, seconds)
  if (!start) return
  await vm.sh(START)
  await vm.until(`[ -e ${STATE}/pending/ready ]`)
}

async function mainPid(vm: Vm): Promise<string> {
  return vm.sh(`systemctl show -P MainPID ${UNIT}`)
}

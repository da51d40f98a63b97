/**
 * admit on a booted Debian: through a real sshd, with the kernel's modules, and its watchdog as systemd's child.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ID } from '../support/guard-state.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { putTransaction, rules, STATE } from './guest-state.ts'
import { imageOrSay, SUITE } from './image.ts'
import { knock, laptop, spare, stranger } from './network.ts'
import { Vm } from './vm.ts'
import { watchdogUnit } from '../../src/system/guard.ts'
import { quoted } from './quoted.ts'

requirePrivateNamespace()

const image = imageOrSay('a booted Debian')

const POLICY = `admit: 1
devices:
  laptop: { mac: "${laptop.mac}", admin: true, unseen: true }
  spare: { mac: "${spare.mac}", admin: true, unseen: true }
grants:
  - { from: [laptop, spare], to: everything }
tests:
  - { from: laptop, accept: [ssh, ping] }
  - { from: stranger, refuse: [ssh, ping] }
`

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

    test('check, apply and status through the client’s own ssh', async () => {
      await vm.write('/etc/admit/policy.yaml', POLICY, '644')
      assert.equal(knock(stranger, 22), 'open', 'before the apply everyone reaches sshd')
      const check = await vm.ssh(laptop, '/opt/admit/bin/admit check')
      assert.equal(check.status, 0, check.stdout + check.stderr)
      const apply = await vm.ssh(laptop, '/opt/admit/bin/admit apply --no-confirm')
      assert.equal(apply.status, 0, apply.stdout + apply.stderr)
      assert.equal((await vm.ssh(laptop, 'echo again')).stdout, 'again\n')
      assert.equal((await vm.ssh(spare, 'echo spare')).stdout, 'spare\n')
      assert.equal(knock(stranger, 22), 'silent')
      assert.equal(knock(stranger, 80), 'silent')
      assert.equal(knock(laptop, 80), 'refused', 'admitted, and nobody listens')
      const status = JSON.parse(await vm.sh('/opt/admit/bin/admit status --json')) as {
        readonly result: string
      }
      assert.equal(status.result, 'in-force')
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

    test('at its deadline it brings back what was, tells, and leaves no unit', async () => {
      await arm(vm, 120)
      await vm.write('/run/candidate.nft', `table inet admit\ndelete table inet admit\n${rules(CANDIDATE)}`)
      await vm.sh('nft -f /run/candidate.nft')
      assert.equal(
        knock(stranger, CANDIDATE),
        'refused',
        'the candidate is in the kernel, and nobody listens',
      )
      assert.equal(knock(stranger, PREVIOUS), 'silent')
      // Killed as well: the one who comes after it keeps to the deadline.
      await vm.sh(`kill -9 $(systemctl show -P MainPID ${UNIT})`)
      await vm.until(`[ ! -e ${STATE}/pending ] && [ ! -e ${STATE}/undoing ]`, 400)
      assert.match(await vm.sh(`cat ${STATE}/outcome`), /^result undone\nwhy deadline$/m)
      assert.equal(knock(stranger, CANDIDATE), 'silent')
      assert.equal(knock(stranger, PREVIOUS), 'refused')
      assert.match(
        await vm.sh('journalctl -b -t admit --no-pager'),
        /was not confirmed in time: the previous rules are back/,
      )
      await vm.until(`! systemctl cat ${UNIT}`)
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

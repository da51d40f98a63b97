/**
 * Bridged frames pass whatever the policy says of forwarding; a packet that this host routes from a bridge back out of
 * the same bridge shows the same two interfaces, and does not.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { runCommand } from '../../src/system/command.ts'
import { readHostFacts } from '../../src/system/host-reader.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { applyPolicy, policyOf } from '../support/apply-policy.ts'
import { requirePrivateNamespace } from '../support/private-namespace.ts'
import { run } from '../support/run.ts'

requirePrivateNamespace()

const STATIONS = [
  { name: 'left', address: '10.0.1.9', gateway: '10.0.1.1' },
  { name: 'right', address: '10.0.2.9', gateway: '10.0.2.1' },
  { name: 'next', address: '10.0.1.8', gateway: '10.0.1.1' },
] as const

const bridgeNetfilter = '/proc/sys/net/bridge/bridge-nf-call-iptables'

before(() => {
  run('ip', ['link', 'add', 'br0', 'type', 'bridge'])
  for (const address of ['10.0.1.1/24', '10.0.2.1/24']) run('ip', ['address', 'add', address, 'dev', 'br0'])
  run('ip', ['link', 'set', 'br0', 'up'])
  for (const { name, address, gateway } of STATIONS) {
    run('ip', ['netns', 'add', name])
    run('ip', ['link', 'add', `port-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
    run('ip', ['link', 'set', `port-${name}`, 'master', 'br0', 'up'])
    run('ip', ['-n', name, 'link', 'set', 'eth0', 'up'])
    run('ip', ['-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0'])
    run('ip', ['-n', name, 'route', 'add', 'default', 'via', gateway])
  }
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  writeFileSync(bridgeNetfilter, '1')
  // A redirect would teach the stations each other's MAC, and their frames would be bridged from then on.
  for (const name of ['all', 'br0']) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/send_redirects`, '0')
})

function pings(from: string, to: string): boolean {
  const { status } = spawnSync('ip', [
    'netns',
    'exec',
    from,
    'ping',
    '-n',
    '-c',
    '2',
    '-i',
    '0.2',
    '-W',
    '1',
    to,
  ])
  return status === 0
}

for (const forward of ['drop', 'guard'] as const) {
  test(`forward: ${forward}`, async () => {
    spawnSync('nft', ['delete', 'table', 'inet', 'admit'])
    assert.ok(pings('left', '10.0.2.9'), 'the host routes between its two networks on the bridge')
    const policy = policyOf(`admit: 1\nhost: { forward: ${forward} }\nsafety: { admins: 0 }\n`, 0)
    const { facts } = await readHostFacts(runCommand)
    await applyPolicy(new NftKernel(), policy, facts)
    assert.ok(pings('left', '10.0.1.8'), 'a frame from port to port passes')
    assert.ok(!pings('left', '10.0.2.9'), 'a packet routed back out of the bridge does not')
  })
}

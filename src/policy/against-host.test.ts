import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuSeconds } from '../../tests/support/cpu-time.ts'
import { interfaceNamed, mac, SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import type { HostFacts } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { adminStandings } from './admins.ts'
import { checkAgainstHost } from './against-host.ts'
import { readPolicy } from './read.ts'

function read(body: string) {
  const { policy, diagnostics } = readPolicy(`admit: 1\nsafety: { admins: 0 }\n${body}`, {
    systemServices: undefined,
    now: 1_800_000_000,
  })
  assert.ok(policy, JSON.stringify(diagnostics))
  return policy
}

const STANDINGS: readonly (readonly [device: string, because: string])[] = [
  ['{ mac: 00:16:3e:00:00:07 }', 'no-admin'],
  ['{ mac: 00:16:3e:00:00:07, admin: true, until: 2099-01-01T00:00:00Z }', 'until'],
  ['{ mac: 00:16:3e:00:00:07, admin: true }', 'neighbour'],
  ['{ mac: 00:16:3e:00:00:09, admin: true }', 'never-seen'],
  ['{ mac: 00:16:3e:00:00:09, admin: true, unseen: true }', 'unseen-allowed'],
  ['{ address: 192.168.1.0/24, admin: true }', 'neighbour'],
  ['{ address: 203.0.113.0/24, admin: true }', 'ssh-connection'],
  ['{ address: "2001:db8::/32", admin: true }', 'never-seen'],
  ['{ bound: { mac: 00:16:3e:00:00:07, address: 192.168.1.7 }, admin: true }', 'neighbour'],
  ['{ bound: { mac: 00:16:3e:00:00:07, address: 192.168.1.8 }, admin: true }', 'never-seen'],
  ['{ mac: [00:16:3e:00:00:09, 00:16:3e:00:00:07], admin: true }', 'neighbour'],
]

for (const [device, because] of STANDINGS) {
  test(`as an admin, ${device} stands: ${because}`, () => {
    const [found] = read(`devices:\n  it: ${device}\n`).devices
    assert.ok(found)
    const standing = adminStandings(SAMPLE_HOST)(found)
    assert.equal(standing.because, because)
    assert.equal(standing.counts, !['no-admin', 'until', 'never-seen'].includes(because))
  })
}

test('a gateway MAC that is bound to an address lets in that address alone, so it is accepted', () => {
  const policy = read('devices:\n  it: { bound: { mac: fe:00:00:00:01:01, address: 203.0.113.7 } }\n')
  assert.deepEqual(checkAgainstHost(policy, SAMPLE_HOST), [])
})

test('on a host without Ethernet an admin known by MAC only is an error, a guest a warning', () => {
  const facts: HostFacts = {
    ...UNKNOWN_HOST,
    interfaces: [{ name: interfaceNamed('venet0'), kind: 'other', ethernet: false, addresses: [], up: true }],
  }
  const policy = read(`devices:
  admin: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  guest: { mac: 00:16:3e:00:00:02 }
  both:  { mac: 00:16:3e:00:00:03, address: 192.0.2.7 }
`)
  assert.deepEqual(
    checkAgainstHost(policy, facts).map(({ code, severity, place }) => [code, severity, place.path]),
    [
      ['no-ethernet', 'error', 'devices.admin.mac'],
      ['no-ethernet', 'warning', 'devices.guest.mac'],
    ],
  )
})

test('10,000 devices are held against 1,000 neighbours in time', () => {
  const devices = Array.from(
    { length: 10_000 },
    (_, i) => `  d${i}: { address: 10.${i >> 8}.${i & 255}.1, admin: true }\n`,
  )
  const neighbours = Array.from({ length: 1000 }, (_, i) => ({
    interface: interfaceNamed('br0'),
    address: SAMPLE_HOST.neighbours[0]?.address,
    mac: mac(
      `00:16:3e:01:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
    ),
  })).flatMap(({ address, ...rest }) => (address === undefined ? [] : [{ ...rest, address }]))
  const policy = read(`devices:\n${devices.join('')}`)
  const facts = { ...SAMPLE_HOST, neighbours }
  const took = cpuSeconds(() =>
    checkAgainstHost({ ...policy, safety: { ...policy.safety, admins: 1 } }, facts),
  )
  assert.ok(took < 3, `${took} s`)
})

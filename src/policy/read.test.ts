import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { arbitraryPolicy, GENERATED_NOW, GENERATED_SERVICES } from '../../tests/support/policy-arbitrary.ts'
import { readPolicyLazily } from './read-lazily.ts'
import { readPolicy } from './read.ts'

const OPTIONS = { systemServices: undefined, now: GENERATED_NOW }

test('every place in a policy points at what was written there', () => {
  const text = `admit: 1
safety: { admins: 0 }
host: { unguarded: [docker0], forward: guard }
devices:
  desk:
    mac: [00:1b:44:11:3a:b7, "00:1b:44:11:3a:b8"]
    bound: { mac: 00:1b:44:11:3a:b9, address: 192.0.2.7 }
groups:
  all: [desk]
grants:
  - { from: all, to: ssh, on: eth0, through: 10.0.0.0/8 }
tests:
  - { from: all, refuse: ssh, on: [eth1] }
`
  const { policy } = readPolicy(text, OPTIONS)
  assert.ok(policy)
  const [device] = policy.devices
  const [grant] = policy.grants
  const places = [
    ...policy.host.unguarded.map((entry) => entry.place),
    ...(device?.identities ?? []).map((identity) => identity.place),
    ...policy.devices.map((entry) => entry.place),
    ...policy.groups.map((entry) => entry.place),
    ...(grant?.on ?? []).map((entry) => entry.place),
    ...(grant?.through ?? []).map((entry) => entry.place),
    ...policy.tests.flatMap((entry) => entry.on ?? []).map((entry) => entry.place),
  ]
  const lines = text.split('\n')
  for (const { line, column, start, end } of places) {
    assert.ok(lines[line - 1]?.slice(column - 1).startsWith(text.slice(start, end).split('\n', 1)[0] ?? ''))
  }
  assert.deepEqual(
    places.map((place) => `${place.path} ${text.slice(place.start, place.end)}`),
    [
      'host.unguarded[0] docker0',
      'devices.desk.mac[0] 00:1b:44:11:3a:b7',
      'devices.desk.mac[1] "00:1b:44:11:3a:b8"',
      'devices.desk.bound { mac: 00:1b:44:11:3a:b9, address: 192.0.2.7 }',
      'devices.desk desk',
      'groups.all all',
      'grants[0].on eth0',
      'grants[0].through 10.0.0.0/8',
      'tests[0].on[0] eth1',
    ],
  )
})

test('groups inside groups are resolved to devices, each once, in order of first mention', () => {
  const text = `admit: 1
safety: { admins: 0 }
devices: { a: { address: 192.0.2.1 }, b: { address: 192.0.2.2 }, c: { address: 192.0.2.3 } }
groups: { all: [c, some, a], some: [b, c], none: [] }
grants: [{ from: [some, a, b], to: ssh }]
`
  const { policy } = readPolicy(text, OPTIONS)
  assert.deepEqual(
    policy?.groups.map((group) => group.members),
    [['c', 'b', 'a'], ['b', 'c'], []],
  )
  const from = policy?.grants[0]?.from
  assert.deepEqual(from, { kind: 'devices', written: ['some', 'a', 'b'], devices: ['b', 'c', 'a'] })
})

test('an interface that is named twice counts once', () => {
  const text = `admit: 1
safety: { admins: 0 }
host: { unguarded: [docker0, docker0] }
grants: [{ from: anyone, to: ssh, on: [eth0, eth1, eth0] }]
`
  const { policy } = readPolicy(text, OPTIONS)
  assert.deepEqual(
    policy?.host.unguarded.map((entry) => entry.place.path),
    ['host.unguarded[0]'],
  )
  assert.deepEqual(
    policy?.grants[0]?.on?.map((entry) => entry.place.path),
    ['grants[0].on[0]', 'grants[0].on[1]'],
  )
})

test('sections that are left empty are nothing', () => {
  const { policy } = readPolicy(
    'admit: 1\nhost:\ndevices:\n  # none\ngrants:\nsafety: { admins: 0 }\n',
    OPTIONS,
  )
  assert.deepEqual(policy?.devices, [])
})

test('CR LF line ends, a byte order mark and YAML in other spellings change nothing', () => {
  const plain = 'admit: 1\nsafety: { admins: 0 }\ndevices:\n  desk: { mac: 00:1b:44:11:3a:b7, note: a b }\n'
  const spellings = [
    plain.replaceAll('\n', '\r\n'),
    `\ufeff${plain}`,
    `---\n${plain}...\n`,
    `%YAML 1.2\n---\n${plain}`,
    plain.replace('note: a b', 'note:\n    a\n    b'),
    plain.replace('note: a b', '"note": "a\\x20b"'),
    plain.replace('desk:', '? desk\n  :'),
  ]
  const expected = readPolicy(plain, OPTIONS).policy?.devices[0]?.note
  assert.equal(expected, 'a b')
  for (const text of spellings) {
    const { policy, diagnostics } = readPolicy(text, OPTIONS)
    assert.equal(policy?.devices[0]?.note, expected, `${text}\n${JSON.stringify(diagnostics)}`)
  }
})

test('reading lazily is reading', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryPolicy(), fc.nat(), async ({ text }, at) => {
      const options = { systemServices: GENERATED_SERVICES, now: GENERATED_NOW }
      const broken = `${text.slice(0, at % text.length)}\t${text.slice(at % text.length)}`
      for (const some of [text, broken]) {
        assert.deepEqual(await readPolicyLazily(some, options), readPolicy(some, options))
      }
    }),
    { numRuns: 30 },
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST, interfaceNamed, ip, mac } from '../../tests/support/sample-host.ts'
import { DROP, INPUT_BASE, is } from '../../tests/support/tables.ts'
import type { ReachReport } from '../apply/reach.ts'
import { proveReach } from '../apply/reach.ts'
import { compile } from '../compile/compile.ts'
import type { SshConnection } from '../host/host-facts.ts'
import type { Policy } from '../policy/policy.ts'
import type { Statement, Table } from '../ruleset/ruleset.ts'
import { doubtLines, failureLines, omissionLines, reachJson } from './reach-words.ts'

const NOW = 1_800_000_000
const LAPTOP = '  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }\n'

function policy(devices: string, rest = ''): Policy {
  return policyOf(`admit: 1\ndevices:\n${devices}${rest}safety: { admins: 0 }\n`, NOW)
}

function prove(given: Policy, caller?: SshConnection, ...others: readonly Table[]): ReachReport {
  return proveReach({
    policy: given,
    facts: SAMPLE_HOST,
    observed: { tables: others },
    candidate: compile(given, SAMPLE_HOST, { now: NOW }),
    now: NOW,
    ...(caller === undefined ? {} : { caller }),
  })
}

function first(given: Policy, report: ReachReport): readonly string[] {
  const [failure] = report.failures
  assert.ok(failure !== undefined)
  return failureLines(failure, { file: 'policy.yaml', policy: given })
}

function other(...statements: readonly Statement[]): Table {
  const base = { ...INPUT_BASE, priority: -10, policy: 'accept' } as const
  return {
    family: 'inet',
    name: 'other',
    sets: [],
    chains: [{ name: 'in', base, rules: [{ statements: [...statements, DROP] }] }],
  }
}

const CALLER: SshConnection = {
  local: { address: ip('192.0.2.1'), port: 22 },
  remote: { address: ip('198.51.100.7'), port: 50000 },
  interface: interfaceNamed('eth0'),
  gateway: ip('192.0.2.254'),
}

describe('what is said of a failed proof', () => {
  test('an admin without a grant: the line, the packet, the rule, and what to add', () => {
    const given = policy(LAPTOP)
    assert.deepEqual(first(given, prove(given)), [
      'policy.yaml:3:3: admin laptop would be refused at 22/tcp',
      '  packet: eth0, from 00:16:3e:00:00:01 192.0.2.3, to 22/tcp, source port 40000',
      '  refused by: table inet admit, chain input: meaning.refuse: no grant admits it',
      '  add to grants: - { from: laptop, to: ssh }',
      "  to apply all the same: --force 'admin laptop'",
    ])
  })

  test('where ssh is another port, that port is to be added', () => {
    const given = policy(LAPTOP, 'services: { ssh: 22222/tcp }\n')
    assert.match(first(given, prove(given)).join('\n'), /to: 22\/tcp \}/)
  })

  test('somebody else’s rule: the table, the chain, the rule, and that admit cannot open it', () => {
    const given = policy(LAPTOP, 'grants:\n  - { from: laptop, to: ssh }\n')
    const lines = first(given, prove(given, undefined, other(is('tcp dport', 22))))
    assert.equal(lines[0], 'admin laptop would be refused at 22/tcp')
    assert.equal(lines[2], '  refused by: table inet other, chain in: tcp dport 22 drop')
    assert.equal(lines[3], '  admit cannot open what others refuse: change that rule where it is made')
  })

  test('whoever applies and is no device: a device by address behind a gateway, by MAC on the link', () => {
    const given = policy('  me: { address: 203.0.113.7 }\n')
    assert.deepEqual(first(given, prove(given, CALLER)), [
      'your own connection (from 198.51.100.7 port 50000) would be refused at 22/tcp',
      '  packet: eth0, from fe:00:00:00:01:01 198.51.100.7, to 22/tcp, source port 40000',
      '  refused by: table inet admit, chain input: meaning.refuse: no grant admits it',
      '  no device of the policy recognises it',
      '  add to devices:  me-2: { address: 198.51.100.7 }',
      '  add to grants:   - { from: me-2, to: ssh }',
      "  to apply all the same: --force 'me'",
    ])
    const { gateway, ...rest } = CALLER
    assert.ok(gateway !== undefined)
    const link = { ...rest, mac: mac('00:16:3e:00:00:05') }
    assert.match(first(given, prove(given, link)).join('\n'), /me-2: \{ mac: 00:16:3e:00:00:05 \}/)
    const six = {
      ...CALLER,
      local: { ...CALLER.local, address: ip('2001:db8::1') },
      remote: { address: ip('2001:db8:9::1'), port: 4 },
    }
    assert.match(first(given, prove(given, six)).join('\n'), /address: "2001:db8:9::1" \}/)
  })

  test('whoever applies and has no grant, or whose time is over: that device', () => {
    const given = policy('  guest: { address: 198.51.100.7 }\n')
    const lines = first(given, prove(given, CALLER))
    assert.match(lines[0] ?? '', /^policy\.yaml:3:3: your own connection \(guest, from/)
    assert.equal(lines[3], '  add to grants: - { from: guest, to: ssh }')
    const over = policy('  guest: { address: 198.51.100.7, until: 2026-01-01T00:00:00Z }\n')
    assert.equal(first(over, prove(over, CALLER))[3], '  the time of guest is over: change its `until`')
  })

  test('a doubt: what it hangs on', () => {
    const given = policy(LAPTOP, 'grants:\n  - { from: laptop, to: ssh }\n')
    const [doubt] = prove(given, undefined, other({ kind: 'opaque', text: 'evil \u001b[2J' })).doubts
    assert.ok(doubt !== undefined)
    const lines = doubtLines(doubt)
    assert.equal(lines[0], 'whether admin laptop gets through to 22/tcp is not proven: it hangs on')
    assert.match(lines[1] ?? '', /^ {2}table inet other, chain in: evil .*\[2J$/)
    assert.ok(!lines.join('').includes('\u001b'))
  })

  test('what the proof leaves out', () => {
    const given = policy('  far: { address: 198.51.100.9, admin: true }\n')
    assert.deepEqual(omissionLines(prove(given)), [
      'no device counts as an admin: nothing is proven about admins',
      'far was never seen by this host and does not count as an admin (unseen: true says that this is meant)',
    ])
  })

  test('in JSON: the same', () => {
    const given = policy(LAPTOP)
    const [failure] = prove(given).failures
    assert.ok(failure !== undefined)
    assert.deepEqual(reachJson(failure), {
      who: { admin: 'laptop' },
      request: '22/tcp',
      direction: 'request',
      packet: failure.packet,
      refusedBy: 'table inet admit, chain input: meaning.refuse: no grant admits it',
      line: 3,
      origin: 'devices.laptop',
      foreign: false,
      force: 'admin laptop',
    })
  })
})

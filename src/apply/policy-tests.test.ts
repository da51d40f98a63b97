import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { compile } from '../compile/compile.ts'
import type { HostFacts } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import type { TestReport } from './policy-tests.ts'
import { runPolicyTests } from './policy-tests.ts'

const NOW = 1_800_000_000

function run(tests: readonly string[], facts: HostFacts = SAMPLE_HOST, host = '{}'): TestReport {
  const policy = policyOf(
    `admit: 1
safety: { admins: 0 }
host: ${host}
devices:
  laptop: { mac: 00:16:3e:00:00:01 }
  office: { address: 203.0.113.7 }
  desk: { bound: { mac: 00:16:3e:00:00:03, address: 192.0.2.3 } }
  guest: { mac: 00:16:3e:00:00:04, until: 2026-01-01T00:00:00Z }
groups: { family: [laptop, guest], all: [laptop, office, desk] }
grants:
  - { from: all, to: [ssh, ping] }
  - { from: laptop, to: 8000-8010/tcp, on: eth0 }
  - { from: anyone, to: https }
tests:
${tests.map((line) => `  - ${line}`).join('\n')}
`,
    NOW,
  )
  return runPolicyTests(policy, facts, compile(policy, facts, { now: NOW }), NOW)
}

/** Each failure as `device expected request iif`. */
const failures = (...line: readonly string[]): readonly string[] =>
  run(line).failures.map(
    ({ device, expected, request, packet }) =>
      `${device ?? 'stranger'} ${expected} ${request} ${packet?.iif}`,
  )

describe('the policy’s own tests', () => {
  test('pass where what they say holds', () => {
    const report = run([
      '{ from: laptop, accept: [ssh, ping, https], refuse: [80/tcp, 22/udp] }',
      '{ from: all, accept: ssh }',
      '{ from: laptop, accept: 8000-8010/tcp, refuse: 8011/tcp, on: eth0 }',
      '{ from: stranger, refuse: [ssh, ping], accept: https }',
      '{ from: anyone, accept: https }',
    ])
    assert.deepEqual(report.failures, [])
    assert.ok(report.packets > 50)
  })

  test('accept must hold on every interface that can show the identity', () => {
    assert.deepEqual(
      [...new Set(failures('{ from: laptop, accept: 8000/tcp }'))],
      ['laptop accept 8000/tcp br0', 'laptop accept 8000/tcp bond0'],
    )
    assert.deepEqual(failures('{ from: laptop, accept: 8000/tcp, on: eth0 }'), [])
  })

  test('refuse must hold everywhere', () => {
    assert.deepEqual(
      [...new Set(failures('{ from: laptop, refuse: 8000/tcp }'))],
      ['laptop refuse 8000/tcp eth0'],
    )
    assert.ok(failures('{ from: stranger, refuse: everything }').every((line) => line.includes('443/')))
    assert.ok(failures('{ from: stranger, refuse: everything }').length > 0)
  })

  test('accept must hold for every port of a service, told by its ends', () => {
    assert.ok(
      failures('{ from: laptop, accept: 8000-8011/tcp, on: eth0 }').every((line) =>
        line.includes('8011/tcp'),
      ),
    )
  })

  test('a stranger is also one half of a bound pair', () => {
    const halves = failures('{ from: stranger, accept: ssh, on: eth0 }')
    assert.equal(halves.length, 5)
  })

  test('a device that no interface can show fails what it should be let through to', () => {
    const { failures: found } = run(['{ from: laptop, accept: ssh, refuse: http, on: wg0 }'])
    assert.deepEqual(
      found.map(({ request, packet }) => [request, packet]),
      [['no interface can show its identity', undefined]],
    )
  })

  test('a device whose time is over is left out', () => {
    assert.deepEqual(failures('{ from: guest, accept: http }', '{ from: family, accept: ssh }'), [])
  })

  test('an unguarded interface is not judged, and so not tried', () => {
    const report = run(['{ from: laptop, accept: 8000/tcp }'], SAMPLE_HOST, '{ unguarded: [br0, bond0] }')
    assert.deepEqual(report.failures, [])
  })

  test('on an unknown host the interfaces named are tried', () => {
    assert.deepEqual(run(['{ from: laptop, accept: 8000/tcp }'], UNKNOWN_HOST).failures, [])
    assert.equal(run(['{ from: laptop, accept: 8000/tcp, on: eth7 }'], UNKNOWN_HOST).failures.length, 2)
  })

  test('without tests there is nothing to fail', () => {
    const policy = policyOf('admit: 1\nsafety: { admins: 0 }\n', NOW)
    const report = runPolicyTests(policy, UNKNOWN_HOST, compile(policy, UNKNOWN_HOST, { now: NOW }), NOW)
    assert.deepEqual(report, { failures: [], packets: 0 })
  })
})

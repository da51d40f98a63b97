import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readText } from '../backends/nftables/read-text.ts'
import { renderTable } from '../backends/nftables/render.ts'
import { evaluate } from '../analysis/evaluate.ts'
import type { Request } from '../policy/specimen.ts'
import {
  judgedInterfaces,
  requestsFor,
  specimen,
  strangerSenders,
  deviceSenders,
} from '../policy/specimen.ts'
import { sameTable } from '../ruleset/normalise.ts'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { RESCUE_PATH, rescuePolicy, rescueTable } from './rescue.ts'

const NOW = 1_800_000_000
const TEXT = `admit: 1
host: { unguarded: [wg0], forward: keep, refuse: reject }
devices:
  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  office: { address: [203.0.113.7, "2001:db8:1::/64"], admin: true, until: 2027-02-01T00:00:00Z }
  old: { mac: 00:16:3e:00:00:03, admin: true, until: 2026-01-01T00:00:00Z }
  guest: { mac: 00:16:3e:00:00:04 }
grants:
  - { from: [laptop, guest], to: everything }
safety: { admins: 0 }
`
const POLICY = policyOf(TEXT, NOW)

describe('the admins-only rules', () => {
  const table = rescueTable(POLICY, SAMPLE_HOST, { now: NOW })
  assert.ok(table !== undefined)

  test('let living admins reach SSH and ping, on every judged interface, and nothing else', () => {
    const rescue = rescuePolicy(POLICY, SAMPLE_HOST, NOW)
    assert.ok(rescue !== undefined)
    const on = judgedInterfaces(rescue, SAMPLE_HOST)
    const [target] = rescue.grants[0]?.to ?? []
    assert.ok(target !== undefined)
    let tried = 0
    for (const device of POLICY.devices) {
      for (const sender of deviceSenders(rescue, device, on)) {
        const requests: readonly Request[] = [target, { kind: 'everything' } as const].flatMap((each) =>
          requestsFor(each, rescue),
        )
        const arrival = on.find(({ name }) => name === sender.iif)
        for (const request of requests) {
          const packet = specimen(sender, request, arrival, NOW)
          const expected =
            ['laptop', 'office'].includes(device.name) && ['22/tcp', 'ping'].includes(request.words)
          const got: boolean = evaluate({ tables: [table] }, packet).verdict === 'accept'
          assert.equal(got, expected, `${device.name} to ${request.words}`)
          tried++
        }
      }
    }
    assert.ok(tried > 20)
    for (const sender of strangerSenders(rescue, on)) {
      const [ssh] = requestsFor(target, rescue)
      assert.ok(ssh !== undefined)
      assert.equal(evaluate({ tables: [table] }, specimen(sender, ssh, undefined, NOW)).verdict, 'drop')
    }
  })

  test('keep what is unguarded and forwarded as the policy has it, and refuse silently', () => {
    assert.deepEqual(
      table.chains.map(({ name }) => name),
      ['input', 'output'],
    )
    const text = renderTable(table)
    assert.match(text, /wg0/)
    assert.doesNotMatch(text, /reject/)
    assert.match(text, new RegExp(RESCUE_PATH))
  })

  test('are text that admit reads back', () => {
    const read = readText(renderTable(table))
    assert.ok(read.ok && sameTable(read.value, table))
  })

  test('name the ports on which sshd listens, else the service ssh, else 22', () => {
    const nowhere = { ...SAMPLE_HOST, sshPorts: [] }
    const named = policyOf(TEXT.replace('grants:', 'services: { ssh: 2222/tcp }\ngrants:'), NOW)
    const ports = (policy: typeof POLICY, facts: typeof SAMPLE_HOST): string => {
      const rescue = rescueTable(policy, facts, { now: NOW })
      assert.ok(rescue !== undefined)
      return /tcp dport [^"]*? ether/.exec(renderTable(rescue))?.[0] ?? ''
    }
    assert.match(ports(named, { ...SAMPLE_HOST, sshPorts: [22, 22222] }), /\b22\b.*\b22222\b/)
    assert.match(ports(named, nowhere), /\b2222\b/)
    assert.match(ports(POLICY, nowhere), /\b22\b/)
  })

  test('are none where they would let nobody in', () => {
    assert.equal(rescueTable(undefined, SAMPLE_HOST, { now: NOW }), undefined)
    const none = policyOf(TEXT.replaceAll('admin: true, ', ''), NOW)
    assert.equal(
      rescueTable({ ...none, devices: none.devices.map((one) => ({ ...one, admin: false })) }, SAMPLE_HOST, {
        now: NOW,
      }),
      undefined,
    )
    const later = Date.parse('2028-01-01T00:00:00Z') / 1000
    assert.deepEqual(
      rescuePolicy(POLICY, SAMPLE_HOST, later)?.devices.map(({ name }) => name),
      ['laptop'],
    )
  })
})

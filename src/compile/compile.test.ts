import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { evaluate } from '../analysis/evaluate.ts'
import type { NetworkInterface } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { judge } from '../policy/meaning.ts'
import type { Chain } from '../ruleset/ruleset.ts'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { planHost } from '../../tests/support/host-plan.ts'
import { accepts } from '../../tests/support/law.ts'
import { lawCase } from '../../tests/support/law-cases.ts'
import { arbitraryPolicy, GENERATED_NOW } from '../../tests/support/policy-arbitrary.ts'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { compile } from './compile.ts'
import { originPath } from './origin.ts'

const NOW = GENERATED_NOW
const PLAN = planHost()

describe('the compiled rules', () => {
  test('mean what the policy means, for random policies and packets', () => {
    const seed = Math.floor(Math.random() * 0x100000000)
    for (let index = 0; index < 30; index++) {
      const { policy, tests } = lawCase(seed, index, PLAN, NOW)
      const table = compile(policy, PLAN.facts, { now: NOW })
      for (const one of tests.slice(0, 200)) {
        const meaning = judge(policy, PLAN.facts, one.packet).verdict === 'admitted'
        assert.equal(
          accepts({ tables: [table] }, one),
          meaning,
          `seed ${seed}, policy ${index}, packet ${one.id}`,
        )
      }
    }
  })

  test('admit a packet by a rule of the grant that the meaning names', () => {
    const seed = Math.floor(Math.random() * 0x100000000)
    for (let index = 0; index < 10; index++) {
      const { policy, tests } = lawCase(seed, index, PLAN, NOW)
      const table = compile(policy, PLAN.facts, { now: NOW })
      for (const { packet } of tests.slice(0, 200)) {
        const { reason, place } = judge(policy, PLAN.facts, packet)
        if (reason.kind !== 'grant') continue
        const last = evaluate({ tables: [table] }, packet).path.at(-1)
        assert.equal(originPath(last?.rule?.comment ?? ''), place?.path, `seed ${seed}, policy ${index}`)
      }
    }
  })

  test('end in a drop in every chain that judges, under a policy of drop; the output chain drops nothing', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), ({ policy }) => {
        const { chains } = compile(policy, SAMPLE_HOST, { now: NOW })
        const byName = new Map(chains.map((chain) => [chain.name, chain]))
        assert.equal(byName.has('forward'), policy.host.forward !== 'keep')
        for (const name of ['input', 'forward']) {
          const chain = byName.get(name)
          if (chain === undefined) continue
          assert.deepEqual(chain.base, { type: 'filter', hook: name, priority: 0, policy: 'drop' })
          assert.deepEqual(chain.rules.at(-1)?.statements, [{ kind: 'verdict', verdict: { kind: 'drop' } }])
        }
        assert.equal(byName.get('output')?.base?.policy, 'accept')
        assert.ok(
          (byName.get('output')?.rules ?? []).every((rule) =>
            rule.statements.every((one) => one.kind !== 'verdict'),
          ),
        )
      }),
    )
  })

  test('say of each rule where it comes from', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), ({ policy }) => {
        const { chains } = compile(policy, SAMPLE_HOST, { now: NOW })
        const known = new Set([
          ...policy.grants.map((grant) => grant.place.path),
          'host.unguarded',
          'host.log',
          'host.refuse',
        ])
        for (const { comment } of chains.flatMap((chain: Chain) => chain.rules)) {
          const path = originPath(comment ?? '') ?? ''
          assert.ok(known.has(path) || path.startsWith('meaning.'), comment)
        }
      }),
    )
  })

  test('use only sets that are there', () => {
    fc.assert(
      fc.property(arbitraryPolicy({ forward: ['guard'] }), ({ policy }) => {
        const table = compile(policy, SAMPLE_HOST, { now: NOW })
        const used = table.chains.flatMap((chain) =>
          chain.rules.flatMap((rule) =>
            rule.statements.flatMap((one) =>
              one.kind === 'field' && one.values.kind === 'set' ? [one.values.name] : [],
            ),
          ),
        )
        const names = table.sets.map((set) => set.name)
        assert.ok(used.every((name) => names.includes(name)))
      }),
    )
  })

  test('do not grow with the number of devices', () => {
    const many = (count: number): number => {
      const names = Array.from({ length: count }, (_, index) => `d${index}`)
      const devices = names.map(
        (name, index) =>
          `  ${name}: { mac: 02:00:00:00:${index
            .toString(16)
            .padStart(4, '0')
            .replace(/(..)(..)/, '$1:$2')} }`,
      )
      const policy = policyOf(
        `admit: 1\nsafety: { admins: 0 }\ndevices:\n${devices.join('\n')}\ngroups: { all: [${names.join(', ')}] }\ngrants:\n  - { from: all, to: [ssh, ping] }\n`,
        NOW,
      )
      const { chains } = compile(policy, UNKNOWN_HOST, { now: NOW })
      return chains.reduce((sum, chain) => sum + chain.rules.length, 0)
    }
    assert.equal(many(200), many(1))
  })

  test('know nothing of the host but its bridges and its own MAC addresses', () => {
    const policy = policyOf('admit: 1\nsafety: { admins: 0 }\n', NOW)
    const interfaces = SAMPLE_HOST.interfaces.map(
      ({ name, kind, mac }): NetworkInterface => ({
        name,
        kind: kind === 'bridge' ? kind : 'other',
        ethernet: false,
        addresses: [],
        up: false,
        ...(mac === undefined ? {} : { mac }),
      }),
    )
    const options = { now: NOW }
    assert.deepEqual(
      compile(policy, SAMPLE_HOST, options),
      compile(policy, { ...UNKNOWN_HOST, interfaces }, options),
    )
  })
})

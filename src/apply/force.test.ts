import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST, interfaceNamed, ip } from '../../tests/support/sample-host.ts'
import { expectOk } from '../../tests/support/expect-ok.ts'
import { compile } from '../compile/compile.ts'
import { forceName, parseForce, uncovered } from './force.ts'
import { proveReach } from './reach.ts'

const NOW = 1_800_000_000
const POLICY = policyOf(
  `admit: 1
devices:
  laptop: { mac: 00:16:3e:00:00:01, admin: true, unseen: true }
  家: { mac: 00:16:3e:00:00:02, admin: true, unseen: true }
`,
  NOW,
)
const { failures } = proveReach({
  policy: POLICY,
  facts: SAMPLE_HOST,
  observed: { tables: [] },
  candidate: compile(POLICY, SAMPLE_HOST, { now: NOW }),
  caller: {
    local: { address: ip('192.0.2.1'), port: 22 },
    remote: { address: ip('198.51.100.7'), port: 9 },
    interface: interfaceNamed('eth0'),
  },
  now: NOW,
})

describe('the words of --force', () => {
  test('are those that failures name, and nothing else', () => {
    const names = [...new Set(failures.map(({ who }) => forceName(who)))]
    assert.deepEqual(names, ['admin laptop', 'admin 家', 'me'])
    const force = expectOk(parseForce(`tests, ${names.join(',')}`), 'force')
    assert.equal(force.tests, true)
    assert.deepEqual(force.words, ['tests', ...names])
    assert.deepEqual(uncovered(failures, force), [])
  })

  test('override only what they name', () => {
    const left = (text: string): readonly string[] => [
      ...new Set(uncovered(failures, expectOk(parseForce(text), 'force')).map(({ who }) => forceName(who))),
    ]
    assert.deepEqual(left('me'), ['admin laptop', 'admin 家'])
    assert.deepEqual(left('admin laptop'), ['admin 家', 'me'])
    assert.deepEqual(left('admin  家,me'), ['admin laptop'])
    assert.deepEqual(left('tests'), ['admin laptop', 'admin 家', 'me'])
    assert.equal(uncovered(failures, undefined), failures)
  })

  test('that name no check are refused, with those that there are', () => {
    for (const text of ['', 'all', 'laptop', 'admin', 'me,', 'admin a b', 'Me', 'me;tests']) {
      const result = parseForce(text)
      assert.ok(!result.ok, text)
      assert.match(result.error, /--force takes tests, me and admin NAME/)
    }
  })
})

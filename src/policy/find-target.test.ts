import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { findTarget } from './find-target.ts'
import { parseSystemServices } from './system-services.ts'

const POLICY = policyOf(
  'admit: 1\nsafety: { admins: 0 }\nservices: { ssh: 22222/tcp, panel: 8080/tcp }\n',
  1_800_000_000,
)
const SYSTEM = parseSystemServices('smtp 25/tcp mail\npanel 9/tcp\n')

describe('what a word on the command line reaches', () => {
  const parts = (word: string): string => {
    const found = findTarget(word, POLICY, SYSTEM)
    if (!found.ok) return found.error
    if (found.value.kind === 'everything') return 'everything'
    return found.value.service.parts
      .map((part) => (part.kind === 'ports' ? `${part.from}-${part.to}/${part.protocol}` : part.kind))
      .join(' ')
  }
  const cases: readonly (readonly [string, string])[] = [
    ['ssh', '22222-22222/tcp'],
    ['panel', '8080-8080/tcp'],
    ['https', '443-443/tcp 443-443/udp'],
    ['smtp', '25-25/tcp'],
    ['mail', '25-25/tcp'],
    ['22/tcp', '22-22/tcp'],
    ['6000-6010/udp', '6000-6010/udp'],
    ['ping', 'ping'],
    ['esp', 'protocol'],
    ['everything', 'everything'],
  ]
  for (const [word, expected] of cases) test(word, () => assert.equal(parts(word), expected))

  const bad: readonly (readonly [string, RegExp])[] = [
    ['panle', /did you mean panel\?/],
    ['shh', /did you mean ssh\?/],
    ['htps', /did you mean http/],
    ['nothing-like-it', /no service "nothing-like-it"/],
    ['0/tcp', /port 0/],
    ['70000/tcp', /1 to 65535/],
    ['22', /tcp/],
    ['22/icmp', /./],
    ['10-5/tcp', /./],
  ]
  for (const [word, expected] of bad) {
    test(`not ${word}`, () => {
      assert.ok(!findTarget(word, POLICY, SYSTEM).ok)
      assert.match(parts(word), expected)
    })
  }
})

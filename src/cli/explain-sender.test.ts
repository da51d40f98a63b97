import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { judgedInterfaces } from '../policy/specimen.ts'
import { askedSender } from './explain-sender.ts'

const POLICY = policyOf(
  'admit: 1\nsafety: { admins: 0 }\ndevices:\n  laptop: { mac: 00:16:3e:00:00:01 }\n  cafe: { address: 203.0.113.7 }\n',
  1_800_000_000,
)
const ON = judgedInterfaces(POLICY, SAMPLE_HOST).filter((arrival) => arrival.name === 'eth0')

describe('who is asked about', () => {
  const senders = (word: string): readonly string[] => {
    const asked = askedSender(word, POLICY, ON)
    if (!asked.ok) return [asked.error]
    return asked.value.senders.map(({ mac, source }) => `${mac} ${source}`)
  }
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['laptop', ['00:16:3e:00:00:01 198.51.100.66', '00:16:3e:00:00:01 2001:db8::42']],
    ['cafe', ['00:00:5e:00:53:01 203.0.113.7']],
    ['stranger', ['00:00:5e:00:53:01 198.51.100.66', '00:00:5e:00:53:01 2001:db8::42']],
    ['00-16-3E-00-00-09', ['00:16:3e:00:00:09 198.51.100.66', '00:16:3e:00:00:09 2001:db8::42']],
    ['192.0.2.9', ['00:00:5e:00:53:01 192.0.2.9']],
    ['10.0.0.0/8', ['00:00:5e:00:53:01 10.0.0.1']],
    ['2001:db8:7::9', ['00:00:5e:00:53:01 2001:db8:7::9']],
    [
      'latop',
      ['--from latop: no device or group of the policy, no MAC address, no address. Did you mean laptop?'],
    ],
    [
      'strangr',
      [
        '--from strangr: no device or group of the policy, no MAC address, no address. Did you mean stranger?',
      ],
    ],
    ['ff:ff:ff:ff:ff:ff', ["--from ff:ff:ff:ff:ff:ff: a broadcast MAC address is never a sender's."]],
    [
      '010.0.0.1',
      [
        '--from 010.0.0.1: a number of an IPv4 address must not begin with 0: some programs read it as octal.',
      ],
    ],
    ['a\u001b[2J', ['--from a\\u{1b}[2J: no device or group of the policy, no MAC address, no address.']],
  ]
  for (const [word, expected] of cases)
    test(JSON.stringify(word), () => assert.deepEqual(senders(word), expected))
})

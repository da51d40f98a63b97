import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { arbitraryPolicy, GENERATED_NOW } from '../../tests/support/policy-arbitrary.ts'
import { SAMPLE_HOST } from '../../tests/support/sample-host.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { recognises } from './meaning.ts'
import type { Policy } from './policy.ts'
import { deviceSenders, judgedInterfaces, requestsFor, specimen, strangerSenders } from './specimen.ts'

const NOW = 1_800_000_000

function policy(devices: string, more = ''): Policy {
  return policyOf(`admit: 1\nsafety: { admins: 0 }\ndevices:\n${devices}${more}`, NOW)
}

describe('the interfaces that are judged', () => {
  const names = (of: Policy, facts = SAMPLE_HOST): readonly string[] =>
    judgedInterfaces(of, facts).map((entry) => entry.name)

  test('are all but lo, members of others, and the unguarded', () => {
    assert.deepEqual(names(policy('  a: { mac: 00:16:3e:00:00:01 }\n')), ['eth0', 'br0', 'bond0', 'wg0'])
    const unguarded = policy('  a: { mac: 00:16:3e:00:00:01 }\n', 'host: { unguarded: [br0, wg0] }\n')
    assert.deepEqual(names(unguarded), ['eth0', 'bond0'])
  })

  test('of an unknown host are those that grants name, else eth0', () => {
    const device = '  a: { mac: 00:16:3e:00:00:01 }\n'
    assert.deepEqual(names(policy(device), UNKNOWN_HOST), ['eth0'])
    const named = policy(
      device,
      'grants: [{ from: a, to: ssh, on: [ens3, ens4] }, { from: a, to: ping, on: ens3 }]\n',
    )
    assert.deepEqual(names(named, UNKNOWN_HOST), ['ens3', 'ens4'])
  })
})

describe('how a device can look', () => {
  const on = judgedInterfaces(policy('  a: { mac: 00:16:3e:00:00:01 }\n'), SAMPLE_HOST)
  const looks = (devices: string): readonly string[] => {
    const of = policy(devices)
    const [device] = of.devices
    assert.ok(device !== undefined)
    return deviceSenders(of, device, on).map(({ iif, mac, source }) => `${iif} ${mac ?? '-'} ${source}`)
  }

  test('a MAC: in both families, where there is an Ethernet header', () => {
    assert.deepEqual(looks('  a: { mac: 00:16:3e:00:00:01 }\n'), [
      'eth0 00:16:3e:00:00:01 198.51.100.66',
      'eth0 00:16:3e:00:00:01 2001:db8::42',
      'br0 00:16:3e:00:00:01 198.51.100.66',
      'br0 00:16:3e:00:00:01 2001:db8::42',
      'bond0 00:16:3e:00:00:01 198.51.100.66',
      'bond0 00:16:3e:00:00:01 2001:db8::42',
    ])
  })

  test('an address: everywhere, with a strange MAC', () => {
    assert.deepEqual(looks('  a: { address: 203.0.113.0/24 }\n'), [
      'eth0 00:00:5e:00:53:01 203.0.113.1',
      'br0 00:00:5e:00:53:01 203.0.113.1',
      'bond0 00:00:5e:00:53:01 203.0.113.1',
      'wg0 - 203.0.113.1',
    ])
  })

  test('bound: both together, where there is an Ethernet header', () => {
    assert.deepEqual(looks('  a: { bound: { mac: 00:16:3e:00:00:01, address: 192.0.2.7 } }\n'), [
      'eth0 00:16:3e:00:00:01 192.0.2.7',
      'br0 00:16:3e:00:00:01 192.0.2.7',
      'bond0 00:16:3e:00:00:01 192.0.2.7',
    ])
  })

  test('its packets are recognised as its own, whatever they ask for', () => {
    fc.assert(
      fc.property(arbitraryPolicy(), ({ policy: of }) => {
        for (const device of of.devices) {
          for (const sender of deviceSenders(of, device, on)) {
            const arrival = on.find((entry) => entry.name === sender.iif)
            for (const request of requestsFor({ kind: 'everything' }, of)) {
              assert.ok(recognises(device, specimen(sender, request, arrival, GENERATED_NOW)))
            }
          }
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('how a stranger can look', () => {
  const on = judgedInterfaces(policy('  a: { mac: 00:16:3e:00:00:01 }\n'), SAMPLE_HOST).slice(0, 1)
  const looks = (devices: string): readonly string[] =>
    strangerSenders(policy(devices), on).map(({ mac, source }) => `${mac ?? '-'} ${source}`)

  test('an unknown MAC and address; each half of a bound pair with a wrong other half', () => {
    assert.deepEqual(looks('  a: { bound: { mac: 00:16:3e:00:00:01, address: 192.0.2.7 } }\n'), [
      '00:00:5e:00:53:01 198.51.100.66',
      '00:00:5e:00:53:01 2001:db8::42',
      '00:00:5e:00:53:01 192.0.2.7',
      '00:16:3e:00:00:01 198.51.100.66',
      '00:16:3e:00:00:01 2001:db8::42',
    ])
  })

  test('not as anything that the policy lists', () => {
    assert.deepEqual(
      looks('  a: { mac: 00:00:5e:00:53:01, address: [198.51.100.0/24, "2001:db8::/32"] }\n'),
      ['00:00:5e:00:53:02 203.0.113.66', '00:00:5e:00:53:02 3fff::42'],
    )
  })

  test('not at all in a family whose every address is a device’s', () => {
    assert.deepEqual(looks('  a: { address: 0.0.0.0/0 }\n'), ['00:00:5e:00:53:01 2001:db8::42'])
  })
})

describe('what is asked of a target', () => {
  const of = policy(
    '  a: { mac: 00:16:3e:00:00:01 }\n',
    'services: { app: [8000-8010/tcp, 53/udp, ping, esp] }\ngrants: [{ from: a, to: app }]\n',
  )

  test('both ends of each range, ping, and protocols', () => {
    const [grant] = of.grants
    const words = (grant?.to ?? []).flatMap((target) =>
      requestsFor(target, of).map((request) => request.words),
    )
    assert.deepEqual(words, ['8000/tcp', '8010/tcp', '53/udp', 'ping', 'esp'])
  })

  test('of everything: what the grants name, and something of each protocol', () => {
    const words = requestsFor({ kind: 'everything' }, of).map((request) => request.words)
    assert.deepEqual(words, [
      '8000/tcp',
      '8010/tcp',
      '53/udp',
      'ping',
      'esp',
      '1/tcp',
      '65535/udp',
      '4000/sctp',
    ])
  })

  test('ping is the echo request of the sender’s family, TCP begins with SYN, and it goes to the interface’s address', () => {
    const [eth0] = judgedInterfaces(of, SAMPLE_HOST)
    assert.ok(eth0 !== undefined)
    const senders = strangerSenders(of, [eth0])
    const [ping] = requestsFor({ kind: 'service', service: { name: 'ping', parts: [{ kind: 'ping' }] } }, of)
    assert.ok(ping !== undefined)
    const packets = senders.map((sender) => specimen(sender, ping, eth0, NOW))
    assert.deepEqual(
      packets.map((packet) => [packet.protocol, packet.messageType, packet.destination]),
      [
        [1, 8, '192.0.2.1'],
        [58, 128, '2001:db8::1'],
      ],
    )
  })
})

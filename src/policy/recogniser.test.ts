import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { arbitraryPolicy } from '../../tests/support/policy-arbitrary.ts'
import { planHost } from '../../tests/support/host-plan.ts'
import { randomPackets } from '../../tests/support/packet-generator.ts'
import { randomFrom } from '../../tests/support/random.ts'
import { recognises } from './meaning.ts'
import { recogniser } from './recogniser.ts'
import { strangeMac, strangerSenders } from './specimen.ts'

const PLAN = planHost()
const arrivals = PLAN.facts.interfaces.filter(
  (entry) => entry.kind !== 'loopback' && entry.master === undefined,
)
const policies = arbitraryPolicy({
  macs: ['00:16:3e:00:00:01', '00:16:3e:00:00:02', '00:00:5e:00:53:01'],
  addresses: [
    '10.0.0.0/24',
    '10.0.0.7',
    '10.0.0.0/8',
    '0.0.0.0/0',
    '198.51.100.64/26',
    '2001:db8::/32',
    '::/0',
    '2001:db8::7',
  ],
  tests: false,
})

test('the index recognises whom the plain definition recognises', () => {
  fc.assert(
    fc.property(policies, fc.nat(), ({ policy }, seed) => {
      const known = recogniser(policy)
      for (const { packet } of randomPackets(randomFrom(seed), PLAN, policy, 20, 1_800_000_000)) {
        const plainly = policy.devices.some((device) => recognises(device, packet))
        assert.equal(known(packet.mac, packet.source), plainly)
      }
    }),
    { numRuns: 60 },
  )
})

test('a stranger is recognised by no device', () => {
  fc.assert(
    fc.property(policies, ({ policy }) => {
      const known = recogniser(policy)
      for (const { mac, source } of strangerSenders(policy, arrivals)) assert.equal(known(mac, source), false)
      assert.ok(
        policy.devices.every((device) =>
          device.identities.every(
            (identity) => identity.kind === 'address' || identity.mac !== strangeMac(policy),
          ),
        ),
      )
    }),
    { numRuns: 200 },
  )
})

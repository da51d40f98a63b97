import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../tests/support/apply-policy.ts'
import { interfaceNamed } from '../../tests/support/sample-host.ts'
import { NETWORK_NEEDS } from '../policy/network-needs.ts'
import type { AdmittedReason, RefusedReason } from '../policy/meaning.ts'
import { reasonWords } from './reason-words.ts'

const POLICY = policyOf(
  `admit: 1
safety: { admins: 0 }
devices:
  laptop: { mac: 00:16:3e:00:00:01 }
  guest: { mac: 00:16:3e:00:00:02, until: 2027-02-01T00:00:00Z }
grants: [{ from: [laptop, guest], to: [ssh, ping] }]
`,
  1_800_000_000,
)
const [laptop, guest] = POLICY.devices
const [grant] = POLICY.grants
assert.ok(laptop !== undefined && guest !== undefined && grant !== undefined)

const admitted = (reason: AdmittedReason): string => reasonWords({ verdict: 'admitted', reason })
const refused = (reason: RefusedReason): string => reasonWords({ verdict: 'refused', reason })

describe('why, in words', () => {
  test('admitted', () => {
    assert.equal(admitted({ kind: 'grant', grant, device: laptop }), 'from laptop, guest to ssh, ping')
    assert.equal(
      admitted({ kind: 'unguarded', interface: interfaceNamed('docker0') }),
      'docker0 is unguarded',
    )
    for (const need of NETWORK_NEEDS) {
      assert.equal(admitted({ kind: 'network-need', need: need.key }), `the network needs it: ${need.words}`)
    }
    for (const kind of ['output', 'loopback', 'reply', 'related-error', 'forward-keep', 'bridged'] as const) {
      assert.match(admitted({ kind }), /^[a-zA-Z]/)
    }
  })

  test('refused: nobody, somebody whose time is over, somebody who may not', () => {
    const none = (recognised: readonly (typeof laptop)[], expired: readonly (typeof laptop)[]): string =>
      refused({ kind: 'no-grant', recognised, expired })
    assert.equal(none([], []), 'no device of the policy has this MAC or address')
    assert.equal(none([guest], [guest]), 'guest: its time is over (until)')
    assert.equal(none([laptop], []), 'it is laptop, and no grant lets that reach it')
    assert.equal(none([laptop, guest], [guest]), 'it is laptop, guest, and no grant lets that reach it')
    for (const kind of ['invalid', 'forward-drop', 'picked-up'] as const)
      assert.match(refused({ kind }), /^[a-z]/)
  })
})

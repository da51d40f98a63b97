import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parsePackets } from '../../tests/support/case-packets.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { packetWords } from './packet-words.ts'

describe('a packet in one line', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['eth0 00:16:3e:00:00:01 192.0.2.9 → 22/tcp', 'eth0, from 00:16:3e:00:00:01 192.0.2.9, to 22/tcp'],
    ['wg0 2001:db8::9 → 53/udp', 'wg0, from 2001:db8::9, to 53/udp'],
    ['wg0 192.0.2.9 → ping', 'wg0, from 192.0.2.9, to ping'],
    ['wg0 2001:db8::9 → ping', 'wg0, from 2001:db8::9, to ping'],
    ['wg0 192.0.2.9 → icmp 3', 'wg0, from 192.0.2.9, to icmp type 3'],
    ['wg0 192.0.2.9 → icmp 128', 'wg0, from 192.0.2.9, to icmp type 128'],
    ['wg0 192.0.2.9 → esp', 'wg0, from 192.0.2.9, to esp'],
    ['eth0 192.0.2.1 → 22/tcp leaves', 'from this host, from 192.0.2.1, to 22/tcp'],
  ]
  for (const [line, expected] of cases) {
    test(line, () => {
      const [parsed] = parsePackets(line, { facts: UNKNOWN_HOST, now: 0 })
      assert.ok(parsed?.kind === 'packet')
      assert.equal(packetWords(parsed.packet), expected)
    })
  }

  test('of a protocol without a name', () => {
    const [parsed] = parsePackets('wg0 192.0.2.9 → esp', { facts: UNKNOWN_HOST, now: 0 })
    assert.ok(parsed?.kind === 'packet')
    assert.equal(packetWords({ ...parsed.packet, protocol: 89 }), 'wg0, from 192.0.2.9, to protocol 89')
  })
})

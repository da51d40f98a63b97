import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { cidrContains, cidrRange, formatCidr, parseCidr } from './cidr.ts'
import type { Cidr } from './cidr.ts'
import { ipFromNumber, widthOf } from './ip-address.ts'
import type { Family } from './ip-address.ts'

describe('reading a network', () => {
  const good: readonly (readonly [string, string])[] = [
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7/32', '192.0.2.7'],
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:db8::7/128', '2001:db8::7'],
    ['2001:DB8:1:0::/64', '2001:db8:1::/64'],
    ['fe80::/10', 'fe80::/10'],
  ]
  for (const [text, expected] of good) {
    test(text, () => {
      const read = parseCidr(text)
      assert.ok(read.ok)
      assert.equal(formatCidr(read.value), expected)
    })
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['192.0.2.7/24', /write 192\.0\.2\.0\/24 for the network, or 192\.0\.2\.7 for one address/],
    ['2001:db8::7/64', /write 2001:db8::\/64 for the network, or 2001:db8::7 for one address/],
    ['192.0.2.1/0', /write 0\.0\.0\.0\/0/],
    ['192.0.2.0/33', /from 0 to 32/],
    ['2001:db8::/129', /from 0 to 128/],
    ['192.0.2.0/', /from 0 to 32/],
    ['192.0.2.0/024', /from 0 to 32/],
    ['192.0.2.0/-1', /from 0 to 32/],
    ['192.0.2.0/1e1', /from 0 to 32/],
    ['192.0.2.0/24/24', /from 0 to 32/],
    ['192.0.2.0/255.255.255.0', /from 0 to 32/],
    ['/24', /four numbers/],
    ['192.0.2/24', /four numbers/],
    ['010.0.0.0/8', /octal/],
    ['::ffff:192.0.2.0/120', /IPv4-mapped/],
  ]
  for (const [text, why] of bad) {
    test(`not ${text}`, () => {
      const read = parseCidr(text)
      assert.ok(!read.ok)
      assert.match(read.error, why)
    })
  }
})

const family = fc.constantFrom<Family>('ip', 'ip6')
const address = (kind: Family) => fc.bigInt(0n, (1n << BigInt(widthOf(kind))) - 1n)
/** IPv4-mapped addresses are no addresses; a random one is practically never among them. */
const network: fc.Arbitrary<Cidr> = family.chain((kind) =>
  fc.tuple(address(kind), fc.nat(widthOf(kind))).map(([value, prefix]) => {
    const host = BigInt(widthOf(kind) - prefix)
    return { family: kind, address: ipFromNumber(kind, (value >> host) << host), prefix }
  }),
)

describe('laws of networks', () => {
  test('format, then parse, is the same network', () => {
    fc.assert(
      fc.property(network, (cidr) =>
        assert.deepEqual(parseCidr(formatCidr(cidr)), { ok: true, value: cidr }),
      ),
    )
  })

  test('its range has as many addresses as its prefix says, and contains exactly those', () => {
    fc.assert(
      fc.property(network, (cidr) => {
        const { low, high } = cidrRange(cidr)
        const width = widthOf(cidr.family)
        assert.equal(high - low + 1n, 1n << BigInt(width - cidr.prefix))
        const inside = (value: bigint): boolean => cidrContains(cidr, ipFromNumber(cidr.family, value))
        assert.ok(inside(low) && inside(high) && inside((low + high) / 2n))
        if (low > 0n) assert.ok(!inside(low - 1n))
        if (high < (1n << BigInt(width)) - 1n) assert.ok(!inside(high + 1n))
      }),
    )
  })

  test('it contains an address where Node says so', () => {
    fc.assert(
      fc.property(network, fc.bigInt(0n, (1n << 128n) - 1n), fc.boolean(), (cidr, random, near) => {
        const width = BigInt(widthOf(cidr.family))
        const { low, high } = cidrRange(cidr)
        const value = near ? low + (random % (high - low + 1n)) : random % (1n << width)
        const candidate = ipFromNumber(cidr.family, value)
        const type = cidr.family === 'ip' ? 'ipv4' : 'ipv6'
        const list = new BlockList()
        // Node takes no prefix of 0.
        if (cidr.prefix > 0) list.addSubnet(cidr.address, cidr.prefix, type)
        assert.equal(cidrContains(cidr, candidate), cidr.prefix === 0 || list.check(candidate, type))
      }),
    )
  })

  test('a network has no address of the other family', () => {
    const all = parseCidr('0.0.0.0/0')
    assert.ok(all.ok)
    assert.equal(cidrContains(all.value, ipFromNumber('ip6', 1n)), false)
  })
})

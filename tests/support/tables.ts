import type { FieldName } from '../../src/ruleset/fields.ts'
import type {
  BaseChain,
  BitsMatch,
  Element,
  FieldMatch,
  Interval,
  NamedSet,
  Rule,
  Scalar,
  SetName,
  Statement,
  Table,
  Verdict,
} from '../../src/ruleset/ruleset.ts'

/** Short words for tables in tests. */
export const TABLE = { family: 'inet', name: 'admit' } as const

export function one(value: Scalar): Interval {
  return { low: value, high: value }
}

export function range(low: Scalar, high: Scalar): Interval {
  return { low, high }
}

export function within(fields: readonly FieldName[], ...elements: readonly Element[]): FieldMatch {
  return { kind: 'field', fields, test: 'in', values: { kind: 'literal', elements } }
}

export function is(field: FieldName, ...values: readonly Scalar[]): FieldMatch {
  return within([field], ...values.map((value) => [one(value)]))
}

export function not(match: FieldMatch): FieldMatch {
  return { ...match, test: 'not-in' }
}

export function inSet(fields: readonly FieldName[], name: string): FieldMatch {
  return { kind: 'field', fields, test: 'in', values: { kind: 'set', name: name as SetName } }
}

export function bits(
  field: BitsMatch['field'],
  mask: number,
  test: BitsMatch['test'],
  value: number,
): BitsMatch {
  return { kind: 'bits', field, mask, test, value }
}

export function verdict(given: Verdict): Statement {
  return { kind: 'verdict', verdict: given }
}

export const ACCEPT = verdict({ kind: 'accept' })
export const DROP = verdict({ kind: 'drop' })

export function rule(comment: string, ...statements: readonly Statement[]): Rule {
  return { statements, comment }
}

export function set(
  name: string,
  fields: readonly FieldName[],
  interval: boolean,
  ...elements: readonly Element[]
): NamedSet {
  return { name: name as SetName, fields, interval, elements }
}

/** The base chain `input` as compiled policies have it. */
export const INPUT_BASE: BaseChain = { type: 'filter', hook: 'input', priority: 0, policy: 'drop' }

const NEW = 8
const EVERYONE = 0x10000000

/** A table with every kind of set and statement that compiled policies use. */
export const FULL_TABLE: Table = {
  ...TABLE,
  sets: [
    set('family.mac', ['ether saddr'], false, [one(0x001122334455)], [one(0x020000000001)]),
    set(
      'ip.ip4',
      ['ip saddr'],
      true,
      [one(0x0a000001)],
      [range(0x0a000100, 0x0a0001ff)],
      [range(0x0a010005, 0x0a010009)],
    ),
    set(
      'set.ip6',
      ['ip6 saddr'],
      true,
      [one(0x20010db8n << 96n)],
      [range(0x20010db9n << 96n, (0x20010dban << 96n) - 1n)],
    ),
    set('guest.mac-until', ['ether saddr', 'meta time'], true, [
      one(0x001122334455),
      range(1767225600, 1798707600),
    ]),
    set('desk.mac-ip4-until', ['ether saddr', 'ip saddr', 'meta time'], true, [
      one(0x001122334455),
      range(0x0a000000, 0x0a0000ff),
      range(1767225600, 1798707600),
    ]),
    set('desk.mac-ip6', ['ether saddr', 'ip6 saddr'], true, [one(0x001122334455), one(1n)]),
    set('nobody.mac', ['ether saddr'], false),
  ],
  chains: [
    {
      name: 'input',
      base: { type: 'filter', hook: 'input', priority: 0, policy: 'drop' },
      rules: [
        rule('lo', is('iifname', 'lo'), ACCEPT),
        rule(
          'meaning: replies',
          is('ct direction', 1),
          bits('ct state', 2, 'not-equal', 0),
          bits('ct mark', EVERYONE, 'equal', 0),
          ACCEPT,
        ),
        rule('meaning: invalid', bits('ct state', 1, 'not-equal', 0), DROP),
        rule('meaning: neighbours', is('icmpv6 type', 134, 135, 136), is('ip6 hoplimit', 255), ACCEPT),
        rule('meaning: igmp', is('meta nfproto', 2), is('igmp type', 17), ACCEPT),
        rule(
          'meaning: dhcp',
          within(['ip6 saddr'], [range(0xfe80n << 112n, (0xfec0n << 112n) - 1n)]),
          is('udp sport', 547),
          is('udp dport', 546),
          ACCEPT,
        ),
        rule('grants[0]: from family to everything', inSet(['ether saddr'], 'family.mac'), ACCEPT),
        rule(
          'grants[1]: from guest to ssh',
          inSet(['ether saddr', 'meta time'], 'guest.mac-until'),
          is('tcp dport', 22),
          ACCEPT,
        ),
        rule(
          'grants[2]: 家',
          inSet(['ether saddr', 'ip saddr', 'meta time'], 'desk.mac-ip4-until'),
          within(['udp dport'], [one(53)], [range(5000, 5010)]),
          { kind: 'counter' },
          ACCEPT,
        ),
        rule(
          'grants[3]: on eth0',
          is('iifname', 'eth0', 'eth1.5'),
          inSet(['ip saddr'], 'ip.ip4'),
          is('meta l4proto', 50),
          ACCEPT,
        ),
        rule(
          'grants[4]',
          inSet(['ip6 saddr'], 'set.ip6'),
          is('meta l4proto', 1, 58),
          verdict({ kind: 'goto', chain: 'late' }),
        ),
        rule(
          'grants[5]',
          inSet(['ether saddr', 'ip6 saddr'], 'desk.mac-ip6'),
          not(is('iifname', 'tun0')),
          verdict({ kind: 'jump', chain: 'late' }),
        ),
        rule('grants[6]: ping', is('icmp type', 8), ACCEPT),
        rule('nobody', not(inSet(['ether saddr'], 'nobody.mac')), verdict({ kind: 'continue' })),
        rule(
          'log',
          { kind: 'limit', rate: 3, per: 'minute', burst: 5 },
          { kind: 'log', prefix: 'admit: ', ether: true },
        ),
        rule(
          'log',
          { kind: 'limit', rate: 10, per: 'hour', burst: 20 },
          { kind: 'log', prefix: 'x', ether: false },
        ),
        rule('refuse', is('meta l4proto', 6), verdict({ kind: 'reject', answer: 'tcp reset' })),
        rule('refuse', verdict({ kind: 'reject', answer: 'admin-prohibited' })),
        rule('refuse', verdict({ kind: 'reject', answer: 'port-unreachable' })),
        rule('end', DROP),
      ],
    },
    {
      name: 'forward',
      base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
      rules: [
        rule('bridged', within(['iifname', 'oifname'], [one('br0'), one('br0')]), ACCEPT),
        rule(
          'published',
          bits('ct status', 32, 'not-equal', 0),
          is('meta l4proto', 6),
          is('ct original proto-dst', 8080),
          ACCEPT,
        ),
        rule(
          'published',
          is('meta l4proto', 17),
          within(['ct original proto-dst'], [range(8000, 8010)]),
          ACCEPT,
        ),
        rule('not published', bits('ct status', 32, 'equal', 0), DROP),
        rule(
          'mixed',
          within(
            ['ip daddr', 'tcp dport'],
            [range(0x0a000000, 0x0a0000ff), range(1, 9)],
            [one(0x0b000001), one(80)],
          ),
          ACCEPT,
        ),
        rule('end', DROP),
      ],
    },
    {
      name: 'output',
      base: { type: 'filter', hook: 'output', priority: -5, policy: 'accept' },
      rules: [
        rule('mid-stream', bits('tcp flags', 0x17, 'not-equal', 2), bits('ct state', NEW, 'not-equal', 0), {
          kind: 'mark-connection',
          bits: EVERYONE,
        }),
        rule('exact', bits('tcp flags', 0x17, 'equal', 0x12), verdict({ kind: 'return' })),
        rule('exact', bits('tcp flags', 0xff, 'equal', 0x2), DROP),
        rule('exact', bits('ct state', 0xffffffff, 'not-equal', 2), DROP),
        rule('exact', bits('ct mark', 0xffffffff, 'equal', 7), DROP),
        rule('marked', bits('ct mark', 0xf0, 'not-equal', 0x30), DROP),
        rule('marked', bits('ct mark', 0xf0, 'not-equal', 0), DROP),
        rule('two states', bits('ct state', 65, 'equal', 0), DROP),
        rule('until', within(['meta time'], [range(1767225600, 1798707600)]), DROP),
        rule('everything', within(['ip saddr'], [range(0, 0xffffffff)]), DROP),
      ],
    },
    { name: 'late', rules: [rule('end', DROP)] },
  ],
}

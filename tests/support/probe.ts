import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import type { Hook, TrackingState } from '../../src/packet/packet.ts'
import { PICKED_UP } from '../../src/policy/meaning.ts'
import { nft } from './nft.ts'
import { run } from './run.ts'

/**
 * What a packet of the harness is, in its DSCP, which no rule of admit looks at. Test packets are collected and then
 * dropped after admit's chains, so that they leave no connection behind. Others prepare connections.
 */
export const DSCP = { test: 1, untracked: 2, prepare: 3, pickedUp: 4, otherMark: 5, bothMarks: 6 } as const

export type MarkCode = 'prepare' | 'pickedUp' | 'otherMark' | 'bothMarks'

/** A mark that is somebody else's: admit must neither heed nor lose it. */
export const OTHER_MARK = 0x1

export const MARK_OF: Readonly<Record<MarkCode, number>> = {
  prepare: 0,
  pickedUp: PICKED_UP,
  otherMark: OTHER_MARK,
  bothMarks: (PICKED_UP | OTHER_MARK) >>> 0,
}

/**
 * Connections that tell tracking to expect another, as an FTP session does: one DSCP for each port that the other side
 * is then expected to dial. What comes is `ct state related`, and no error.
 */
export const EXPECTATIONS = [
  { dscp: 7, protocol: 'tcp', port: 22 },
  { dscp: 8, protocol: 'tcp', port: 80 },
  { dscp: 9, protocol: 'udp', port: 80 },
  { dscp: 10, protocol: 'udp', port: 443 },
] as const

export type Expectation = (typeof EXPECTATIONS)[number]

const PREPARING = '{ 3, 4, 5, 6, 7, 8, 9, 10 }'
const TESTING = '{ 1, 2 }'

/** One rule for each family. */
function both(rule: (family: 'ip' | 'ip6', id: string, digit: 4 | 6) => string): string {
  return `${rule('ip', 'ip id', 4)}\n${rule('ip6', 'ip6 flowlabel', 6)}`
}

const set = (name: string, fields: string): string =>
  both((_, id, digit) => `set ${name}${digit} { typeof ${id}${fields}; size 65535; flags dynamic; }`)

function nat(family: 'ip' | 'ip6', id: string): string {
  return `table ${family} harness_nat {
    map to { typeof ${id} : ${family} daddr; }
    map to_tcp { typeof ${id} : ${family} daddr . tcp dport; }
    map to_udp { typeof ${id} : ${family} daddr . udp dport; }
    chain arriving {
      type nat hook prerouting priority -100;
      meta l4proto tcp dnat to ${id} map @to_tcp
      meta l4proto udp dnat to ${id} map @to_udp
      meta l4proto != { tcp, udp } dnat to ${id} map @to
    }
    chain leaving {
      type nat hook output priority -100;
      meta l4proto tcp dnat to ${id} map @to_tcp
      meta l4proto udp dnat to ${id} map @to_udp
      meta l4proto != { tcp, udp } dnat to ${id} map @to
    }
  }`
}

export const STATES = ['new', 'established', 'related', 'invalid', 'untracked'] as const
const STATE_SHIFT = 8

const expectations = EXPECTATIONS.flatMap(({ dscp, protocol, port }) =>
  (['ip', 'ip6'] as const).map(
    (family) => `ct expectation ${family}_${dscp} {
      protocol ${protocol}
      dport ${port}
      timeout 1m
      size 100
      l3proto ${family}
    }`,
  ),
)

const expect = EXPECTATIONS.map(({ dscp }) =>
  both((family) => `${family} dscp ${dscp} ct expectation set "${family}_${dscp}"`),
).join('\n')

const observe = (flag: string): string => `
      ${flag}
      ct direction reply meta mark set meta mark or 1
      ct status dnat meta mark set meta mark or 2
      ${STATES.map((state, index) => `ct state ${state} meta mark set meta mark or ${STATE_SHIFT << index}`).join('\n      ')}
      ${both((family, id, digit) => `${family} dscp ${TESTING} update @arrived${digit} { ${id} . iifname . oifname . meta mark }`)}
      ${both((family, id, digit) => `${family} dscp ${TESTING} update @marked${digit} { ${id} . ct mark }`)}
      ${both((family, id, digit) => `${family} dscp ${TESTING} update @sender${digit} { ${id} . ether saddr }`)}`

const collect = both(
  (family, id, digit) => `${family} dscp ${TESTING} update @through${digit} { ${id} . meta mark }
      ${family} dscp ${TESTING} drop`,
)

/** The harness' own tables. Priorities around admit's 0: connection tracking is at -200, translation at -100. */
export const PROBE_TABLES = `
table inet harness {
    ${set('arrived', ' . iifname . oifname . meta mark')}
    ${set('marked', ' . ct mark')}
    ${set('sender', ' . ether saddr')}
    ${set('through', ' . meta mark')}
    ${expectations.join('\n')}
    chain expect_answers {
      type filter hook output priority -140;
      ${expect}
    }
    chain untrack {
      type filter hook prerouting priority -300;
      ${both((family) => `${family} dscp ${DSCP.untracked} notrack`)}
    }
    chain quiet {
      # The host's own answers would change the state of connections; its resets copy the DSCP of what they answer.
      type filter hook output priority -310;
      tcp flags & rst == rst drop
      meta nfproto ipv4 ip dscp != ${PREPARING} drop
      meta nfproto ipv6 ip6 dscp != ${PREPARING} drop
    }
    chain mark_arriving {
      type filter hook prerouting priority -150;
      ${marks()}
    }
    chain mark_leaving {
      type filter hook output priority -150;
      ${marks()}
    }
    chain input_early {
      type filter hook input priority -290;
      ${observe('meta mark set 0')}
    }
    chain forward_early {
      type filter hook forward priority -290;
      ${observe('meta mark set 4')}
    }
    chain input_late {
      type filter hook input priority 300;
      ${collect}
    }
    chain forward_late {
      type filter hook forward priority 300;
      ${collect}
    }
}
${nat('ip', 'ip id')}
${nat('ip6', 'ip6 flowlabel')}
`

function marks(): string {
  const codes = ['pickedUp', 'otherMark', 'bothMarks'] as const
  return both((family) =>
    codes.map((code) => `${family} dscp ${DSCP[code]} ct mark set ${MARK_OF[code]}`).join('\n      '),
  )
}

export const REMOVE_PROBE_TABLES =
  'delete table inet harness\ndelete table ip harness_nat\ndelete table ip6 harness_nat\n'

/** Where a connection prepared by the packet of this id is to be led instead. */
export interface Translation {
  readonly id: number
  readonly family: Family
  readonly protocol: number
  readonly address: IpAddress
  /** Absent for protocols without ports. */
  readonly port?: number
}

/** Forgets what was collected and every connection, and loads the translations. */
export function resetProbe(translations: readonly Translation[]): void {
  const sets = ['arrived', 'marked', 'sender', 'through'].flatMap((name) => [`${name}4`, `${name}6`])
  const lines = sets.map((name) => `flush set inet harness ${name}`)
  for (const family of ['ip', 'ip6'] as const) {
    for (const map of ['to', 'to_tcp', 'to_udp']) lines.push(`flush map ${family} harness_nat ${map}`)
  }
  for (const { family, protocol, id, address, port } of translations) {
    const map = protocol === 6 ? 'to_tcp' : protocol === 17 ? 'to_udp' : 'to'
    const value = port === undefined ? address : `${address} . ${port}`
    lines.push(`add element ${family} harness_nat ${map} { ${id} : ${value} }`)
  }
  nft(`${lines.join('\n')}\n`)
  run('conntrack', ['-F'])
}

/** What the kernel says about a test packet at its hook, before any rule of admit. */
export interface Observation {
  readonly hook: Hook
  readonly iif: string
  readonly oif: string
  readonly state: TrackingState
  readonly direction: 'original' | 'reply'
  readonly dnat: boolean
  /** Absent where there is no connection. */
  readonly mark?: number
  readonly mac?: string
  /** It got through admit's chains. */
  readonly through: boolean
}

/**
 * What the kernel says, under `observationKey`. A packet that is missing never came to that hook. One packet may come
 * to both: a bridge hands a multicast to the host and floods it to its other ports.
 */
export function readProbe(): ReadonlyMap<string, Observation> {
  const sets = parseSets(nft('list table inet harness', true))
  const rows = (name: string): readonly (readonly unknown[])[] => [
    ...(sets.get(`${name}4`) ?? []),
    ...(sets.get(`${name}6`) ?? []),
  ]
  const marks = new Map(rows('marked').map(([id, mark]) => [Number(id), Number(mark)]))
  const macs = new Map(rows('sender').map(([id, mac]) => [Number(id), String(mac)]))
  const through = new Set(rows('through').map(([id, flags]) => `${id} ${flags}`))
  return new Map(
    rows('arrived').map(([number, iif, oif, flags]) => {
      const id = Number(number)
      const mark = marks.get(id)
      const mac = macs.get(id)
      const observation: Observation = {
        ...fromFlags(Number(flags)),
        iif: String(iif),
        oif: String(oif),
        ...(mark === undefined ? {} : { mark }),
        ...(mac === undefined ? {} : { mac }),
        through: through.has(`${id} ${flags}`),
      }
      return [observationKey(id, observation.hook), observation]
    }),
  )
}

export function observationKey(id: number, hook: Hook): string {
  return `${hook} ${id}`
}

function fromFlags(flags: number): Pick<Observation, 'hook' | 'state' | 'direction' | 'dnat'> {
  const state = STATES.find((_, index) => (flags & (STATE_SHIFT << index)) !== 0)
  if (state === undefined) throw new Error(`a packet without a tracking state: ${flags}`)
  return {
    hook: (flags & 4) !== 0 ? 'forward' : 'input',
    state,
    direction: (flags & 1) !== 0 ? 'reply' : 'original',
    dnat: (flags & 2) !== 0,
  }
}

function parseSets(text: string): ReadonlyMap<string, readonly (readonly unknown[])[]> {
  const listing: { nftables: { set?: { name: string; elem?: unknown[] } }[] } = JSON.parse(text)
  return new Map(
    listing.nftables.flatMap(({ set }) =>
      set === undefined ? [] : [[set.name, (set.elem ?? []).map(fieldsOf)]],
    ),
  )
}

function fieldsOf(element: unknown): readonly unknown[] {
  const concatenated = element !== null && typeof element === 'object' && 'concat' in element
  return concatenated && Array.isArray(element.concat) ? element.concat : [element]
}

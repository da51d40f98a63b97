import type { Packet } from '../packet/packet.ts'
import type { BaseChain, Chain, Ruleset, Table, TableFamily } from '../ruleset/ruleset.ts'

/** A base chain that a packet meets on its way. */
export interface Stop {
  readonly table: Table
  readonly chain: Chain
  readonly base: BaseChain
  /** The chain runs before connection tracking has looked: `ct state` is invalid there, and all other `ct` fails. */
  readonly untracked: boolean
  /**
   * False where the model cannot tell whether this packet comes by, or what it looks like there: at ingress, for one
   * device that the listing may not name, and in family bridge, where a frame shows its port.
   */
  readonly certain: boolean
}

export interface JourneyOptions {
  /** It arrives on a bridge: chains of family bridge see its frame first. */
  readonly bridged?: boolean
}

/**
 * The base chains that a packet meets, in order (nf_hook_entries: by hook, then by priority): one for this host those
 * at ingress, prerouting and input; one that is forwarded also postrouting; one of this host's own output and
 * postrouting. Chains of type nat see only the first packet of a connection.
 */
export function journey(ruleset: Ruleset, packet: Packet, options: JourneyOptions = {}): readonly Stop[] {
  const fresh = packet.tracking.state === 'new'
  const all = ruleset.tables.filter((table) => table.dormant !== true)
  const at = (
    families: readonly TableFamily[],
    hook: BaseChain['hook'],
    certain: boolean,
  ): readonly Stop[] => {
    const never = hook === 'ingress' || families.includes('bridge')
    const tracked = hook !== 'prerouting' && hook !== 'output'
    return all
      .filter(({ family }) => families.includes(family))
      .flatMap((table) => table.chains.map((chain) => ({ table, chain })))
      .flatMap(({ table, chain }): readonly Stop[] => {
        const { base } = chain
        if (base === undefined || base.hook !== hook || (base.type === 'nat' && !fresh)) return []
        return [
          {
            table,
            chain,
            base,
            certain,
            untracked: never || (!tracked && base.priority < CONNECTION_TRACKING),
          },
        ]
      })
      .sort((a, b) => a.base.priority - b.base.priority)
  }
  const own: readonly TableFamily[] = ['inet', packet.family]
  if (packet.hook === 'output') return [...at(own, 'output', true), ...at(own, 'postrouting', true)]
  const bridge = options.bridged === true ? (['prerouting', 'input'] as const) : []
  return [
    ...at(['netdev', 'inet'], 'ingress', false),
    ...bridge.flatMap((hook) => at(['bridge'], hook, false)),
    ...at(own, 'prerouting', true),
    ...at(own, packet.hook, true),
    ...(packet.hook === 'forward' ? at(own, 'postrouting', true) : []),
  ]
}

/** NF_IP_PRI_CONNTRACK, at prerouting and output. */
const CONNECTION_TRACKING = -200

/** The packet as a chain sees it. */
export function packetAt(packet: Packet, stop: Stop): Packet {
  if (!stop.untracked) return packet
  return { ...packet, tracking: { ...packet.tracking, state: 'invalid' } }
}

import type { FreeField } from '../analysis/representatives.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import type { FieldName } from '../ruleset/fields.ts'
import type { Chain, Rule, Ruleset } from '../ruleset/ruleset.ts'
import type { Scene } from './reach-scenes.ts'

/**
 * This host's answer to a scene's packet, as output and postrouting see it: it leaves by the interface that the packet
 * came by. Undefined where no rule there can refuse anything, as almost everywhere.
 */
export function replyTo(ruleset: Ruleset, { packet, free, bridged, routed }: Scene): Scene | undefined {
  if (!ruleset.tables.some((table) => table.dormant !== true && table.chains.some(mayRefuse(table.chains)))) {
    return undefined
  }
  const { iif, family, protocol, source, destination, sourcePort, destinationPort, time } = packet
  return {
    packet: {
      hook: 'output',
      ...(iif === undefined ? {} : { oif: iif }),
      family,
      protocol,
      time,
      source: destination,
      destination: source,
      ...(destinationPort === undefined ? {} : { sourcePort: destinationPort }),
      ...(sourcePort === undefined ? {} : { destinationPort: sourcePort }),
      tcpFlags: TCP_FLAGS.syn | TCP_FLAGS.ack,
      hopLimit: 64,
      tracking: { ...packet.tracking, state: 'established', direction: 'reply' },
    },
    free: free.flatMap(({ field, domain }): readonly FreeField[] => {
      const other = MIRRORED[field]
      return other === undefined ? [] : [{ field: other, domain }]
    }),
    bridged,
    routed,
  }
}

const MIRRORED: Partial<Record<FieldName, FieldName>> = {
  'ip saddr': 'ip daddr',
  'ip daddr': 'ip saddr',
  'ip6 saddr': 'ip6 daddr',
  'ip6 daddr': 'ip6 saddr',
  'tcp sport': 'tcp dport',
}

/** A chain at a hook that answers pass, in which something may be refused. */
function mayRefuse(chains: readonly Chain[]): (chain: Chain) => boolean {
  const elsewhere = chains.some(refuses)
  return (chain) => {
    const { base } = chain
    // Answers belong to a connection, and chains of type nat see only its first packet.
    if ((base?.hook !== 'output' && base?.hook !== 'postrouting') || base.type === 'nat') return false
    return base.policy === 'drop' || refuses(chain) || (elsewhere && chain.rules.some(calls))
  }
}

function refuses({ rules }: Chain): boolean {
  return rules.some((rule) =>
    rule.statements.some((statement) => {
      if (statement.kind === 'opaque') return statement.effect === 'verdict' || statement.effect === 'packet'
      return (
        statement.kind === 'verdict' &&
        (statement.verdict.kind === 'drop' || statement.verdict.kind === 'reject')
      )
    }),
  )
}

function calls(rule: Rule): boolean {
  return rule.statements.some(
    (statement) =>
      statement.kind === 'verdict' &&
      (statement.verdict.kind === 'jump' || statement.verdict.kind === 'goto'),
  )
}

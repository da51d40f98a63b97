import { cidrInterval, parseLiteralCidr } from '../ruleset/build.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { macToNumber } from '../net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../net/protocol.ts'
import { TCP_FLAGS } from '../packet/packet.ts'
import { ICMP_ERRORS, ICMPV6_ERRORS, PICKED_UP } from '../policy/meaning.ts'
import {
  DHCP_PORTS,
  DHCPV6_PORTS,
  IGMP_QUERY,
  LINK_LOCAL_6,
  MLD_QUERY,
  NEIGHBOUR_DISCOVERY_TYPES,
  ON_LINK_HOP_LIMIT,
} from '../policy/network-needs.ts'
import type { HostSettings } from '../policy/policy.ts'
import { anyBit, isIn, noneOf, oneOf, only, verdict } from '../ruleset/build.ts'
import { BIT_FIELDS, DIRECTION, NFPROTO } from '../ruleset/fields.ts'
import type { BitsMatch, Match, Rule, Statement } from '../ruleset/ruleset.ts'
import { originComment } from './origin.ts'

const STATE = BIT_FIELDS['ct state']

function rule(path: string, words: string, ...statements: readonly Statement[]): Rule {
  return { statements, comment: originComment(path, words) }
}

/** Packets that arrive on lo, or on an interface that the policy leaves unguarded, are not judged. */
export function notJudgedRules(host: HostSettings): readonly Rule[] {
  const lo = rule('meaning.lo', 'lo is never judged', oneOf('iifname', ['lo']), verdict('accept'))
  if (host.unguarded.length === 0) return [lo]
  const names = unguardedNames(host)
  return [lo, rule('host.unguarded', names.join(', '), oneOf('iifname', names), verdict('accept'))]
}

/** Replies and related errors pass, invalid packets do not (design section 3, point 1). */
export function connectionRules(): readonly Rule[] {
  const related = anyBit('ct state', STATE.related)
  const reply: readonly Match[] = [
    anyBit('ct state', STATE.established),
    oneOf('ct direction', [DIRECTION.reply]),
    { kind: 'bits', field: 'ct mark', mask: PICKED_UP, test: 'equal', value: 0 },
  ]
  return [
    rule('meaning.invalid', 'belongs to no connection', anyBit('ct state', STATE.invalid), verdict('drop')),
    rule('meaning.reply', 'answers to what this host dialled', ...reply, verdict('accept')),
    rule('meaning.related', 'ICMP errors', related, oneOf('icmp type', ICMP_ERRORS), verdict('accept')),
    rule('meaning.related', 'ICMPv6 errors', related, oneOf('icmpv6 type', ICMPV6_ERRORS), verdict('accept')),
  ]
}

/** What the network itself needs, from anyone (design section 3, point 2). */
export function networkNeedRules(): readonly Rule[] {
  const need = (words: string, ...matches: readonly Match[]): Rule =>
    rule('meaning.network', words, ...matches, verdict('accept'))
  return [
    need(
      'neighbour discovery',
      oneOf('ip6 hoplimit', [ON_LINK_HOP_LIMIT]),
      oneOf('icmpv6 type', NEIGHBOUR_DISCOVERY_TYPES),
    ),
    need('IGMP queries', oneOf('meta nfproto', [NFPROTO.ipv4]), oneOf('igmp type', [IGMP_QUERY])),
    need('MLD queries', oneOf('icmpv6 type', [MLD_QUERY])),
    need(
      'DHCP answers',
      oneOf('meta nfproto', [NFPROTO.ipv4]),
      oneOf('udp sport', [DHCP_PORTS.server]),
      oneOf('udp dport', [DHCP_PORTS.client]),
    ),
    need(
      'DHCPv6 answers',
      isIn(['ip6 saddr'], [[cidrInterval(parseLiteralCidr(LINK_LOCAL_6))]]),
      oneOf('udp sport', [DHCPV6_PORTS.server]),
      oneOf('udp dport', [DHCPV6_PORTS.client]),
    ),
  ]
}

/** Everything that no rule before admitted: logged at the policy's rate, answered or not, and dropped. */
export function refuseRules(host: HostSettings): readonly Rule[] {
  const rules: Rule[] = []
  if (host.log !== 'off') {
    const { count, per } = host.log
    const limit: Statement = { kind: 'limit', rate: count, per, burst: 5 }
    rules.push(
      rule('host.log', 'refused packets', limit, { kind: 'log', prefix: 'admit refused: ', ether: true }),
    )
  }
  if (host.refuse === 'reject') {
    const reset: Statement = { kind: 'verdict', verdict: { kind: 'reject', answer: 'tcp reset' } }
    const prohibited: Statement = { kind: 'verdict', verdict: { kind: 'reject', answer: 'admin-prohibited' } }
    rules.push(rule('host.refuse', 'reject', oneOf('meta l4proto', [PROTOCOL_NUMBER.tcp]), reset))
    rules.push(rule('host.refuse', 'reject', prohibited))
  }
  return [...rules, rule('meaning.refuse', 'no grant admits it', verdict('drop'))]
}

/**
 * Bridged frames, which br_netfilter shows as arriving at and leaving by the bridge itself: those that were not sent
 * to a MAC address of this host's own. What was is routed, and not left alone.
 */
export function bridgedRules(facts: HostFacts): readonly Rule[] {
  const bridges = facts.interfaces.filter((candidate) => candidate.kind === 'bridge').map(({ name }) => name)
  if (bridges.length === 0) return []
  const pairs = bridges.sort().map((name) => [only(name), only(name)])
  const own = new Set(facts.interfaces.flatMap(({ mac }) => (mac === undefined ? [] : [macToNumber(mac)])))
  const notOurs =
    own.size === 0
      ? []
      : [
          noneOf(
            'ether daddr',
            [...own].sort((a, b) => a - b),
          ),
        ]
  const through = isIn(['iifname', 'oifname'], pairs)
  return [rule('meaning.bridged', 'from port to port', through, ...notOurs, verdict('accept'))]
}

/** A forwarded TCP connection whose first packet seen is no first SYN must not leave to a judged interface. */
export function forwardPickUpRules(host: HostSettings): readonly Rule[] {
  const judged = noneOf('oifname', ['lo', ...unguardedNames(host)])
  const state = anyBit('ct state', STATE.new)
  return [rule('meaning.picked-up', 'no first SYN', judged, state, notFirstSyn(), verdict('drop'))]
}

/** A TCP connection that this host's own packet opens in the middle gets the mark that the reply rule excludes. */
export function outputPickUpRules(): readonly Rule[] {
  const state = anyBit('ct state', STATE.new)
  const mark: Statement = { kind: 'mark-connection', bits: PICKED_UP }
  return [rule('meaning.picked-up', 'no first SYN: judge both directions', state, notFirstSyn(), mark)]
}

function notFirstSyn(): BitsMatch {
  const mask = TCP_FLAGS.fin | TCP_FLAGS.syn | TCP_FLAGS.rst | TCP_FLAGS.ack
  return { kind: 'bits', field: 'tcp flags', mask, test: 'not-equal', value: TCP_FLAGS.syn }
}

function unguardedNames(host: HostSettings): readonly InterfaceName[] {
  return host.unguarded.map((entry) => entry.value)
}

import type { NetworkInterface, OtherFirewall } from './host-facts.ts'
import type { JsonRecord, Reading } from './reading.ts'
import { isRecord, recordField, recordsField, textField } from './reading.ts'

/** A chain of some table, of nftables or of legacy iptables, whoever owns it. */
export interface ChainName {
  readonly family: string
  readonly table: string
  readonly chain: string
  /** Written in the kernel's older tables by iptables-legacy, which nft does not see. */
  readonly legacy: boolean
}

/** Reads `nft -j list chains`. */
export function readNftChains(text: string): Reading<readonly ChainName[]> {
  const items = parseItems(text)
  if (items === undefined) return { value: [], notes: ['`nft -j list chains`: its output could not be read'] }
  const value = items.flatMap((item): ChainName[] => {
    const chain = recordField(item, 'chain')
    const family = textField(chain, 'family')
    const table = textField(chain, 'table')
    const name = textField(chain, 'name')
    if (family === undefined || table === undefined || name === undefined) return []
    return [{ family, table, chain: name, legacy: false }]
  })
  return { value, notes: [] }
}

function parseItems(text: string): readonly JsonRecord[] | undefined {
  if (text.trim() === '') return []
  try {
    const parsed: unknown = JSON.parse(text)
    return isRecord(parsed) ? recordsField(parsed, 'nftables') : undefined
  } catch {
    return undefined
  }
}

/** Reads `iptables-legacy-save` (family `ip`) or `ip6tables-legacy-save` (`ip6`): the chains that hold something. */
export function readLegacyChains(text: string, family: 'ip' | 'ip6'): readonly ChainName[] {
  const chains: ChainName[] = []
  let table = ''
  for (const line of text.split('\n')) {
    const heading = /^\*(\S+)/.exec(line)
    if (heading?.[1] !== undefined) table = heading[1]
    const chain = /^:(\S+) (\S+)/.exec(line)
    // A built-in chain (it has a policy) is there in every table, empty or not; a rule in it counts below.
    const own = chain?.[2] === '-' ? chain[1] : /^-A (\S+)/.exec(line)?.[1]
    if (own !== undefined) chains.push({ family, table, chain: own, legacy: true })
  }
  return chains
}

interface Trace {
  readonly name: string
  readonly chain?: RegExp
  readonly table?: RegExp
  readonly link?: RegExp
}

/** What each program leaves behind; the names are those in the programs' own sources. */
const TRACES: readonly Trace[] = [
  { name: 'docker', chain: /^DOCKER(-|$)/, table: /^docker-bridges$/, link: /^(docker0|br-[0-9a-f]{12})$/ },
  { name: 'podman', chain: /^(NETAVARK|CNI-)/, table: /^netavark$/, link: /^(podman\d+|cni-podman\d+)$/ },
  { name: 'libvirt', chain: /^LIBVIRT_/, table: /^libvirt_network$/, link: /^virbr\d+$/ },
  { name: 'lxd', table: /^lxd$/, link: /^lxdbr\d+$/ },
  { name: 'incus', table: /^incus$/, link: /^incusbr\d+$/ },
  { name: 'kubernetes', chain: /^(KUBE-|CILIUM_|cali-)/, link: /^(cni0|cilium_host)$/ },
  { name: 'ufw', chain: /^ufw6?-/ },
  { name: 'firewalld', table: /^firewalld$/, chain: /^(INPUT|FORWARD)_ZONES/ },
  { name: 'fail2ban', chain: /^(f2b-|fail2ban-)/, table: /^f2b-table$/ },
  { name: 'crowdsec', chain: /^CROWDSEC_CHAIN/, table: /^crowdsec6?$/ },
  { name: 'tailscale', chain: /^ts-(input|forward|postrouting)$/, link: /^tailscale\d+$/ },
  { name: 'wg-quick', table: /^wg-quick-/ },
  { name: 'systemd-networkd', table: /^io\.systemd\.nat$/ },
  { name: 'opensnitch', table: /^opensnitch$/ },
]

/** The tables that iptables-nft makes: its rules are in nft's ruleset under these names. */
const IPTABLES_TABLES: ReadonlySet<string> = new Set(['filter', 'nat', 'mangle', 'raw', 'security'])
const BUILT_IN_CHAINS: ReadonlySet<string> = new Set([
  'PREROUTING',
  'INPUT',
  'FORWARD',
  'OUTPUT',
  'POSTROUTING',
])

/**
 * Who else writes rules here. A program is known by its chains, tables and interfaces; what remains is named after
 * its table: `iptables-nft`, `iptables-legacy`, or `nft table FAMILY NAME`. Never admit's own table or chains.
 */
export function findOtherFirewalls(
  chains: readonly ChainName[],
  interfaces: readonly NetworkInterface[],
): readonly OtherFirewall[] {
  const others = chains.filter((one) => one.table !== 'admit' && !one.chain.startsWith('ADMIT-'))
  const found = new Map<string, string>()
  for (const trace of TRACES) {
    const evidence = evidenceOf(trace, others, interfaces)
    if (evidence !== undefined) found.set(trace.name, evidence)
  }
  for (const one of others.filter((chain) => !explained(chain, others))) {
    const where = `${one.family} ${one.table}`
    const name = one.legacy
      ? 'iptables-legacy'
      : isIptables(one, others)
        ? 'iptables-nft'
        : `nft table ${where}`
    if (!found.has(name)) found.set(name, `chain ${one.chain} in table ${where}`)
  }
  return [...found].map(([name, evidence]) => ({ name, evidence }))
}

function evidenceOf(
  trace: Trace,
  chains: readonly ChainName[],
  interfaces: readonly NetworkInterface[],
): string | undefined {
  const chain = chains.find((one) => trace.chain?.test(one.chain) === true)
  if (chain !== undefined) return `chain ${chain.chain} in table ${chain.family} ${chain.table}`
  const table = chains.find((one) => trace.table?.test(one.table) === true)
  if (table !== undefined) return `table ${table.family} ${table.table}`
  const link = interfaces.find((one) => trace.link?.test(one.name) === true)
  return link === undefined ? undefined : `interface ${link.name}`
}

/** A chain of a program above, or a built-in iptables chain in a table that such a program has chains in. */
function explained(one: ChainName, all: readonly ChainName[]): boolean {
  if (traced(one)) return true
  const beside = (other: ChainName) =>
    other.family === one.family && other.table === one.table && other.legacy === one.legacy
  return BUILT_IN_CHAINS.has(one.chain) && all.some((other) => beside(other) && traced(other))
}

function traced(one: ChainName): boolean {
  return TRACES.some(
    (trace) => trace.chain?.test(one.chain) === true || trace.table?.test(one.table) === true,
  )
}

/** Family inet is nftables' own; iptables-nft writes ip and ip6 only, and its base chains are in capitals. */
function isIptables(one: ChainName, all: readonly ChainName[]): boolean {
  const sameTable = all.filter(({ family, table }) => family === one.family && table === one.table)
  return (
    (one.family === 'ip' || one.family === 'ip6') &&
    IPTABLES_TABLES.has(one.table) &&
    sameTable.some(({ chain }) => /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(chain))
  )
}

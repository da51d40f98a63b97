import type { HostFacts } from '../host/host-facts.ts'
import type { ChainName } from '../host/read-firewalls.ts'
import { readLegacyChains, readNftChains } from '../host/read-firewalls.ts'
import type { InterfacesReading } from '../host/read-interfaces.ts'
import type { Reader } from './host-reader-tools.ts'
import { ask, readIfThere } from './host-reader-tools.ts'

/** The chains of every table of nftables, and of legacy iptables where its tables are in use. */
export async function readChains(reader: Reader): Promise<readonly ChainName[]> {
  const [nft, legacy4, legacy6] = await Promise.all([
    ask(reader, 'nft', ['-j', 'list', 'chains'], readNftChains),
    readLegacy(reader, 'ip', '/proc/net/ip_tables_names', 'iptables-legacy-save'),
    readLegacy(reader, 'ip6', '/proc/net/ip6_tables_names', 'ip6tables-legacy-save'),
  ])
  return [...nft, ...legacy4, ...legacy6]
}

/** Asks iptables-legacy only where its tables exist: asking would make them, and load their modules. */
async function readLegacy(
  reader: Reader,
  family: 'ip' | 'ip6',
  tables: string,
  command: string,
): Promise<readonly ChainName[]> {
  const names = await readIfThere(tables)
  if (names === undefined || names.trim() === '') return []
  return ask(reader, command, [], (text) => ({ value: readLegacyChains(text, family), notes: [] }))
}

/** Whether packets are forwarded, and whether bridged frames pass the rules, by the sysctls of this network namespace. */
export async function readForwarding(
  links: InterfacesReading,
): Promise<Pick<HostFacts, 'forwarding' | 'bridgeNetfilter'>> {
  const names = [
    'all',
    ...links.interfaces.filter((link) => link.kind !== 'loopback').map((link) => link.name),
  ]
  const forwards = async (family: 'ipv4' | 'ipv6'): Promise<boolean> =>
    // `all` is what ip_forward shows; one interface alone may forward too.
    anyIsOne(names.map((name) => `/proc/sys/net/${family}/conf/${name}/forwarding`))
  const [ip, ip6, bridge4, bridge6] = await Promise.all([
    forwards('ipv4'),
    forwards('ipv6'),
    anyIsOne(['/proc/sys/net/bridge/bridge-nf-call-iptables']),
    anyIsOne(['/proc/sys/net/bridge/bridge-nf-call-ip6tables']),
  ])
  const bridges = links.bridgesCallNetfilter
  return {
    forwarding: { ip, ip6 },
    bridgeNetfilter: { ip: bridge4 || bridges.ip, ip6: bridge6 || bridges.ip6 },
  }
}

async function anyIsOne(paths: readonly string[]): Promise<boolean> {
  const texts = await Promise.all(paths.map(readIfThere))
  return texts.some((text) => text !== undefined && Number(text.trim()) >= 1)
}

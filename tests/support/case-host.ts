import { InternalError } from '../../src/base/internal-error.ts'
import type { Result } from '../../src/base/result.ts'
import type {
  Gateway,
  HostFacts,
  InterfaceAddress,
  InterfaceKind,
  Listener,
  Neighbour,
  NetworkInterface,
  OtherFirewall,
  SshConnection,
} from '../../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../../src/host/host-facts.ts'
import { parseInterfaceName } from '../../src/net/interface-name.ts'
import { parseIpAddress } from '../../src/net/ip-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import { SAMPLE_HOST } from './sample-host.ts'

const KINDS: Readonly<Record<InterfaceKind, boolean>> = {
  loopback: false,
  physical: true,
  veth: true,
  bridge: true,
  bond: true,
  vlan: true,
  vrf: true,
  macvlan: true,
  dummy: true,
  tun: false,
  wireguard: false,
  ppp: false,
  other: false,
}

/** A case's host; `services: false` where it has no list of services. */
export interface CaseHost {
  /** Absent: the policy is held against no host. */
  readonly facts?: HostFacts
  readonly services: boolean
}

/** Reads a case's host.txt (its format: tests/cases/README.md). A mistake in it is a mistake of the test's author. */
export function parseCaseHost(text: string): CaseHost {
  const words = text.trim()
  if (words === '') return { services: true }
  if (words === 'sample') return { facts: SAMPLE_HOST, services: true }
  if (words === 'no service list') return { services: false }
  const facts = parseFacts(text)
  return { facts, services: true }
}

/** What the lines of a host.txt gather; the readonly facts are made of it in the end. */
interface Draft {
  interfaces: NetworkInterface[]
  gateways: Gateway[]
  neighbours: Neighbour[]
  listeners: Listener[]
  sshPorts: number[]
  sshConnections: SshConnection[]
  forwarding: HostFacts['forwarding']
  bridgeNetfilter: HostFacts['bridgeNetfilter']
  otherFirewalls: OtherFirewall[]
}

function parseFacts(text: string): HostFacts {
  const draft: Draft = {
    interfaces: [],
    gateways: [],
    neighbours: [],
    listeners: [],
    sshPorts: [],
    sshConnections: [],
    forwarding: UNKNOWN_HOST.forwarding,
    bridgeNetfilter: UNKNOWN_HOST.bridgeNetfilter,
    otherFirewalls: [],
  }
  for (const [index, line] of text.split('\n').entries()) {
    const words = line
      .replace(/(^|\s)#.*$/, '')
      .trim()
      .split(/\s+/)
    if (words[0] === '' || words[0] === undefined) continue
    try {
      takeLine(draft, words[0], words.slice(1))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`host.txt:${index + 1}: ${why}`, { cause: error })
    }
  }
  return { ...draft, interfaces: withMasterKinds(draft.interfaces) }
}

function takeLine(draft: Draft, kind: string, words: readonly string[]): void {
  const [first = '', second = '', third = ''] = words
  switch (kind) {
    case 'interface':
      draft.interfaces.push(interfaceOf(words))
      return
    case 'gateway':
      draft.gateways.push({
        interface: must(parseInterfaceName(first)),
        address: must(parseIpAddress(second)),
        ...(third === '' ? {} : { mac: must(parseMacAddress(third)) }),
      })
      return
    case 'neighbour':
      draft.neighbours.push({
        interface: must(parseInterfaceName(first)),
        address: must(parseIpAddress(second)),
        mac: must(parseMacAddress(third)),
      })
      return
    case 'listener':
      draft.listeners.push(listenerOf(words))
      return
    case 'ssh':
      draft.sshPorts.push(...words.map(Number))
      return
    case 'connection':
      draft.sshConnections.push(connectionOf(words))
      return
    case 'forwards':
      draft.forwarding = families(words)
      return
    case 'bridge-netfilter':
      draft.bridgeNetfilter = families(words)
      return
    case 'firewall':
      draft.otherFirewalls.push({ name: first, evidence: words.slice(1).join(' ') })
      return
    default:
      throw new InternalError(`unknown word ${kind}`)
  }
}

/** `eth0 physical 52:54:00:00:00:01 192.0.2.1/24 down master br0` */
function interfaceOf(words: readonly string[]): NetworkInterface {
  const [name = '', kind = ''] = words
  if (!isKind(kind)) throw new InternalError(`unknown kind of interface: ${kind}`)
  const rest = words.slice(2)
  const at = rest.indexOf('master')
  const master = at < 0 ? undefined : rest[at + 1]
  const plain = rest.filter((_, index) => at < 0 || index < at)
  const mac = plain.find((word) => parseMacAddress(word).ok)
  return {
    name: must(parseInterfaceName(name)),
    kind,
    ethernet: KINDS[kind],
    ...(mac === undefined ? {} : { mac: must(parseMacAddress(mac)) }),
    addresses: plain.filter((word) => word.includes('/')).map(addressOf),
    up: !plain.includes('down'),
    ...(master === undefined
      ? {}
      : { master: { name: must(parseInterfaceName(master)), kind: 'bridge' as const } }),
  }
}

function isKind(word: string): word is InterfaceKind {
  return Object.hasOwn(KINDS, word)
}

function addressOf(word: string): InterfaceAddress {
  const slash = word.indexOf('/')
  const address = must(parseIpAddress(word.slice(0, slash)))
  const scope = /^fe[89ab]/.test(address) ? 'link' : address.startsWith('127.') ? 'host' : 'global'
  return { address, prefix: Number(word.slice(slash + 1)), scope }
}

/** A master's kind is that of the interface it names. */
function withMasterKinds(interfaces: readonly NetworkInterface[]): readonly NetworkInterface[] {
  return interfaces.map((entry) => {
    if (entry.master === undefined) return entry
    const name = entry.master.name
    const master = interfaces.find((candidate) => candidate.name === name)
    if (master === undefined) throw new Error(`host.txt: there is no interface ${name}`)
    return { ...entry, master: { name, kind: master.kind } }
  })
}

/** `22/tcp sshd`, `127.0.0.1 5432/tcp postgres` */
function listenerOf(words: readonly string[]): Listener {
  const [first = ''] = words
  const address = parseIpAddress(first)
  const [service = '', program] = address.ok ? words.slice(1) : words
  const [port, protocol] = service.split('/')
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw new InternalError(`not PORT/tcp or PORT/udp: ${service}`)
  return {
    protocol,
    port: Number(port),
    ...(address.ok ? { address: address.value } : {}),
    ...(program === undefined ? {} : { program }),
  }
}

/** `203.0.113.7 50000 to 192.0.2.1 22 on eth0 gateway 192.0.2.254`, `… on eth0 mac 00:16:3e:00:00:07` */
function connectionOf(words: readonly string[]): SshConnection {
  const [remote = '', remotePort, , local = '', localPort] = words
  const after = (word: string): string | undefined => {
    const at = words.indexOf(word)
    return at < 0 ? undefined : words[at + 1]
  }
  const [on, mac, gateway] = [after('on'), after('mac'), after('gateway')]
  return {
    local: { address: must(parseIpAddress(local)), port: Number(localPort) },
    remote: { address: must(parseIpAddress(remote)), port: Number(remotePort) },
    ...(on === undefined ? {} : { interface: must(parseInterfaceName(on)) }),
    ...(mac === undefined ? {} : { mac: must(parseMacAddress(mac)) }),
    ...(gateway === undefined ? {} : { gateway: must(parseIpAddress(gateway)) }),
  }
}

function families(words: readonly string[]): { readonly ip: boolean; readonly ip6: boolean } {
  return { ip: words.includes('ip'), ip6: words.includes('ip6') }
}

function must<T>(result: Result<T, string>): T {
  if (!result.ok) throw new InternalError(result.error)
  return result.value
}

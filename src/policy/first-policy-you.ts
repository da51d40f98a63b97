import type { HostFacts, NetworkInterface, SshConnection } from '../host/host-facts.ts'
import { formatCidr } from '../net/cidr.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { familyOf, ipFromNumber, ipToNumber } from '../net/ip-address.ts'
import { macKind } from '../net/mac-address.ts'
import { GUEST_BRIDGE } from './first-policy-host.ts'
import { comment, commented, quoted } from './first-policy-text.ts'

/** Whoever asks for a first policy, as its device `me`. */
export interface You {
  readonly lines: readonly string[]
  /** Absent where nobody could be listed. */
  readonly grant?: string
  readonly warnings: readonly string[]
}

/** Nobody could be listed: what to fill in, and why. */
export function nobody(reason: string): You {
  return {
    lines: [
      ...comment(`FILL IN: nobody is listed yet. ${reason}`),
      ...comment(
        'Uncomment one of these two and the grant below. On your device, `admit whoami` shows its MAC:',
      ),
      commented(
        'me: { mac: MAC-OF-YOUR-DEVICE, admin: true, unseen: true }   # in the same network as this host',
      ),
      commented('me: { address: ADDRESS-YOU-COME-FROM, admin: true, unseen: true }   # from anywhere else'),
    ],
    warnings: [`${reason} List your device in the policy: until then \`admit check\` refuses it.`],
  }
}

/** Who `who` is to this host: a MAC where they are one hop away, else an address, with the reason. */
export function identify(who: SshConnection, facts: HostFacts): You {
  const peer = who.remote.address
  const link = facts.interfaces.find((one) => one.name === who.interface)
  const own = facts.interfaces.some((one) => one.addresses.some((entry) => entry.address === peer))
  if (own || who.interface === 'lo' || peer === '::1' || peer.startsWith('127.')) {
    return nobody(`Your SSH connection comes from this host itself (${peer}), by a tunnel or a second ssh.`)
  }
  const on = link === undefined ? '' : ` on ${link.name}`
  const gateway =
    facts.gateways.find((one) => one.mac !== undefined && one.mac === who.mac)?.address ?? who.gateway
  const mac = who.mac
  if (mac !== undefined && gateway === undefined && link?.ethernet === true) {
    const warnings =
      macKind(mac) === 'local'
        ? [
            `The maker of your card did not give it the MAC ${mac}: on a phone or laptop, set it to stay the same here`,
          ]
        : []
    return {
      lines: [
        ...comment(
          `You: your SSH connection comes from ${peer}, a neighbour${on}, so your MAC address is seen here.`,
        ),
        ...warnings.flatMap((text) => comment(`${text}.`)),
        `  me: { mac: ${mac}, admin: true }`,
        ...spare('mac: MAC-OF-ANOTHER-DEVICE', '`admit whoami` on it shows its MAC address'),
      ],
      grant: '{ from: me, to: everything }',
      warnings,
    }
  }
  return byAddress(peer, gateway, link, on)
}

function byAddress(
  peer: IpAddress,
  gateway: IpAddress | undefined,
  link: NetworkInterface | undefined,
  on: string,
): You {
  const six = familyOf(peer) === 'ip6' && gateway !== undefined
  const tunnel = gateway === undefined && link !== undefined && !link.ethernet
  const from = six ? networkOf(peer) : peer
  const why =
    gateway === undefined
      ? tunnel
        ? `${link.name} carries no MAC addresses`
        : 'your MAC address is not known here'
      : `you come through the gateway ${gateway}${on}, and all that comes from beyond it carries the gateway's MAC address, ` +
        'so that listing this MAC would let everyone in'
  const fate = tunnel
    ? 'Whoever else may send from it there is taken for you; a WireGuard peer keeps its address to itself.'
    : six
      ? `All of ${from} is listed, since IPv6 devices change the last half of their address daily; if yours is fixed, ` +
        'list it alone.'
      : 'Whoever shares it with you (NAT) is taken for you.'
  const later = tunnel
    ? 'If your address changes, you are a stranger: list a second way in.'
    : 'If your provider gives you another address, you are a stranger: list a second way in.'
  return {
    lines: [
      ...comment(`You: your SSH connection comes from ${peer}. You are known by your address: ${why}.`),
      ...comment(`${fate} ${later}`),
      `  me: { address: ${quoted(from)}, admin: true }`,
      ...spare('address: ANOTHER-ADDRESS', 'an address that you can always come from'),
    ],
    grant: '{ from: me, to: [ssh, ping] }',
    warnings: [`You are known by your address ${from}: ${why}. ${later}`],
  }
}

function spare(identity: string, hint: string): readonly string[] {
  return [commented(`spare: { ${identity}, admin: true, unseen: true }   # ${hint}`)]
}

/** The /64 that an IPv6 address lies in: what one home or one server has (RFC 6177). */
function networkOf(address: IpAddress): string {
  const first = ipFromNumber('ip6', (ipToNumber(address) >> 64n) << 64n)
  return formatCidr({ family: 'ip6', address: first, prefix: 64 })
}

/** Other devices that are seen now, as comments to choose from: SSH peers first, then neighbours. */
export function candidates(facts: HostFacts, who: SshConnection | undefined): readonly string[] {
  const gateways = new Set(facts.gateways.map((one) => one.mac))
  const told = new Set<string | undefined>([who?.mac, who?.remote.address])
  const peers = facts.sshConnections.filter((one) => one.interface !== 'lo')
  const seen = facts.neighbours.filter((one) => !gateways.has(one.mac) && !GUEST_BRIDGE.test(one.interface))
  const lines: string[] = []
  const offer = (identity: string, key: string, hint: string): void => {
    if (told.has(key) || lines.length >= 6) return
    told.add(key)
    lines.push(`seen${lines.length + 1}: { ${identity} }   # ${hint}`)
  }
  for (const { remote, mac } of peers) {
    if (told.has(remote.address)) continue
    if (mac === undefined) offer(`address: ${quoted(remote.address)}`, remote.address, 'connected by SSH now')
    else offer(`mac: ${mac}`, mac, `connected by SSH now, from ${remote.address}`)
  }
  for (const { mac, address, interface: name } of seen) offer(`mac: ${mac}`, mac, `${address} on ${name}`)
  if (lines.length === 0) return []
  return [
    ...comment('Also seen by this host now; list those that are yours, under names of your own:'),
    ...lines.map(commented),
  ]
}

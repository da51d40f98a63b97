import { existsSync, writeFileSync } from 'node:fs'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import type { Family } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import type { WirePacket } from './frames.ts'
import { ethernetFrame, ipPacket } from './frames.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import { cidrOf, NEXT_HOP_MAC, ownNetworks } from './host-plan.ts'
import { PROBE_TABLES, REMOVE_PROBE_TABLES } from './probe.ts'
import type { OutputSender, Sender } from './raw-socket.ts'
import { openFrameSender, openOutputSender, openTun } from './raw-socket.ts'
import { nft } from './nft.ts'
import { run } from './run.ts'

/** The namespace in which the far ends of all the host's cables lie. */
export const PEER = 'peer'

/** Where a packet comes from: a frame put on a cable, an IP packet on lo or a tun, or this host itself. */
export type Origin =
  | {
      readonly kind: 'frame'
      readonly cable: InterfaceName
      readonly from: MacAddress
      readonly to: MacAddress
    }
  | { readonly kind: 'tun'; readonly name: InterfaceName }
  | { readonly kind: 'lo' }
  | { readonly kind: 'host'; readonly scope?: InterfaceName }

/** A host made of real interfaces in this private network namespace. */
export interface HostUnderTest {
  readonly plan: HostPlan
  send(origin: Origin, packet: WirePacket): void
  close(): void
}

/** Can this kernel show bridged frames to the inet chains? Where not, bridged packets are left out, and the tests say so. */
export function hasBridgeNetfilter(): boolean {
  return existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')
}

/** Builds the host of the plan. Only inside `script/netns`: it changes the namespace that it runs in. */
export function buildHost(plan: HostPlan): HostUnderTest {
  if (process.env['ADMIT_NETNS'] !== 'private') throw new Error('only inside script/netns')
  const senders = new Map<string, Sender>()
  setSysctls()
  run('ip', ['netns', 'add', PEER])
  run('ip', ['netns', 'exec', PEER, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'])
  for (const planned of plan.interfaces) {
    if (planned.kind === 'tun') senders.set(planned.name, openTun(planned.name))
  }
  run('ip', ['-batch', '-'], plan.interfaces.flatMap(linkCommands).join('\n'))
  const far = cablesOf(plan).map((cable) => `link set ${cable} up`)
  run('ip', ['-n', PEER, '-batch', '-'], far.join('\n'))
  run('ip', ['-batch', '-'], addressCommands(plan).join('\n'))
  for (const cable of cablesOf(plan)) senders.set(cable, openFrameSender(cable, PEER))
  senders.set('lo', openFrameSender('lo'))
  const output = openOutputSender()
  nft(PROBE_TABLES)
  return {
    plan,
    send: (origin, packet) => {
      sendFrom(senders, output, origin, packet)
    },
    close: () => {
      for (const sender of senders.values()) sender.close()
      output.close()
      for (const cable of cablesOf(plan)) run('ip', ['link', 'del', cable])
      for (const planned of plan.interfaces) {
        if (planned.kind === 'bridge') run('ip', ['link', 'del', planned.name])
      }
      run('ip', ['netns', 'del', PEER])
      nft(REMOVE_PROBE_TABLES)
    },
  }
}

function sendFrom(
  senders: ReadonlyMap<string, Sender>,
  output: OutputSender,
  origin: Origin,
  packet: WirePacket,
): void {
  switch (origin.kind) {
    case 'frame':
      return senderNamed(senders, origin.cable).send(ethernetFrame(origin.to, origin.from, packet))
    case 'tun':
      return senderNamed(senders, origin.name).send(ipPacket(packet))
    case 'lo':
      return senderNamed(senders, 'lo').send(ethernetFrame(ZERO_MAC, ZERO_MAC, packet))
    case 'host':
      return output.send(ipPacket(packet), packet.family, packet.destination, origin.scope)
    default:
      return origin satisfies never
  }
}

const ZERO_MAC = '00:00:00:00:00:00' as MacAddress

function senderNamed(senders: ReadonlyMap<string, Sender>, name: string): Sender {
  const sender = senders.get(name)
  if (sender === undefined) throw new Error(`nothing can send on ${name}`)
  return sender
}

/** The ends in the peer namespace: one a veth, and one a port of a bridge, each named as the host's end. */
export function cablesOf(plan: HostPlan): readonly InterfaceName[] {
  return plan.interfaces.flatMap((planned) => (planned.kind === 'veth' ? [planned.name] : planned.ports))
}

function setSysctls(): void {
  const settings: Record<string, string> = {
    'ipv4/ip_forward': '1',
    'ipv4/icmp_ratelimit': '0',
    'netfilter/nf_conntrack_tcp_be_liberal': '1',
    // Three seconds by default: too short between preparing and trying on a busy machine.
    'netfilter/nf_conntrack_sctp_timeout_cookie_wait': '60',
    'netfilter/nf_conntrack_sctp_timeout_cookie_echoed': '60',
    'netfilter/nf_conntrack_tcp_timeout_close': '60',
    'netfilter/nf_conntrack_sctp_timeout_closed': '60',
  }
  for (const scope of ['all', 'default', 'lo']) {
    Object.assign(settings, {
      [`ipv4/conf/${scope}/rp_filter`]: '0',
      [`ipv4/conf/${scope}/accept_local`]: '1',
      [`ipv4/conf/${scope}/send_redirects`]: '0',
      [`ipv6/conf/${scope}/forwarding`]: '1',
      [`ipv6/conf/${scope}/accept_dad`]: '0',
      [`ipv6/conf/${scope}/addr_gen_mode`]: '1',
    })
  }
  if (hasBridgeNetfilter()) {
    settings['bridge/bridge-nf-call-iptables'] = '1'
    settings['bridge/bridge-nf-call-ip6tables'] = '1'
  }
  for (const [path, value] of Object.entries(settings)) writeFileSync(`/proc/sys/net/${path}`, value)
}

function linkCommands(planned: PlannedInterface): readonly string[] {
  const { name, mac } = planned
  switch (planned.kind) {
    case 'veth':
      return [...vethCommands(name), `link set ${name} address ${mac} up`]
    case 'bridge':
      return [
        `link add ${name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
        ...planned.ports.flatMap((port) => [
          ...vethCommands(port),
          `link set ${port} master ${name}`,
          `link set ${port} up`,
        ]),
        `link set ${name} address ${mac} up`,
      ]
    case 'tun':
      return [`link set ${name} up`]
    default:
      return planned.kind satisfies never
  }
}

function vethCommands(name: InterfaceName): readonly string[] {
  return [`link add ${name} type veth peer name ${name} netns ${PEER}`]
}

/**
 * No network is on-link: the kernel's table of neighbours is shared by all namespaces, holds 1,024, and an address in
 * it for each packet of the harness would soon fill it.
 */
function addressCommands(plan: HostPlan): readonly string[] {
  return plan.interfaces.flatMap((planned, index) => {
    const { name } = planned
    const hops: Readonly<Record<Family, string>> = {
      ip: planned.address.replace(/\d+$/, '254'),
      ip6: planned.address6.replace(/1$/, 'fe'),
    }
    const networks = [...ownNetworks(planned), ...planned.behind, ...(index === 0 ? EVERYWHERE : [])]
    return [
      `address add ${planned.address}/24 brd + dev ${name} noprefixroute`,
      `address add ${planned.address6}/64 dev ${name} nodad noprefixroute`,
      `address add ${planned.linkLocal}/64 dev ${name} nodad`,
      ...Object.values(hops).map((hop) => `route add ${hop} dev ${name}`),
      ...(planned.kind === 'tun'
        ? []
        : Object.values(hops).map(
            (hop) => `neigh add ${hop} lladdr ${NEXT_HOP_MAC} dev ${name} nud permanent`,
          )),
      ...networks.map(
        (cidr) => `route add ${cidr.address}/${cidr.prefix} via ${hops[cidr.family]} dev ${name}`,
      ),
    ]
  })
}

const EVERYWHERE = ['0.0.0.0/0', '::/0'].map(cidrOf)

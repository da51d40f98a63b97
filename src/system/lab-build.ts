import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { InternalError } from '../base/internal-error.ts'
import type { LabPlan } from '../lab/lab-plan.ts'
import type { TunWire } from '../lab/wiring.ts'
import { planWiring } from '../lab/wiring.ts'
import type { Agent } from './lab-agent.ts'
import { startAgent } from './lab-agent.ts'

/** The lab as it stands: an agent in every machine, and in the host copy, which is the worker's own namespace. */
export interface Lab {
  readonly host: Agent
  readonly machines: ReadonlyMap<string, Agent>
}

/** The agent of a machine of the plan; `host` is the host copy. */
export function agentOf(lab: Lab, machine: string): Agent {
  const agent = machine === 'host' ? lab.host : lab.machines.get(machine)
  if (agent === undefined) throw new InternalError(`the lab has no machine ${machine}`)
  return agent
}

/** Builds the plan's namespaces and links. Rejects with what the system said. */
export async function buildLab(
  plan: LabPlan,
  onAnswer: (probe: number, admitted: boolean) => void,
  onProgress: (done: number, total: number) => void,
): Promise<Lab> {
  let done = 0
  const total = plan.machines.length + 2
  onProgress(0, total)
  const start = async (where: 'own' | 'here'): Promise<Agent> => {
    const agent = await startAgent(where, onAnswer)
    onProgress(++done, total)
    return agent
  }
  const [host, wire, ...others] = await Promise.all([
    start('here'),
    start('own'),
    ...plan.machines.map(() => start('own')),
  ])
  const machines = new Map(
    plan.machines.flatMap((machine, index) => {
      const agent = others[index]
      return agent === undefined ? [] : [[machine.id, agent] as const]
    }),
  )
  setSysctls(plan, host, wire, machines)
  await Promise.all([host, wire, ...machines.values()].map((agent) => agent.started()))
  const wiring = planWiring(plan, (machine) => {
    if (machine === 'host') return process.pid
    return machine === 'wire' ? wire.pid : (machines.get(machine)?.pid ?? 0)
  })
  await Promise.all(wiring.tuns.map(startTun))
  await host.ip(wiring.create)
  await Promise.all([
    host.ip(wiring.host),
    ...plan.machines.map((machine) => machines.get(machine.id)?.ip(wiring.machines.get(machine.id) ?? [])),
  ])
  await wire.ip(wiring.wire)
  return { host, machines }
}

/** Neighbours are asked for at once, nobody filters by route, and only rules decide. */
const EVERYWHERE = [
  ['net/ipv4/conf/all/rp_filter', '0'],
  ['net/ipv4/conf/default/rp_filter', '0'],
  ['net/ipv6/conf/all/accept_dad', '0'],
  ['net/ipv6/conf/default/accept_dad', '0'],
  // None of its own making: the host copy has the host's addresses and no others.
  ['net/ipv6/conf/default/addr_gen_mode', '1'],
  ['net/ipv6/conf/default/accept_ra', '0'],
  ['net/ipv4/ping_group_range', '0 0'],
] as const

function setSysctls(plan: LabPlan, host: Agent, wire: Agent, machines: ReadonlyMap<string, Agent>): void {
  for (const agent of [host, wire, ...machines.values()]) {
    for (const [path, value] of EVERYWHERE) agent.sysctl(path, value)
  }
  const forwarding = (agent: Agent, ip: boolean, ip6: boolean): void => {
    agent.sysctl('net/ipv4/ip_forward', ip ? '1' : '0')
    agent.sysctl('net/ipv6/conf/all/forwarding', ip6 ? '1' : '0')
  }
  forwarding(host, plan.forwarding.ip, plan.forwarding.ip6)
  host.sysctl('net/bridge/bridge-nf-call-iptables', plan.bridgeNetfilter.ip ? '1' : '0')
  host.sysctl('net/bridge/bridge-nf-call-ip6tables', plan.bridgeNetfilter.ip6 ? '1' : '0')
  wire.sysctl('net/bridge/bridge-nf-call-iptables', '0')
  wire.sysctl('net/bridge/bridge-nf-call-ip6tables', '0')
  for (const machine of plan.machines) {
    const agent = machines.get(machine.id)
    if (!machine.forwards || agent === undefined) continue
    forwarding(agent, true, true)
    // A router without a link-local address cannot ask for a neighbour on behalf of what it forwards: Linux then has no
    // source for the question (ndisc_send_ns in net/ipv6/ndisc.c) and the packet is lost.
    agent.sysctl('net/ipv6/conf/default/addr_gen_mode', '0')
  }
}

/**
 * A wire for bare IP packets. A tun device gives its packets to whoever has opened it, and opening takes an ioctl,
 * which Node has not; perl-base is on every Debian. The first end also gets what is nobody else's.
 */
const TUN_SWITCH = `
use strict; use warnings; use Socket qw(inet_pton AF_INET AF_INET6);
my (@end, %owner, $want);
for (@ARGV) {
  my ($name, @address) = split /,/;
  open(my $tun, '+<', '/dev/net/tun') or die "/dev/net/tun: $!\n";
  # TUNSETIFF, with IFF_TUN | IFF_NO_PI (linux/if_tun.h)
  ioctl($tun, 0x400454ca, pack('a16 s x22', $name, 0x1001)) or die "tun $name: $!\n";
  push @end, $tun;
  $owner{inet_pton(/:/ ? AF_INET6 : AF_INET, $_)} = $tun for @address;
}
vec($want, fileno $_, 1) = 1 for @end;
$| = 1; print "ready\n";
while (select(my $got = $want, undef, undef, undef) > 0) {
  for my $tun (grep { vec($got, fileno $_, 1) } @end) {
    my $size = sysread($tun, my $packet, 65536);
    next unless $size && $size >= 20;
    my $to = ord($packet) >> 4 == 4 ? substr($packet, 16, 4) : substr($packet, 24, 16);
    syswrite($owner{$to} // $end[0], $packet);
  }
}
`

function startTun(tun: TunWire): Promise<void> {
  const ends = tun.ends.map(({ name, addresses }) => [name, ...addresses].join(','))
  const child = spawn('perl', ['-e', TUN_SWITCH, '--', ...ends], { stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', () => resolve())
    createInterface({ input: child.stderr }).once('line', (line) => reject(new Error(line)))
    child.on('error', reject)
  })
}

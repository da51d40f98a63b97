import { nowhere } from '../../src/base/place.ts'
import { renderTable } from '../../src/backends/nftables/render.ts'
import type { Result } from '../../src/base/result.ts'
import { compile } from '../../src/compile/compile.ts'
import type { HostFacts } from '../../src/host/host-facts.ts'
import type { KernelError } from '../../src/kernel/kernel.ts'
import type { LabReport } from '../../src/lab/lab-matrix.ts'
import type { Packet } from '../../src/packet/packet.ts'
import { judge } from '../../src/policy/meaning.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { LabProgress } from '../../src/system/lab-runner.ts'
import { runLab } from '../../src/system/lab-runner.ts'
import {
  bound,
  byAddress,
  byMac,
  cidr,
  device,
  face,
  gateway,
  grant,
  host,
  link,
  mac,
  PING,
  policy,
  service,
} from './lab-fixtures.ts'

export const SSH = service('ssh', '22222/tcp')
export const WEB = service('web', '80/tcp', '443/tcp', '443/udp')

/** A server on one link, without a gateway. */
export const SMALL = {
  facts: host([
    link('eth0', 'physical', ['192.168.1.10/24', 'fe80::10/64'], { mac: mac('52:54:00:00:00:10') }),
  ]),
  policy: policy(
    [
      device('laptop', [byMac('00:11:22:33:44:55')]),
      device('desk', [bound('00:16:3e:00:00:07', '192.168.1.7')]),
    ],
    [grant(['laptop'], 'everything'), grant(['desk'], [SSH, PING])],
    { services: [SSH] },
  ),
}

/** A VPS: a /32 address, a gateway that is on none of its networks, and an IPv6 gateway of link-local address. */
export const VPS = {
  facts: host(
    [
      link('eth0', 'physical', ['203.0.113.5/32', '2001:db8:5::1/64', 'fe80::5/64'], {
        mac: mac('96:00:00:00:00:05'),
      }),
    ],
    {
      gateways: [
        gateway('eth0', '172.31.1.1', 'd2:74:7f:6e:37:e3'),
        gateway('eth0', 'fe80::1', 'd2:74:7f:6e:37:e3'),
      ],
    },
  ),
  policy: policy(
    [
      device('laptop', [byMac('00:11:22:33:44:55')]),
      device('office', [byAddress('198.51.100.7'), byAddress('2001:db8:77::/64')]),
    ],
    [grant(['laptop'], 'everything'), grant(['office'], [SSH, PING]), grant('anyone', [WEB], ['eth0'])],
    { services: [SSH, WEB] },
  ),
}

/** A router of an office: the Internet on one side, a bridge with two ports and a tunnel on the other. */
export const OFFICE = {
  facts: host(
    [
      link('wan', 'physical', ['192.0.2.10/24'], { mac: mac('52:54:00:00:01:01') }),
      link('br0', 'bridge', ['192.168.1.1/24', '2001:db8:1::1/64'], { mac: mac('52:54:00:00:01:02') }),
      link('lan1', 'physical', [], {
        mac: mac('52:54:00:00:01:03'),
        master: { name: face('br0'), kind: 'bridge' },
      }),
      link('lan2', 'physical', [], {
        mac: mac('52:54:00:00:01:04'),
        master: { name: face('br0'), kind: 'bridge' },
      }),
      link('wg0', 'wireguard', ['10.8.0.1/24', '2001:db8:8::1/64']),
      link('old0', 'physical', [], { up: false }),
    ],
    {
      gateways: [gateway('wan', '192.0.2.1', 'fe:00:00:00:01:01')],
      forwarding: { ip: true, ip6: true },
      bridgeNetfilter: { ip: true, ip6: true },
    },
  ),
  policy: policy(
    [
      device('laptop', [byMac('00:11:22:33:44:55')]),
      device('phone', [byMac('a2:00:00:00:00:01'), byAddress('10.8.0.7')]),
      device('desk', [bound('00:16:3e:00:00:07', '192.168.1.7')]),
      device('uplink', [byMac('fe:00:00:00:01:01')], { everyoneBehind: 'gateway' }),
      device('gone', [byMac('00:16:3e:00:00:08')], { until: 1_000_000_000 }),
    ],
    [
      grant(['laptop'], 'everything', ['br0']),
      grant(['phone', 'desk', 'gone'], [SSH, PING]),
      grant(['uplink'], [WEB]),
    ],
    { services: [SSH, WEB], host: { forward: 'keep', refuse: 'reject' } },
  ),
}

/** The same office with a policy for what goes through it. */
export const GUARDED = {
  facts: OFFICE.facts,
  policy: policy(
    [
      device('desk', [bound('00:16:3e:00:00:07', '192.168.1.7')]),
      device('uplink', [byMac('fe:00:00:00:01:01')], { everyoneBehind: 'gateway' }),
    ],
    [
      grant(['desk'], [SSH]),
      {
        ...grant(['desk'], [SSH, PING]),
        through: [{ value: cidr('10.8.0.0/24'), place: nowhere('through') }],
      },
      { ...grant(['uplink'], [WEB]), through: [{ value: cidr('192.168.1.80'), place: nowhere('through') }] },
    ],
    { services: [SSH, WEB], host: { forward: 'guard' } },
  ),
}

/** Compiles the policy and runs it in a lab, held against the meaning, or against what the caller says instead. */
export function runCase(
  { facts, policy: one }: { readonly facts: HostFacts; readonly policy: Policy },
  more: {
    readonly expected?: (packet: Packet) => boolean
    readonly onProgress?: (progress: LabProgress) => void
    readonly rules?: string
  } = {},
): Promise<Result<LabReport, KernelError>> {
  const now = Date.now() / 1000
  const rules = more.rules ?? renderTable(compile(one, facts, { now }))
  const expected = more.expected ?? ((packet) => judge(one, facts, packet).verdict === 'admitted')
  return runLab(one, facts, rules, expected, { now, onProgress: more.onProgress ?? (() => {}) })
}

export function runSmallLab(
  onProgress: (progress: LabProgress) => void,
): Promise<Result<LabReport, KernelError>> {
  return runCase(SMALL, { onProgress })
}

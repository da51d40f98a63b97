import type { HostFacts } from '../../src/host/host-facts.ts'
import type { NetworkInterface } from '../../src/host/host-facts.ts'
import { parseInterfaceName } from '../../src/net/interface-name.ts'
import type { InterfaceName } from '../../src/net/interface-name.ts'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { parseIpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { parseMacAddress } from '../../src/net/mac-address.ts'
import type { Result } from '../../src/base/result.ts'
import { InternalError } from '../../src/base/internal-error.ts'

export const mac = (text: string): MacAddress => must(parseMacAddress(text))
export const ip = (text: string): IpAddress => must(parseIpAddress(text))
export const interfaceNamed = (text: string): InterfaceName => must(parseInterfaceName(text))

function must<T>(result: Result<T, string>): T {
  if (!result.ok) throw new InternalError(result.error)
  return result.value
}

function ethernet(name: string, address: string): NetworkInterface {
  return {
    name: interfaceNamed(name),
    kind: 'physical',
    ethernet: true,
    mac: mac(address),
    addresses: [],
    up: true,
  }
}

const eth0: NetworkInterface = {
  ...ethernet('eth0', '52:54:00:00:00:01'),
  addresses: [
    { address: ip('192.0.2.1'), prefix: 24, scope: 'global' },
    { address: ip('2001:db8::1'), prefix: 64, scope: 'global' },
  ],
}
const eth1: NetworkInterface = {
  ...ethernet('eth1', '52:54:00:00:00:02'),
  master: { name: interfaceNamed('br0'), kind: 'bridge' },
}
const bond: NetworkInterface = {
  ...ethernet('eth2', '52:54:00:00:00:03'),
  master: { name: interfaceNamed('bond0'), kind: 'bond' },
}

/** A host with lo, eth0 behind a gateway, br0 over eth1, bond0 over eth2, and wg0; a neighbour and an SSH client. */
export const SAMPLE_HOST: HostFacts = {
  interfaces: [
    { name: interfaceNamed('lo'), kind: 'loopback', ethernet: false, addresses: [], up: true },
    eth0,
    { ...ethernet('br0', '52:54:00:00:00:02'), kind: 'bridge' },
    eth1,
    { ...ethernet('bond0', '52:54:00:00:00:03'), kind: 'bond' },
    bond,
    { name: interfaceNamed('wg0'), kind: 'wireguard', ethernet: false, addresses: [], up: true },
  ],
  gateways: [
    { interface: interfaceNamed('eth0'), address: ip('192.0.2.254'), mac: mac('fe:00:00:00:01:01') },
  ],
  neighbours: [
    { interface: interfaceNamed('br0'), address: ip('192.168.1.7'), mac: mac('00:16:3e:00:00:07') },
    { interface: interfaceNamed('eth0'), address: ip('192.0.2.254'), mac: mac('fe:00:00:00:01:01') },
  ],
  listeners: [{ protocol: 'tcp', port: 22, program: 'sshd' }],
  sshPorts: [22],
  sshConnections: [
    {
      local: { address: ip('192.0.2.1'), port: 22 },
      remote: { address: ip('203.0.113.7'), port: 50000 },
      interface: interfaceNamed('eth0'),
      gateway: ip('192.0.2.254'),
    },
  ],
  forwarding: { ip: false, ip6: false },
  bridgeNetfilter: { ip: false, ip6: false },
  otherFirewalls: [],
}

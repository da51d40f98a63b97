import type { CodePages } from './page.ts'

/** Problems that show only beside the host: its interfaces, addresses and neighbours. The examples are about a host with eth0, wg0, and br0 over eth1. */
export const HOST_CODES = {
  'unknown-interface': {
    title: 'An interface that this host does not have',
    means:
      'In on: an error, since the grant would admit nobody. In unguarded: a warning, since an interface that appears later is judged until it is named rightly.',
    wrong: 'grants:\n  - { from: anyone, to: ssh, on: eht0 }\n',
    right: 'grants:\n  - { from: anyone, to: ssh, on: eth0 }\n',
  },
  'interface-has-master': {
    title: 'A bridge port, bond member or VRF member',
    means: 'Rules see packets of such an interface as arriving on its bridge, bond or VRF. Name that one.',
    wrong: 'grants:\n  - { from: anyone, to: ssh, on: eth1 }\n',
    right: 'grants:\n  - { from: anyone, to: ssh, on: br0 }\n',
  },
  'nothing-judged': {
    title: 'Every interface is unguarded',
    means:
      'What arrives on an unguarded interface is not judged. With all of them in that list, the policy keeps nobody out. A warning: only lo and the interfaces of containers belong there as a rule.',
    wrong: 'host: { unguarded: [eth0, wg0, br0, bond0] }\n',
    right: 'host: { unguarded: [br0] }\n',
  },
  'own-mac': {
    title: 'The host’s own MAC address',
    means:
      'It is the address that this host sends from, so no packet arrives with it. Perhaps `ip link` was run on the wrong machine.',
    wrong: 'devices:\n  laptop: { mac: 52:54:00:00:00:01 }\n',
    right: 'devices:\n  laptop: { mac: 00:1b:44:11:3a:b7 }\n',
  },
  'gateway-mac': {
    title: 'The MAC address of a gateway',
    means:
      'A MAC address is seen one hop far: every packet that comes through a router carries the router’s. To list a gateway is to admit everyone behind it; on a VPS that is the whole Internet. List the device by its address. If you do mean everyone, say everyone-behind: gateway beside the MAC address.',
    wrong: 'devices:\n  laptop: { mac: fe:00:00:00:01:01 }\n',
    right: 'devices:\n  laptop: { address: 198.51.100.7 }\n',
  },
  'no-ethernet': {
    title: 'MAC addresses where none are seen',
    means:
      'Frames on WireGuard, PPP and tun interfaces have no Ethernet header, so no MAC address can be recognised there. A device known by MAC only never comes in that way.',
    wrong:
      'devices:\n  laptop: { mac: 00:1b:44:11:3a:b7 }\ngrants:\n  - { from: laptop, to: ssh, on: wg0 }\n',
    right: 'devices:\n  laptop: { address: 10.8.0.7 }\ngrants:\n  - { from: laptop, to: ssh, on: wg0 }\n',
  },
  'admin-never-seen': {
    title: 'An admin that this host has never seen',
    means:
      'An admin counts once this host has seen it: as a neighbour, or in an SSH connection. A mistyped MAC address would otherwise be the key that locks you out. unseen: true says that you are sure.',
    wrong: 'safety: { admins: 1 }\ndevices:\n  laptop: { mac: 00:1b:44:11:3a:b7, admin: true }\n',
    right:
      'safety: { admins: 1 }\ndevices:\n  laptop: { mac: 00:1b:44:11:3a:b7, admin: true, unseen: true }\n',
  },
} as const satisfies CodePages

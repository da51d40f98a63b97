import type { CodePages } from './page.ts'

/** Problems of groups, services, grants, safety and tests. */
export const REACH_CODES = {
  'unknown-device': {
    title: 'No device or group of this name',
    means: 'Every name in groups:, from: and tests: must stand under devices: or groups:.',
    wrong: 'devices:\n  laptop: { address: 192.0.2.7 }\ngrants:\n  - { from: labtop, to: ssh }\n',
    right: 'devices:\n  laptop: { address: 192.0.2.7 }\ngrants:\n  - { from: laptop, to: ssh }\n',
  },
  'group-loop': {
    title: 'A group that contains itself',
    means: 'Groups may hold groups, but not in a circle.',
    wrong: 'devices:\n  laptop: { address: 192.0.2.7 }\ngroups:\n  a: [laptop, b]\n  b: [a]\n',
    right: 'devices:\n  laptop: { address: 192.0.2.7 }\ngroups:\n  a: [laptop]\n  b: [a]\n',
  },
  'group-too-large': {
    title: 'Groups that hold too much together',
    means: 'All groups together may hold a million devices, a device counted in every group that holds it.',
    wrong: '# groups with more than a million members\n',
    right: 'devices:\n  laptop: { address: 192.0.2.7 }\ngroups:\n  a: [laptop]\n',
  },
  'nested-too-deep': {
    title: 'Groups or services nested too deep',
    means:
      'Groups may hold groups over 16 levels, services services over 8. What is nested deeper, nobody can follow.',
    wrong: `services:\n${Array.from({ length: 10 }, (_, i) => `  s${i}: [s${i + 1}]\n`).join('')}  s10: 80/tcp\n`,
    right: 'services:\n  s0: [s1]\n  s1: 80/tcp\n',
  },
  'unknown-service': {
    title: 'No service of this name',
    means:
      'A service is one of the policy’s own (services:), one that admit knows (see the language page), or one of the system’s list (/etc/services), in that order.',
    wrong: 'grants:\n  - { from: anyone, to: htpps }\n',
    right: 'grants:\n  - { from: anyone, to: https }\n',
  },
  'no-service-list': {
    title: 'The system has no list of services',
    means:
      'The name is none of the policy’s own and none that admit knows; it may be one of /etc/services, which this host does not have. On Debian the package netbase brings it.',
    wrong: 'grants:\n  - { from: anyone, to: submissions }\n',
    right: 'grants:\n  - { from: anyone, to: 465/tcp }\n',
  },
  'bad-service': {
    title: 'Not a port and protocol',
    means:
      'Ports are written PORT/PROTOCOL or FROM-TO/PROTOCOL, with tcp, udp or sctp in lower case. Without the protocol half of the world would mean the other one.',
    wrong: 'grants:\n  - { from: anyone, to: tcp/80 }\n',
    right: 'grants:\n  - { from: anyone, to: 80/tcp }\n',
  },
  'port-zero': {
    title: 'Port 0',
    means: 'Port 0 is reserved: nothing can listen on it. It is no word for every port; that is 1-65535/tcp.',
    wrong: 'grants:\n  - { from: anyone, to: 0/tcp }\n',
    right: 'grants:\n  - { from: anyone, to: 1-65535/tcp }\n',
  },
  'service-loop': {
    title: 'A service that contains itself',
    means: 'Services may hold services, but not in a circle.',
    wrong: 'services:\n  web: [web, 80/tcp]\n',
    right: 'services:\n  web: [https, 80/tcp]\n',
  },
  'everything-in-service': {
    title: 'everything inside a service',
    means: 'everything is more than ports. It stands in a grant, where everybody sees it.',
    wrong: 'services:\n  work: [everything]\n',
    right: 'services:\n  work: [ssh, https]\n',
  },
  'from-stranger': {
    title: 'A grant to strangers alone',
    means:
      'A stranger is a packet that no device recognises. A grant to strangers only would shut out a device that is listed, which nobody means: write anyone, which includes everybody. In tests: stranger is right.',
    wrong: 'grants:\n  - { from: stranger, to: https }\n',
    right: 'grants:\n  - { from: anyone, to: https }\n',
  },
  'anyone-and-others': {
    title: 'anyone beside others',
    means:
      'anyone includes every device, so the others in the list change nothing. Perhaps anyone is one too many.',
    wrong: 'devices:\n  laptop: { address: 192.0.2.7 }\ngrants:\n  - { from: [laptop, anyone], to: ssh }\n',
    right: 'devices:\n  laptop: { address: 192.0.2.7 }\ngrants:\n  - { from: [laptop], to: ssh }\n',
  },
  'grant-matches-nobody': {
    title: 'A grant for nobody',
    means:
      'The groups named in from: hold no device, so the grant admits nobody. It looks like a door and is none.',
    wrong: 'groups:\n  staff: []\ngrants:\n  - { from: staff, to: ssh }\n',
    right:
      'devices:\n  laptop: { address: 192.0.2.7 }\ngroups:\n  staff: [laptop]\ngrants:\n  - { from: staff, to: ssh }\n',
  },
  'grant-expired': {
    title: 'A grant whose devices’ time is over',
    means: 'The until: of every device in from: lies in the past: the grant admits nobody any more.',
    wrong:
      'devices:\n  guest: { address: 192.0.2.7, until: 2020-01-01T00:00:00Z }\ngrants:\n  - { from: guest, to: ssh }\n',
    right:
      'devices:\n  guest: { address: 192.0.2.7, until: 2099-01-01T00:00:00Z }\ngrants:\n  - { from: guest, to: ssh }\n',
  },
  'through-without-guard': {
    title: 'through: without forward: guard',
    means:
      'through: is about packets that this host forwards to networks behind it. With forward: drop none is forwarded, with keep admit does not judge them.',
    wrong: 'grants:\n  - { from: anyone, to: https, through: 10.8.0.0/24 }\n',
    right: 'host: { forward: guard }\ngrants:\n  - { from: anyone, to: https, through: 10.8.0.0/24 }\n',
  },
  'interface-is-lo': {
    title: 'lo is never judged',
    means:
      'What arrives on lo comes from this host itself. It is never judged, so lo has no place in on: or unguarded:.',
    wrong: 'grants:\n  - { from: anyone, to: ssh, on: lo }\n',
    right: 'grants:\n  - { from: anyone, to: ssh, on: eth0 }\n',
  },
  'on-unguarded': {
    title: 'A grant on an interface that is not judged',
    means:
      'Packets that arrive on an unguarded interface are all let through, so a grant or a test there says nothing.',
    wrong: 'host: { unguarded: [docker0] }\ngrants:\n  - { from: anyone, to: ssh, on: docker0 }\n',
    right: 'host: { unguarded: [docker0] }\ngrants:\n  - { from: anyone, to: ssh, on: eth0 }\n',
  },
  'too-few-admins': {
    title: 'Fewer admins than safety.admins',
    means:
      'With one admin, one broken machine is the end of your access; so two devices with admin: true are asked for unless safety.admins says fewer. A device with until: does not count.',
    wrong: 'safety: { admins: 2 }\ndevices:\n  laptop: { address: 192.0.2.7, admin: true }\n',
    right:
      'safety: { admins: 2 }\ndevices:\n  laptop: { address: 192.0.2.7, admin: true }\n  spare: { address: 192.0.2.8, admin: true }\n',
  },
  'few-admins': {
    title: 'safety.admins below two',
    means:
      'With 1, one broken network card locks you out. With 0, nothing proves that you can come in again. A warning: it is your host.',
    wrong: 'safety: { admins: 1 }\ndevices:\n  laptop: { address: 192.0.2.7, admin: true }\n',
    right:
      'safety: { admins: 2 }\ndevices:\n  laptop: { address: 192.0.2.7, admin: true }\n  spare: { address: 192.0.2.8, admin: true }\n',
  },
  'test-says-nothing': {
    title: 'A test that expects nothing',
    means: 'A line under tests: needs accept:, refuse: or both.',
    wrong: 'tests:\n  - { from: stranger }\n',
    right: 'tests:\n  - { from: stranger, refuse: ssh }\n',
  },
  'test-not-run': {
    title: 'A test that is not run',
    means:
      'The test is about a device whose until: is over, or about a group without devices. There is nothing it could show.',
    wrong:
      'devices:\n  guest: { address: 192.0.2.7, until: 2020-01-01T00:00:00Z }\ntests:\n  - { from: guest, accept: ssh }\n',
    right:
      'devices:\n  guest: { address: 192.0.2.7, until: 2099-01-01T00:00:00Z }\ngrants:\n  - { from: guest, to: ssh }\ntests:\n  - { from: guest, accept: ssh }\n',
  },
  'backend-not-built': {
    title: 'Rules for iptables',
    means:
      'The language has backend: iptables, but this admit does not write iptables rules yet. nft works beside iptables rules of others.',
    wrong: 'host: { backend: iptables }\n',
    right: 'host: { backend: nft }\n',
  },
} as const satisfies CodePages

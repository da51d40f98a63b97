import type { CodePages } from './page.ts'

/** Problems of devices and their identities. */
export const DEVICE_CODES = {
  'bad-mac': {
    title: 'Not a MAC address',
    means:
      'A MAC address is six pairs of hex digits with colons, with dashes, or in three groups of four with dots.',
    wrong: 'devices:\n  desk: { mac: "001b44113ab7" }\n',
    right: 'devices:\n  desk: { mac: 00:1b:44:11:3a:b7 }\n',
  },
  'mac-as-number': {
    title: 'A MAC address that YAML reads as a number',
    means:
      'Without separators 001122334455 is the number 1122334455 to most YAML programs, and 112233e44556 is infinite. admit keeps the text, but no other tool that opens the file would: write the pairs with colons.',
    wrong: 'devices:\n  desk: { mac: 001122334455 }\n',
    right: 'devices:\n  desk: { mac: 00:11:22:33:44:55 }\n',
  },
  'mac-group': {
    title: 'A group address is no device',
    means:
      'The lowest bit of the first pair says that a MAC address names a group of receivers. No frame ever comes from one: 11:22:33:44:55:66, which many guides show, is a spare key that opens nothing. Write what `ip link` shows on the device itself, after link/ether.',
    wrong: 'devices:\n  spare: { mac: 11:22:33:44:55:66 }\n',
    right: 'devices:\n  spare: { mac: 00:1b:44:11:3a:c2 }\n',
  },
  'mac-broadcast': {
    title: 'The broadcast address is no device',
    means: 'ff:ff:ff:ff:ff:ff means every receiver on a link. No frame comes from it.',
    wrong: 'devices:\n  desk: { mac: ff:ff:ff:ff:ff:ff }\n',
    right: 'devices:\n  desk: { mac: 00:1b:44:11:3a:b7 }\n',
  },
  'mac-zero': {
    title: 'The all-zero address is no device',
    means:
      '00:00:00:00:00:00 stands for a MAC address that is not known, for instance in `ip neigh` and on lo.',
    wrong: 'devices:\n  desk: { mac: 00:00:00:00:00:00 }\n',
    right: 'devices:\n  desk: { mac: 00:1b:44:11:3a:b7 }\n',
  },
  'mac-twice': {
    title: 'One MAC address on two devices',
    means:
      'Nothing would tell the two apart: revoke one, and it comes in as the other. To give one machine two names, put it into a group.',
    wrong: 'devices:\n  desk: { mac: 00:1b:44:11:3a:b7 }\n  old-desk: { mac: 00:1b:44:11:3a:b7 }\n',
    right: 'devices:\n  desk: { mac: 00:1b:44:11:3a:b7 }\n',
  },
  'mac-also-bound': {
    title: 'A MAC address both alone and bound',
    means:
      'bound: asks for a MAC and an address together, mac: for the MAC alone. With both, the MAC alone already recognises the device, and the address of bound: keeps nobody out.',
    wrong:
      'devices:\n  desk: { mac: 00:1b:44:11:3a:b7, bound: { mac: 00:1b:44:11:3a:b7, address: 192.168.1.7 } }\n',
    right: 'devices:\n  desk: { bound: { mac: 00:1b:44:11:3a:b7, address: 192.168.1.7 } }\n',
  },
  'identity-twice': {
    title: 'One identity twice on a device',
    means: 'The second one changes nothing. Perhaps one of the two was meant to be another.',
    wrong: 'devices:\n  desk: { address: [192.0.2.7, 192.0.2.7] }\n',
    right: 'devices:\n  desk: { address: [192.0.2.7, 192.0.2.8] }\n',
  },
  'address-twice': {
    title: 'One address on two devices',
    means: 'Packets from it are both devices’: what one of them may, the other may.',
    wrong: 'devices:\n  desk: { address: 192.0.2.7 }\n  phone: { address: 192.0.2.7 }\n',
    right: 'devices:\n  desk: { address: 192.0.2.7 }\n  phone: { address: 192.0.2.8 }\n',
  },
  'bad-address': {
    title: 'Not an address',
    means:
      'An identity by address is an IPv4 or IPv6 address, or a network in CIDR form. Host names are not part of the language: a name server would then decide who comes in.',
    wrong: 'devices:\n  office: { address: office.example.org }\n',
    right: 'devices:\n  office: { address: 203.0.113.7 }\n',
  },
  'host-bits-set': {
    title: 'Host bits are set in a network',
    means: '10.0.0.5/24 may mean the one address or the whole network, and programs differ in it.',
    wrong: 'devices:\n  office: { address: 10.0.0.5/24 }\n',
    right: 'devices:\n  office: { address: 10.0.0.0/24 }\n',
  },
  'leading-zero': {
    title: 'A number of an address begins with 0',
    means: 'Some programs read 010 as eight, people read ten. Whom would 010.0.0.1 let in?',
    wrong: 'devices:\n  office: { address: 010.0.0.1 }\n',
    right: 'devices:\n  office: { address: 10.0.0.1 }\n',
  },
  'mapped-address': {
    title: 'An IPv4 address in IPv6 spelling',
    means:
      'Programs show ::ffff:192.0.2.7 for an IPv4 peer of an IPv6 socket. No packet carries such an address: on the wire it is IPv4.',
    wrong: 'devices:\n  office: { address: "::ffff:192.0.2.7" }\n',
    right: 'devices:\n  office: { address: 192.0.2.7 }\n',
  },
  'address-never-source': {
    title: 'An address that nothing is sent from',
    means:
      'Multicast, broadcast, loopback and unspecified addresses are never the sender of a packet that arrives from outside.',
    wrong: 'devices:\n  office: { address: 127.0.0.1 }\n',
    right: 'devices:\n  office: { address: 192.0.2.7 }\n',
  },
  'address-is-everyone': {
    title: 'A device that is the whole Internet',
    means: '0.0.0.0/0 and ::/0 hold every address there is. With them nobody is a stranger any more.',
    wrong: 'devices:\n  office: { address: 0.0.0.0/0 }\n',
    right: 'devices:\n  office: { address: 203.0.113.0/24 }\n',
  },
  'no-identity': {
    title: 'A device that cannot be recognised',
    means: 'A device needs at least one of mac:, address: and bound:.',
    wrong: 'devices:\n  office: { note: second floor }\n',
    right: 'devices:\n  office: { address: 192.0.2.7, note: second floor }\n',
  },
  'too-many-pairs': {
    title: 'Too many pairs in one bound',
    means: 'bound: pairs each of its MACs with each of its addresses, at most 1024 pairs.',
    wrong: `devices:\n  lab:\n    bound:\n      mac: [${Array.from({ length: 33 }, (_, i) => `00:1b:44:11:3a:${(i + 16).toString(16)}`).join(', ')}]\n      address: [${Array.from({ length: 33 }, (_, i) => `192.0.2.${i}`).join(', ')}]\n`,
    right: 'devices:\n  lab: { bound: { mac: 00:1b:44:11:3a:b7, address: 192.0.2.0/24 } }\n',
  },
  'until-past': {
    title: 'A device whose time is over',
    means:
      'Its until: lies in the past: it is a stranger now. A warning, since yesterday’s policy must still apply today.',
    wrong: 'devices:\n  guest: { address: 192.0.2.7, until: 2020-01-01T00:00:00Z }\n',
    right: 'devices:\n  guest: { address: 192.0.2.7, until: 2099-01-01T00:00:00Z }\n',
  },
  'too-many-until': {
    title: 'Too many devices with an end',
    means:
      'The kernel takes at most 1,000 timed entries in one set reliably (5,000 with distinct ends fail to load).',
    wrong: '# more than 1,000 devices with until:\n',
    right: 'devices:\n  guest: { address: 192.0.2.7, until: 2099-01-01T00:00:00Z }\n',
  },
  'admin-with-until': {
    title: 'An admin whose time runs out',
    means: 'An admin is who can always come in. A device with until: cannot, so it never counts as one.',
    wrong: 'devices:\n  me: { address: 192.0.2.7, admin: true, until: 2099-01-01T00:00:00Z }\n',
    right: 'devices:\n  me: { address: 192.0.2.7, admin: true }\n',
  },
  'unseen-without-admin': {
    title: 'unseen without admin',
    means:
      'unseen: true lets a device count as an admin although this host has never seen it. On other devices it says nothing.',
    wrong: 'devices:\n  desk: { address: 192.0.2.7, unseen: true }\n',
    right: 'devices:\n  desk: { address: 192.0.2.7, admin: true, unseen: true }\n',
  },
} as const satisfies CodePages

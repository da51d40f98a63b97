import type { CodePages } from './page.ts'

/** Problems of keys, types and scalars, wherever they stand. */
export const LANGUAGE_CODES = {
  'empty-policy': {
    title: 'The file holds no policy',
    means:
      'There is nothing in the file but blank lines and comments. An empty list of guests would shut everyone out, so admit wants it said.',
    wrong: '# nothing yet\n',
    right: 'admit: 1\n',
  },
  'wrong-version': {
    title: 'Another version of the language',
    means:
      'The first key says which version of the language the policy is written in. This admit reads version 1.',
    wrong: 'admit: 2\n',
    right: 'admit: 1\n',
  },
  'unknown-key': {
    title: 'A key that the language does not have',
    means:
      'A mistyped key would silently not hold: `untill` would admit a guest for ever. So every unknown key is an error.',
    wrong: 'host: { foward: drop }\n',
    right: 'host: { forward: drop }\n',
  },
  'duplicate-key': {
    title: 'A name or key written twice',
    means:
      'YAML programs keep the first or the last of two equal keys, each as it likes. admit keeps neither.',
    wrong: 'devices:\n  office: { address: 192.0.2.7 }\n  office: { address: 192.0.2.8 }\n',
    right: 'devices:\n  office: { address: [192.0.2.7, 192.0.2.8] }\n',
  },
  'missing-key': {
    title: 'A key is missing',
    means: 'This part of the policy has no meaning without the key.',
    wrong: 'grants:\n  - { to: ssh }\n',
    right: 'grants:\n  - { from: anyone, to: ssh }\n',
  },
  'wrong-type': {
    title: 'A list, a map or a word where another stands',
    means: 'The key takes another kind of value: one word, a list of them, or a map of keys and values.',
    wrong: 'grants: { from: anyone, to: ssh }\n',
    right: 'grants:\n  - { from: anyone, to: ssh }\n',
  },
  'empty-value': {
    title: 'Nothing is written after the key',
    means: 'A key without a value says nothing. Remove it where the default is meant.',
    wrong: 'host:\n  forward:\n',
    right: 'host:\n  forward: drop\n',
  },
  'empty-list': {
    title: 'An empty list',
    means: 'An empty list here would match nothing, and who reads it might take it for everything.',
    wrong: 'grants:\n  - { from: anyone, to: [] }\n',
    right: 'grants:\n  - { from: anyone, to: [ssh] }\n',
  },
  'unknown-word': {
    title: 'A word that cannot stand here',
    means: 'The key takes one of a few words.',
    wrong: 'host: { refuse: deny }\n',
    right: 'host: { refuse: drop }\n',
  },
  'not-true-or-false': {
    title: 'Not true or false',
    means:
      'Only true and false are truth values. yes, on and 1 mean true in some YAML programs and a text in others.',
    wrong: 'devices:\n  office: { address: 192.0.2.7, admin: yes }\n',
    right: 'devices:\n  office: { address: 192.0.2.7, admin: true }\n',
  },
  'bad-name': {
    title: 'A name that cannot be one',
    means:
      'Names of devices, groups and services have letters and digits of any script, _ and -. They begin with a letter or digit, have at most 63 characters, and are in composed form (NFC), so that two names that look the same are the same.',
    wrong: 'devices:\n  my laptop: { address: 192.0.2.7 }\n',
    right: 'devices:\n  my-laptop: { address: 192.0.2.7 }\n',
  },
  'reserved-name': {
    title: 'A name with a meaning of its own',
    means:
      'anyone, stranger, everything, ping, the names of protocols, true, false and null already mean something.',
    wrong: 'devices:\n  anyone: { address: 192.0.2.7 }\n',
    right: 'devices:\n  someone: { address: 192.0.2.7 }\n',
  },
  'name-twice': {
    title: 'A device and a group of one name',
    means: '`from: office` could mean either.',
    wrong: 'devices:\n  office: { address: 192.0.2.7 }\ngroups:\n  office: [office]\n',
    right: 'devices:\n  office: { address: 192.0.2.7 }\ngroups:\n  offices: [office]\n',
  },
  'bad-time': {
    title: 'Not a moment in time',
    means:
      'until: takes a moment as RFC 3339 writes it, with seconds and zone. A date alone could end in the morning or at night, and a time without a zone ends at another moment on every host.',
    wrong: 'devices:\n  guest: { address: 192.0.2.7, until: 2099-12-31 }\n',
    right: 'devices:\n  guest: { address: 192.0.2.7, until: 2099-12-31T23:59:59+09:00 }\n',
  },
  'bad-rate': {
    title: 'Not a rate',
    means:
      'log: takes a number and a period, such as 3/minute, or off. The periods are second, minute, hour and day.',
    wrong: 'host: { log: 3/min }\n',
    right: 'host: { log: 3/minute }\n',
  },
  'bad-duration': {
    title: 'Not a length of time',
    means: 'confirm: takes a time from 1s to 1h: a whole number followed by s, m or h.',
    wrong: 'safety: { admins: 0, confirm: 60 }\n',
    right: 'safety: { admins: 0, confirm: 60s }\n',
  },
  'bad-number': {
    title: 'Not a whole number',
    means: 'safety.admins takes a whole number from 0 to 1000.',
    wrong: 'safety: { admins: two }\n',
    right: 'safety: { admins: 0 }\n',
  },
  'bad-interface': {
    title: 'Not an interface name',
    means:
      'Linux allows 1 to 15 characters in it. Patterns such as eth* are not part of the language: a new interface must not be let in by its name.',
    wrong: 'grants:\n  - { from: anyone, to: ssh, on: eth* }\n',
    right: 'grants:\n  - { from: anyone, to: ssh, on: [eth0, eth1] }\n',
  },
  'note-too-long': {
    title: 'A note that is too long',
    means: 'A note has at most 4096 characters.',
    wrong: `devices:\n  office: { address: 192.0.2.7, note: "${'x'.repeat(4097)}" }\n`,
    right: 'devices:\n  office: { address: 192.0.2.7, note: second floor }\n',
  },
} as const satisfies CodePages

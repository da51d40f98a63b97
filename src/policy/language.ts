import type { JsonSchema } from './json-schema.ts'
import { checkAudienceName, checkServiceName, mention, NAME_PATTERN } from './names.ts'
import * as scalars from './scalars.ts'
import { serviceWord } from './service-word.ts'
import type { Draft, Shape } from './shape.ts'
import { many, named, oneOrMany, orNothing, record, word } from './shape.ts'

/**
 * The policy language, version 1, in one table: every key, the shape of its value, its meaning and its default.
 * The reader works from it, and `jsonSchema()` is generated from it.
 */

const BOUND = {
  mac: {
    shape: oneOrMany(scalars.senderMac),
    doc: 'MAC address of the sender, one or a list',
    required: true,
  },
  address: {
    shape: oneOrMany(scalars.senderAddress),
    doc: 'address or network that the MAC must send from, one or a list',
    required: true,
  },
} as const

const DEVICE = {
  mac: { shape: oneOrMany(scalars.senderMac), doc: 'MAC address, one or a list; seen one hop far only' },
  address: { shape: oneOrMany(scalars.senderAddress), doc: 'address or network in CIDR form, one or a list' },
  bound: {
    shape: oneOrMany(record('bound', BOUND)),
    doc: 'a MAC and an address that must both fit; one or a list',
  },
  admin: { shape: scalars.truth, doc: 'must always reach SSH: proven before every change', default: false },
  unseen: {
    shape: scalars.truth,
    doc: 'counts as an admin although this host has never seen it',
    default: false,
  },
  until: { shape: scalars.until, doc: 'moment from which on the device is a stranger' },
  'everyone-behind': {
    shape: word(['gateway']),
    doc: "says aloud that the MAC is a gateway's: everyone behind it is admitted",
  },
  note: { shape: scalars.note, doc: 'a remark, kept with the device' },
} as const

const HOST = {
  unguarded: {
    shape: oneOrMany(scalars.interfaceName, 'allowed'),
    doc: 'interfaces whose arriving packets are not judged',
    default: [],
  },
  forward: {
    shape: word(['drop', 'keep', 'guard']),
    doc: 'what happens to packets that this host would forward',
    default: 'drop',
  },
  refuse: { shape: word(['drop', 'reject']), doc: 'refuse silently, or with an answer', default: 'drop' },
  log: {
    shape: scalars.logRate,
    doc: 'how many refused packets are logged; off for none',
    default: '3/minute',
  },
  backend: {
    shape: word(['nft', 'iptables']),
    doc: 'what the rules are written with; default: what this host uses',
  },
} as const

const GRANT = {
  from: { shape: oneOrMany(mention), doc: 'devices and groups, one or a list, or anyone', required: true },
  to: {
    shape: oneOrMany(serviceWord),
    doc: 'services, PORT/PROTOCOL, ping, or everything; one or a list',
    required: true,
  },
  on: {
    shape: oneOrMany(scalars.interfaceName),
    doc: 'interfaces on which the packets arrive; default: every judged one',
  },
  through: {
    shape: oneOrMany(scalars.network),
    doc: 'networks behind this host that are reached; needs forward: guard',
  },
} as const

const SAFETY = {
  admins: { shape: scalars.adminCount, doc: 'fewest devices that must count as admins', default: 2 },
  confirm: {
    shape: scalars.duration,
    doc: 'time within which a change must be confirmed, or it is undone',
    default: '60s',
  },
} as const

const TEST = {
  from: { shape: mention, doc: 'a device, a group, anyone or stranger', required: true },
  accept: { shape: oneOrMany(serviceWord), doc: 'what must be let through' },
  refuse: { shape: oneOrMany(serviceWord), doc: 'what must be refused' },
  on: {
    shape: oneOrMany(scalars.interfaceName),
    doc: 'interfaces on which it must hold; default: all that can show the identity',
  },
} as const

const POLICY = {
  admit: { shape: scalars.languageVersion, doc: 'version of the language', required: true },
  host: { shape: orNothing(record('host', HOST), undefined), doc: 'how this host judges' },
  devices: {
    shape: orNothing(named('device', record('a device', DEVICE), NAME_PATTERN, checkAudienceName), []),
    doc: 'who may be admitted',
  },
  groups: {
    shape: orNothing(named('group', oneOrMany(mention, 'allowed'), NAME_PATTERN, checkAudienceName), []),
    doc: 'devices under one name',
  },
  services: {
    shape: orNothing(named('service', oneOrMany(serviceWord), NAME_PATTERN, checkServiceName), []),
    doc: 'protocols and ports under one name',
  },
  grants: { shape: orNothing(many(record('a grant', GRANT), 'allowed'), []), doc: 'who may reach what' },
  safety: {
    shape: orNothing(record('safety', SAFETY), undefined),
    doc: 'what keeps the owner from being locked out',
  },
  tests: {
    shape: orNothing(many(record('a test', TEST), 'allowed'), []),
    doc: 'what must hold, or an apply is refused',
  },
} as const

export type BoundDraft = Draft<typeof BOUND>
export type DeviceDraft = Draft<typeof DEVICE>
export type HostDraft = Draft<typeof HOST>
export type GrantDraft = Draft<typeof GRANT>
export type SafetyDraft = Draft<typeof SAFETY>
export type TestDraft = Draft<typeof TEST>
export type PolicyDraft = Draft<typeof POLICY>

/** The whole file. */
export const POLICY_SHAPE: Shape<PolicyDraft> = record('a policy', POLICY)

/** The keys of each map of the language with their meaning and default, for the language page and `help`. */
export const LANGUAGE = {
  policy: POLICY,
  host: HOST,
  device: DEVICE,
  bound: BOUND,
  grant: GRANT,
  safety: SAFETY,
  test: TEST,
}

/** JSON Schema (draft 2020-12) of the language, for editors. */
export function jsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'admit policy, version 1',
    ...POLICY_SHAPE.schema(),
  }
}

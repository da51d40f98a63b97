import { nearest } from '../base/suggest.ts'
import type { Cidr } from '../net/cidr.ts'
import { parseCidr } from '../net/cidr.ts'
import type { InterfaceName } from '../net/interface-name.ts'
import { parseInterfaceName } from '../net/interface-name.ts'
import type { MacAddress } from '../net/mac-address.ts'
import { macKind, parseMacAddress } from '../net/mac-address.ts'
import type { DiagnosticCode } from './codes.ts'
import type { LogRate, Placed } from './policy.ts'
import type { Shape } from './shape.ts'
import { scalar } from './shape.ts'
import { parseInstant } from './instant.ts'

/** Every scalar of the language: its pattern for editors and its door. Patterns carry no flags: JSON Schema has none. */

const HEX = '[0-9A-Fa-f]'
const MAC_PATTERN = `^(${HEX}{2}(:${HEX}{2}){5}|${HEX}{2}(-${HEX}{2}){5}|${HEX}{4}(\\.${HEX}{4}){2})$`
/** Twelve hex digits at most and no separator: what YAML calls a number in most programs. */
const BARE_DIGITS = /^[0-9a-f]{1,12}$/i

export const NOTE_LIMIT = 4096

/** A MAC address that can be the sender of a frame. */
export const senderMac: Shape<Placed<MacAddress>> = scalar(
  'a MAC address such as 00:1b:44:11:3a:b7',
  { type: 'string', pattern: MAC_PATTERN },
  ({ text, style }) => {
    const parsed = parseMacAddress(text)
    if (!parsed.ok) return badMac(text, style === 'plain')
    const refusal = macRefusal(parsed.value)
    return refusal ?? { value: parsed.value }
  },
)

function badMac(text: string, plain: boolean): { code: DiagnosticCode; message: string; fix: string } {
  const pairs = text.length === 12 && BARE_DIGITS.test(text) ? (text.match(/../g) ?? []).join(':') : undefined
  const fix =
    pairs === undefined ? 'write six pairs of hex digits, such as 00:1b:44:11:3a:b7' : `write ${pairs}`
  if (plain && /^[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?$/i.test(text)) {
    const message = `${text} is a number in YAML: leading zeros and digits of a MAC address are lost in it`
    return { code: 'mac-as-number', message, fix }
  }
  return { code: 'bad-mac', message: `"${text}" is not a MAC address`, fix }
}

function macRefusal(mac: MacAddress): { code: DiagnosticCode; message: string; fix: string } | undefined {
  const fix = 'write the MAC address that `ip link` shows on the device itself (link/ether)'
  const kind = macKind(mac)
  switch (kind) {
    case 'zero':
      return { code: 'mac-zero', message: `${mac} is no device's address: it stands for an unknown one`, fix }
    case 'broadcast':
      return {
        code: 'mac-broadcast',
        message: `${mac} is the broadcast address: no frame comes from it`,
        fix,
      }
    case 'group': {
      const message = `${mac} is a group address (lowest bit of ${mac.slice(0, 2)}): no frame ever comes from it`
      return { code: 'mac-group', message, fix }
    }
    case 'global':
    case 'local':
      return undefined
    default:
      return kind satisfies never
  }
}

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const ADDRESS_PATTERN = `^(${OCTET}(\\.${OCTET}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(/(0|[1-9][0-9]{0,2}))?$`
const ADDRESS_SCHEMA = { type: 'string', pattern: ADDRESS_PATTERN }

/** An address or network that packets can come from. */
export const senderAddress: Shape<Placed<Cidr>> = scalar(
  'an address such as 192.0.2.7 or a network such as 2001:db8:1::/64',
  ADDRESS_SCHEMA,
  ({ text }) => {
    const parsed = parseCidr(text)
    if (!parsed.ok) return badAddress(text, parsed.error)
    if (isNeverSource(parsed.value)) {
      const message = `no packet that arrives from outside has the sender address ${text}`
      return { code: 'address-never-source', message, fix: 'write the address that the device sends from' }
    }
    return { value: parsed.value }
  },
)

/** A network behind this host. */
export const network: Shape<Placed<Cidr>> = scalar(
  'a network such as 10.8.0.0/24 or an address',
  ADDRESS_SCHEMA,
  ({ text }) => {
    const parsed = parseCidr(text)
    return parsed.ok ? { value: parsed.value } : badAddress(text, parsed.error)
  },
)

function badAddress(text: string, error: string): { code: DiagnosticCode; message: string; fix: string } {
  const hostBits = /^host bits are set: (.*)$/.exec(error)?.[1]
  if (hostBits !== undefined)
    return { code: 'host-bits-set', message: `host bits are set in ${text}`, fix: hostBits }
  if (error.includes('must not begin with 0')) {
    const plain = text.replace(/(^|\.)0+(?=\d)/g, '$1')
    return {
      code: 'leading-zero',
      message: `"${text}": ${error}`,
      fix: `write ${plain}, if that is what is meant`,
    }
  }
  if (error.includes('::ffff:')) {
    const tail = /::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1]
    const fix = tail === undefined ? 'write the IPv4 address in dotted form' : `write ${tail}`
    return {
      code: 'mapped-address',
      message: `"${text}" is an IPv6 spelling of an IPv4 address: no packet carries it`,
      fix,
    }
  }
  return { code: 'bad-address', message: `"${text}" is not an address: ${error}`, fix: addressFix(text) }
}

function addressFix(text: string): string {
  const [address, zone] = text.split('%', 2)
  if (zone !== undefined) return `write ${address}, and on: ${zone} in the grant`
  if (/[g-z]/i.test(text) && !text.includes(':')) {
    return 'write the address itself: a name server must not decide who comes in'
  }
  if (text.includes('/')) return 'write a network such as 192.0.2.0/24 or 2001:db8:1::/64'
  return 'write an address such as 192.0.2.7 or 2001:db8:1::7'
}

/** Multicast, broadcast, loopback and the unspecified address: the kernel drops them as martians, or they never are senders. */
function isNeverSource(cidr: Cidr): boolean {
  const { address, prefix } = cidr
  if (cidr.family === 'ip') {
    const first = Number(address.slice(0, address.indexOf('.')))
    if (prefix >= 8 && (first === 0 || first === 127)) return true
    return (prefix >= 4 && first >= 224 && first <= 239) || (prefix === 32 && address === '255.255.255.255')
  }
  return (
    (prefix >= 8 && address.startsWith('ff') && address.indexOf(':') === 4) ||
    (prefix === 128 && (address === '::' || address === '::1'))
  )
}

export const interfaceName: Shape<Placed<InterfaceName>> = scalar(
  'the name of an interface such as eth0',
  { type: 'string', pattern: '^[^\\s/:*"\\\\]{1,15}$' },
  ({ text }) => {
    const parsed = parseInterfaceName(text)
    if (parsed.ok) return { value: parsed.value }
    return {
      code: 'bad-interface',
      message: `"${text}" is no interface name: ${parsed.error}`,
      fix: 'write a name that `ip link` shows',
    }
  },
)

export const truth: Shape<Placed<boolean>> = scalar(
  'true or false',
  { type: 'boolean' },
  ({ text, style }) => {
    if (style === 'plain' && (text === 'true' || text === 'false')) return { value: text === 'true' }
    const lower = text.toLowerCase()
    const yes = ['true', 'yes', 'on', 'y', '1'].includes(lower)
    const no = ['false', 'no', 'off', 'n', '0'].includes(lower)
    const quoted = style === 'plain' ? '' : ', without quotes'
    const fix = yes || no ? `write ${yes}${quoted}` : 'write true or false'
    return {
      code: 'not-true-or-false',
      message: `"${text}" is not a truth value: only true and false are`,
      fix,
    }
  },
)

export const until: Shape<Placed<number>> = scalar(
  'a time with its zone such as 2026-12-31T18:00:00+09:00',
  {
    type: 'string',
    pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$',
  },
  ({ text }) => {
    const parsed = parseInstant(text)
    if (parsed.ok) return { value: parsed.value }
    return {
      code: 'bad-time',
      message: `"${text}" is not a time: ${parsed.error.message}`,
      fix: parsed.error.fix,
    }
  },
)

export const note: Shape<Placed<string>> = scalar(
  'a text',
  { type: ['string', 'number', 'boolean'], maxLength: NOTE_LIMIT },
  ({ text }) => {
    if (text.length <= NOTE_LIMIT) return { value: text }
    return {
      code: 'note-too-long',
      message: `a note has at most ${NOTE_LIMIT} characters`,
      fix: 'keep the long text elsewhere',
    }
  },
)

const PERIODS = ['second', 'minute', 'hour', 'day'] as const

export const logRate: Shape<Placed<LogRate | 'off'>> = scalar<LogRate | 'off'>(
  'a rate such as 3/minute, or off',
  { type: 'string', pattern: '^(off|[1-9][0-9]{0,4}/(second|minute|hour|day))$' },
  ({ text }) => {
    if (text === 'off') return { value: 'off' }
    const found = /^([1-9][0-9]{0,4})\/([a-z]+)$/.exec(text)
    const period = PERIODS.find((candidate) => candidate === found?.[2])
    if (found !== null && period !== undefined) return { value: { count: Number(found[1]), per: period } }
    const count = /^[1-9][0-9]{0,4}/.exec(text)?.[0]
    const meant =
      nearest(text.slice(text.indexOf('/') + 1), PERIODS) ??
      PERIODS.find((word) => word.startsWith(text.slice(text.indexOf('/') + 1)))
    const fix = ['no', 'false', '0', 'none'].includes(text)
      ? 'write off'
      : count !== undefined && meant !== undefined
        ? `write ${count}/${meant}`
        : 'write a rate such as 3/minute, 10/second, 100/hour, or off'
    return { code: 'bad-rate', message: `"${text}" is not a rate`, fix }
  },
)

const SECONDS = { s: 1, m: 60, h: 3600 } as const

export const duration: Shape<Placed<number>> = scalar(
  'a time from 1s to 1h such as 60s',
  { type: 'string', pattern: '^[1-9][0-9]{0,3}[smh]$' },
  ({ text }) => {
    const found = /^([1-9][0-9]{0,3})([smh])$/.exec(text)
    const unit = found?.[2]
    if (found !== null && (unit === 's' || unit === 'm' || unit === 'h')) {
      const seconds = Number(found[1]) * SECONDS[unit]
      if (seconds <= 3600) return { value: seconds }
    }
    const bare = /^[1-9][0-9]{0,3}$/.test(text) && Number(text) <= 3600
    return {
      code: 'bad-duration',
      message: `"${text}" is not a time from 1s to 1h`,
      fix: bare ? `write ${text}s` : 'write it like 60s, 5m or 1h',
    }
  },
)

export const adminCount: Shape<Placed<number>> = scalar(
  'a whole number such as 2',
  { type: 'integer', minimum: 0, maximum: 1000 },
  ({ text, style }) => {
    const whole = /^(0|[1-9][0-9]{0,3})$/.test(text) && Number(text) <= 1000
    if (whole && style === 'plain') return { value: Number(text) }
    const fix = whole ? `write ${text} without quotes` : 'write 2, unless you know why not'
    return { code: 'bad-number', message: `"${text}" is not a whole number from 0 to 1000`, fix }
  },
)

export const languageVersion: Shape<Placed<1>> = scalar('1', { const: 1 }, ({ text, style }) => {
  if (text === '1' && style === 'plain') return { value: 1 }
  return {
    code: 'wrong-version',
    message: `this admit reads version 1 of the language, not "${text}"`,
    fix: 'write admit: 1',
  }
})

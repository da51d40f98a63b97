/** What kinds of devices a policy's list is made of. */
export type Mix = 'mac' | 'open' | 'mixed'

/** Devices with `until` are few: the kernel's sets for them do not take many (docs/language.md). */
const MOST_UNTIL = 500

/** The interface that the policies speak of. */
export const INTERFACE = 'eth0'

/**
 * A policy with so many devices, the same for the same arguments. `mac`: MAC addresses alone; `open`: these,
 * and all of them may everything, as in the recipe. `mixed`, of a hundred:
 * 70 MAC addresses, 12 IPv4 and 6 IPv6 addresses or networks, 10 bound to both, 2 guests with an `until`.
 */
export function policyText(mix: Mix, devices: number): string {
  const named = Array.from({ length: devices }, (_, index) => device(mix, index))
  const groups = Map.groupBy(named, ({ group }) => group)
  return [
    'admit: 1',
    'host: { forward: drop }',
    'devices:',
    ...named.map(({ name, words }) => `  ${name}: { ${words} }`),
    'groups:',
    ...[...groups].map(([group, members]) => `  ${group}: [${members.map(({ name }) => name).join(', ')}]`),
    'services:',
    '  ssh: 22222/tcp',
    '  web: [80/tcp, 443/tcp, 443/udp]',
    '  printer: [631/tcp, 9100/tcp]',
    'grants:',
    '  - { from: admins, to: everything }',
    ...(groups.has('staff')
      ? [`  - { from: staff, to: ${mix === 'open' ? 'everything' : '[ssh, web, ping]'} }`]
      : []),
    ...(groups.has('offices') ? [`  - { from: offices, to: [ssh, ping], on: ${INTERFACE} }`] : []),
    ...(groups.has('desks') ? ['  - { from: desks, to: [web, printer, ping] }'] : []),
    ...(groups.has('guests') ? ['  - { from: guests, to: web }'] : []),
    'tests:',
    '  - { from: admins, accept: [ssh, ping] }',
    '  - { from: stranger, refuse: [ssh, web, ping] }',
    '',
  ].join('\n')
}

interface Device {
  readonly name: string
  readonly group: 'admins' | 'staff' | 'offices' | 'desks' | 'guests'
  readonly words: string
}

function device(mix: Mix, index: number): Device {
  const mac = macAddress(index)
  if (index < 2)
    return { name: `admin${index}`, group: 'admins', words: `mac: ${mac}, admin: true, unseen: true` }
  const name = `device${index}`
  const kind = mix === 'mixed' ? (index * 37) % 100 : 0
  if (kind < 70) return { name, group: 'staff', words: `mac: ${mac}` }
  if (kind < 80) return { name, group: 'offices', words: `address: ${ipv4(index)}` }
  if (kind < 82) return { name, group: 'offices', words: `address: ${ipv4(index)}/28` }
  if (kind < 88) return { name, group: 'offices', words: `address: "${ipv6(index)}"` }
  if (kind < 98) return { name, group: 'desks', words: `bound: { mac: ${mac}, address: ${ipv4(index)} }` }
  // Every hundredth device in two: guests until the cap, plain devices beyond it.
  if (index > (MOST_UNTIL / 2) * 100) return { name, group: 'staff', words: `mac: ${mac}` }
  return { name, group: 'guests', words: `mac: ${mac}, until: ${untilText(index)}` }
}

/** A different address of one vendor for every index below 2^24, in no order. */
export function macAddress(index: number): string {
  const low = (Math.imul(index + 1, 0x9e3779b1) >>> 0) % 2 ** 24
  return `00163e${low.toString(16).padStart(6, '0')}`.replaceAll(/..(?=.)/g, '$&:')
}

/** A different address in 10.0.0.0/8; sixteen apart, so that a /28 can begin at each. */
function ipv4(index: number): string {
  const number = index * 16
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
}

function ipv6(index: number): string {
  return `2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`
}

/** Guests leave on days of a year far off. */
function untilText(index: number): string {
  const day = new Date(Date.UTC(2090, 0, 1 + (index % 365), 18))
  return day.toISOString().replace('.000Z', 'Z')
}

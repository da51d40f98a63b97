import { PORT_PROTOCOLS } from '../net/protocol.ts'
import { parsePort } from '../net/port.ts'
import type { ServicePart } from './policy.ts'

/** The names of a system's service list (services(5), usually /etc/services), aliases included. */
export type SystemServices = ReadonlyMap<string, readonly ServicePart[]>

/** Reads the text of a service list. Lines that are not `name port/protocol [alias…]`, and other protocols, are passed over. */
export function parseSystemServices(text: string): SystemServices {
  const services = new Map<string, ServicePart[]>()
  for (const line of text.split('\n')) {
    const [name, entry, ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
    const part = entry === undefined ? undefined : parsePart(entry)
    if (name === undefined || part === undefined) continue
    for (const each of [name, ...aliases]) {
      const parts = services.get(each)
      if (parts === undefined) services.set(each, [part])
      else parts.push(part)
    }
  }
  return services
}

function parsePart(entry: string): ServicePart | undefined {
  const [number, name] = entry.split('/')
  const protocol = PORT_PROTOCOLS.find((candidate) => candidate === name)
  const port = parsePort(number ?? '')
  if (protocol === undefined || !port.ok) return undefined
  return { kind: 'ports', protocol, from: port.value, to: port.value }
}

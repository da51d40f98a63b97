import type { Result } from '../base/result.ts'
import { fail, ok } from '../base/result.ts'
import { parsePort } from '../net/port.ts'
import type { PlainProtocol } from '../net/protocol.ts'
import { PLAIN_PROTOCOLS, PORT_PROTOCOLS } from '../net/protocol.ts'
import type { ServicePart } from './policy.ts'

export interface InlineServiceError {
  readonly code: 'bad-service' | 'port-zero'
  readonly message: string
  readonly fix: string
}

export function isPlainProtocol(text: string): text is PlainProtocol {
  return PLAIN_PROTOCOLS.some((protocol) => protocol === text)
}

/** Reads a service that needs no name: `PORT/PROTOCOL`, `FROM-TO/PROTOCOL`, or a protocol without ports. */
export function parseInlineService(text: string): Result<readonly ServicePart[], InlineServiceError> {
  if (isPlainProtocol(text)) return ok([{ kind: 'protocol', protocol: text }])
  const slash = text.indexOf('/')
  const bounds = text.slice(0, Math.max(0, slash)).split('-')
  const protocol = PORT_PROTOCOLS.find((candidate) => candidate === text.slice(slash + 1))
  if (protocol === undefined || bounds.length > 2 || bounds.some((bound) => !/^\d+$/.test(bound))) {
    return fail({ code: 'bad-service', message: `"${text}" is not PORT/PROTOCOL`, fix: portFix(text) })
  }
  const from = parsePort(bounds[0] ?? '')
  const to = parsePort(bounds[1] ?? bounds[0] ?? '')
  if (!from.ok) return fail(portError(text, from.error, bounds))
  if (!to.ok) return fail(portError(text, to.error, bounds))
  if (from.value > to.value) {
    const message = `the range ${text} ends before it begins`
    return fail({ code: 'bad-service', message, fix: `write ${to.value}-${from.value}/${protocol}` })
  }
  return ok([{ kind: 'ports', protocol, from: from.value, to: to.value }])
}

function portError(text: string, error: string, bounds: readonly string[]): InlineServiceError {
  const code = bounds.some((bound) => Number(bound) === 0) ? 'port-zero' : 'bad-service'
  return { code, message: `"${text}": ${error}`, fix: 'write a port from 1 to 65535, such as 22/tcp' }
}

/** What was probably meant, as the language writes it. */
function portFix(text: string): string {
  const port = /\d{1,5}/.exec(text)?.[0]
  const range = /^(\d{1,5})[-:](\d{1,5})/.exec(text)
  const protocol = /tcp|udp|sctp/i.exec(text)?.[0].toLowerCase()
  if (/(tcp|udp)[+,&|/ ]+(tcp|udp)/i.test(text)) return `write a list: [${port ?? 53}/tcp, ${port ?? 53}/udp]`
  if (range !== null) return `write ${range[1]}-${range[2]}/${protocol ?? 'tcp'}`
  if (port !== undefined) return `write ${port}/${protocol ?? 'tcp'}`
  return 'write it like 22/tcp or 6000-6010/udp'
}

/** A part as the policy language writes it. */
export function formatServicePart(part: ServicePart): string {
  switch (part.kind) {
    case 'ports':
      return part.from === part.to
        ? `${part.from}/${part.protocol}`
        : `${part.from}-${part.to}/${part.protocol}`
    case 'protocol':
      return part.protocol
    case 'ping':
      return 'ping'
    default:
      return part satisfies never
  }
}

import type { IpAddress } from '../../src/net/ip-address.ts'
import { ipToNumber } from '../../src/net/ip-address.ts'
import type { Conversation } from './connection.ts'
import type { Transport } from './frames.ts'
import type { Dialled } from './test-packet.ts'
import type { Draft } from './packet-sketch.ts'

/** The connections that sending this makes or meets: two packets must not share one. */
export function connectionKeys(draft: Draft): readonly string[] {
  const { route, history, dialled } = draft
  const keys: string[] = []
  const add = (a: IpAddress, b: IpAddress, what: string): void => {
    keys.push(ipToNumber(a) < ipToNumber(b) ? `${a} ${b} ${what}` : `${b} ${a} ${what}`)
  }
  const what = history.kind === 'first' ? keyOf(history.transport) : keyOfTalk(history.talk)
  const far = history.kind === 'error' ? history.far : route.source
  add(far, route.destination, what)
  if (dialled !== undefined) {
    for (const key of dialledKeys(draft, dialled)) {
      add(far, dialled.address, key)
      add(route.destination, dialled.address, key)
    }
  }
  return keys
}

/** A connection and its reverse are the same key. */
function keyOf(transport: Transport): string {
  switch (transport.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return portKey(transport.kind, transport.sourcePort, transport.destinationPort)
    case 'icmp':
      return `icmp ${transport.identifier}`
    case 'igmp':
      return 'igmp'
    case 'plain':
      return `plain ${transport.protocol}`
    default:
      return transport satisfies never
  }
}

function portKey(kind: string, a: number, b: number): string {
  return `${kind} ${Math.min(a, b)} ${Math.max(a, b)}`
}

function keyOfTalk(talk: Conversation): string {
  switch (talk.kind) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return portKey(talk.kind, talk.openerPort, talk.answererPort)
    case 'echo':
      return `icmp ${talk.identifier}`
    case 'plain':
      return `plain ${talk.protocol}`
    default:
      return talk satisfies never
  }
}

/** The connection as the client dialled it, before its destination was translated. */
function dialledKeys({ history }: Draft, { port }: Dialled): readonly string[] {
  if (history.kind === 'first') {
    const { transport } = history
    const ports = transport.kind === 'tcp' || transport.kind === 'udp'
    return [
      ports && port !== undefined ? portKey(transport.kind, transport.sourcePort, port) : keyOf(transport),
    ]
  }
  const { talk } = history
  const ports = talk.kind === 'tcp' || talk.kind === 'udp'
  return [ports && port !== undefined ? portKey(talk.kind, talk.openerPort, port) : keyOfTalk(talk)]
}

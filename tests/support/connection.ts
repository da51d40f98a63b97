import { TCP_FLAGS } from '../../src/packet/packet.ts'
import type { SctpChunk, Transport } from './frames.ts'

/** One packet of a connection's life: which side sends it, and what. */
export interface Turn {
  readonly from: 'opener' | 'answerer'
  readonly transport: Transport
}

/** What a connection is about: ports as its opener sees them. */
export type Conversation =
  | { readonly kind: 'tcp' | 'udp' | 'sctp'; readonly openerPort: number; readonly answererPort: number }
  | { readonly kind: 'echo'; readonly protocol: 1 | 58; readonly identifier: number }
  | { readonly kind: 'plain'; readonly protocol: number }

/** Sequence numbers and tags of the two sides; what conntrack checks must fit together. */
const OPENER = 1000
const ANSWERER = 5000

/** The turns that bring a connection to where both sides have spoken. */
export function handshake(talk: Conversation): readonly Turn[] {
  if (talk.kind === 'tcp') {
    return [turn(talk, 'opener', TCP_FLAGS.syn), ...answered(talk), turn(talk, 'opener', TCP_FLAGS.ack)]
  }
  return [turn(talk, 'opener'), ...answered(talk)]
}

/** The turn that begins it. */
export function opening(talk: Conversation): Turn {
  return turn(talk, 'opener', TCP_FLAGS.syn)
}

/** The answer to the first turn. */
export function answer(talk: Conversation): Turn {
  return turn(talk, 'answerer', TCP_FLAGS.syn | TCP_FLAGS.ack)
}

function answered(talk: Conversation): readonly Turn[] {
  return [answer(talk)]
}

/** A later packet from one of the sides; for TCP with these flags. */
export function later(talk: Conversation, from: Turn['from'], flags: number): Turn {
  return turn(talk, from, flags, 1)
}

function turn(talk: Conversation, from: Turn['from'], flags = 0, progress = 0): Turn {
  return { from, transport: transportOf(talk, from, flags, progress) }
}

function transportOf(talk: Conversation, from: Turn['from'], flags: number, progress: number): Transport {
  const opens = from === 'opener'
  switch (talk.kind) {
    case 'tcp': {
      const begins = (flags & TCP_FLAGS.syn) !== 0 && progress === 0
      const own = (opens ? OPENER : ANSWERER) + (begins ? 0 : 1)
      const acknowledges = (flags & TCP_FLAGS.ack) !== 0
      return {
        kind: 'tcp',
        ...portsOf(talk, opens),
        flags,
        sequence: own,
        acknowledgement: acknowledges ? (opens ? ANSWERER : OPENER) + 1 : 0,
      }
    }
    case 'udp':
      return { kind: 'udp', ...portsOf(talk, opens) }
    case 'sctp':
      return { kind: 'sctp', ...portsOf(talk, opens), ...sctpOf(opens, progress) }
    case 'echo': {
      const types = talk.protocol === 1 ? [8, 0] : [128, 129]
      const type = types[opens ? 0 : 1] ?? 0
      return { kind: 'icmp', protocol: talk.protocol, type, code: 0, identifier: talk.identifier }
    }
    case 'plain':
      return { kind: 'plain', protocol: talk.protocol }
    default:
      return talk satisfies never
  }
}

function portsOf(
  talk: { readonly openerPort: number; readonly answererPort: number },
  opens: boolean,
): { sourcePort: number; destinationPort: number } {
  return opens
    ? { sourcePort: talk.openerPort, destinationPort: talk.answererPort }
    : { sourcePort: talk.answererPort, destinationPort: talk.openerPort }
}

/** INIT carries no tag; INIT ACK carries the opener's, all later chunks the receiver's (RFC 9260 section 8.5). */
function sctpOf(
  opens: boolean,
  progress: number,
): { chunk: SctpChunk; verificationTag: number; initiateTag: number } {
  if (progress === 0) {
    return opens
      ? { chunk: 'init', verificationTag: 0, initiateTag: OPENER }
      : { chunk: 'init-ack', verificationTag: OPENER, initiateTag: ANSWERER }
  }
  return opens
    ? { chunk: 'cookie-echo', verificationTag: ANSWERER, initiateTag: 0 }
    : { chunk: 'data', verificationTag: OPENER, initiateTag: 0 }
}

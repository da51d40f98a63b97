import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { ipToNumber } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import { PROTOCOL_NUMBER } from '../../src/net/protocol.ts'

/**
 * One IP packet as bytes on a wire. `id` stands where nft can read it back (`ip id`, `ip6 flowlabel`), so that a
 * chain can say which packet it saw; `dscp` tells the probe's own chains what kind of test packet this is.
 */
export interface WirePacket {
  readonly family: Family
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly hopLimit: number
  /** 1 to 65535. */
  readonly id: number
  /** 0 to 63. */
  readonly dscp: number
  readonly transport: Transport
}

export type Transport =
  | {
      readonly kind: 'tcp'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly flags: number
      readonly sequence?: number
      readonly acknowledgement?: number
    }
  | { readonly kind: 'udp'; readonly sourcePort: number; readonly destinationPort: number }
  | {
      readonly kind: 'sctp'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly chunk: SctpChunk
      readonly verificationTag: number
      readonly initiateTag: number
    }
  /** `protocol` 1 or 58 of either family: an ICMPv6 message inside IPv4 is a corner that rules must get right. */
  | {
      readonly kind: 'icmp'
      readonly protocol: 1 | 58
      readonly type: number
      readonly code: number
      readonly identifier: number
      /** The packet that an error message is about. */
      readonly quoted?: WirePacket
      /** A hop-by-hop router alert before it, as MLD has (RFC 2710 section 3). IPv6 only. */
      readonly routerAlert?: boolean
    }
  | { readonly kind: 'igmp'; readonly type: number; readonly group: IpAddress }
  /** Anything else: `protocol` and some octets. */
  | { readonly kind: 'plain'; readonly protocol: number; readonly payload?: Uint8Array }

export type SctpChunk = 'init' | 'init-ack' | 'cookie-echo' | 'data'

const SCTP_CHUNK_TYPE = { data: 0, init: 1, 'init-ack': 2, 'cookie-echo': 10 } as const
const ETHER_TYPE = { ip: 0x0800, ip6: 0x86dd } as const

export function protocolOf(transport: Transport): number {
  switch (transport.kind) {
    case 'tcp':
      return PROTOCOL_NUMBER.tcp
    case 'udp':
      return PROTOCOL_NUMBER.udp
    case 'sctp':
      return PROTOCOL_NUMBER.sctp
    case 'igmp':
      return PROTOCOL_NUMBER.igmp
    case 'icmp':
    case 'plain':
      return transport.protocol
    default:
      return transport satisfies never
  }
}

/** An Ethernet frame that carries the packet. */
export function ethernetFrame(to: MacAddress, from: MacAddress, packet: WirePacket): Buffer {
  const ip = ipPacket(packet)
  const frame = Buffer.alloc(14 + ip.length)
  frame.write(to.replaceAll(':', ''), 0, 'hex')
  frame.write(from.replaceAll(':', ''), 6, 'hex')
  frame.writeUInt16BE(ETHER_TYPE[packet.family], 12)
  ip.copy(frame, 14)
  return frame
}

/** The packet from its IP header on, every checksum right, so that conntrack does not call it invalid. */
export function ipPacket(packet: WirePacket): Buffer {
  const payload = transportBytes(packet)
  return packet.family === 'ip' ? ip4Packet(packet, payload) : ip6Packet(packet, payload)
}

function ip4Packet(packet: WirePacket, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(20 + payload.length)
  bytes[0] = 0x45
  bytes[1] = packet.dscp << 2
  bytes.writeUInt16BE(bytes.length, 2)
  bytes.writeUInt16BE(packet.id, 4)
  bytes[8] = packet.hopLimit
  bytes[9] = protocolOf(packet.transport)
  addressBytes(packet.source).copy(bytes, 12)
  addressBytes(packet.destination).copy(bytes, 16)
  bytes.writeUInt16BE(checksum(bytes.subarray(0, 20)), 10)
  payload.copy(bytes, 20)
  return bytes
}

function ip6Packet(packet: WirePacket, payload: Buffer): Buffer {
  const alert = packet.transport.kind === 'icmp' && packet.transport.routerAlert === true
  const extension = alert ? Buffer.from([protocolOf(packet.transport), 0, 5, 2, 0, 0, 1, 0]) : Buffer.alloc(0)
  const bytes = Buffer.alloc(40 + extension.length + payload.length)
  bytes.writeUInt32BE(((6 << 28) | (packet.dscp << 22) | packet.id) >>> 0, 0)
  bytes.writeUInt16BE(extension.length + payload.length, 4)
  bytes[6] = alert ? 0 : protocolOf(packet.transport)
  bytes[7] = packet.hopLimit
  addressBytes(packet.source).copy(bytes, 8)
  addressBytes(packet.destination).copy(bytes, 24)
  extension.copy(bytes, 40)
  payload.copy(bytes, 40 + extension.length)
  return bytes
}

function transportBytes(packet: WirePacket): Buffer {
  const transport = packet.transport
  switch (transport.kind) {
    case 'tcp': {
      const bytes = Buffer.alloc(20)
      bytes.writeUInt16BE(transport.sourcePort, 0)
      bytes.writeUInt16BE(transport.destinationPort, 2)
      bytes.writeUInt32BE(transport.sequence ?? 1000, 4)
      bytes.writeUInt32BE(transport.acknowledgement ?? 0, 8)
      bytes[12] = 0x50
      bytes[13] = transport.flags
      bytes.writeUInt16BE(64_000, 14)
      return withChecksum(packet, bytes, 16)
    }
    case 'udp': {
      const bytes = Buffer.alloc(12)
      bytes.writeUInt16BE(transport.sourcePort, 0)
      bytes.writeUInt16BE(transport.destinationPort, 2)
      bytes.writeUInt16BE(bytes.length, 4)
      return withChecksum(packet, bytes, 6)
    }
    case 'sctp':
      return sctpBytes(transport)
    case 'icmp':
      return icmpBytes(packet, transport)
    case 'igmp': {
      const bytes = Buffer.alloc(8)
      bytes[0] = transport.type
      addressBytes(transport.group).copy(bytes, 4)
      bytes.writeUInt16BE(checksum(bytes), 2)
      return bytes
    }
    case 'plain':
      return Buffer.from(transport.payload ?? new Uint8Array(16))
    default:
      return transport satisfies never
  }
}

function sctpBytes(transport: Transport & { kind: 'sctp' }): Buffer {
  const initial = transport.chunk === 'init' || transport.chunk === 'init-ack'
  const chunkLength = initial ? 20 : transport.chunk === 'data' ? 20 : 8
  const bytes = Buffer.alloc(12 + chunkLength)
  bytes.writeUInt16BE(transport.sourcePort, 0)
  bytes.writeUInt16BE(transport.destinationPort, 2)
  bytes.writeUInt32BE(transport.verificationTag, 4)
  bytes[12] = SCTP_CHUNK_TYPE[transport.chunk]
  bytes[13] = transport.chunk === 'data' ? 3 : 0
  bytes.writeUInt16BE(chunkLength, 14)
  if (initial) {
    bytes.writeUInt32BE(transport.initiateTag, 16)
    bytes.writeUInt32BE(64_000, 20)
    bytes.writeUInt16BE(1, 24)
    bytes.writeUInt16BE(1, 26)
    bytes.writeUInt32BE(1, 28)
  }
  // The only little-endian field of the lot (RFC 9260 appendix A).
  bytes.writeUInt32LE(crc32c(bytes), 8)
  return bytes
}

/** Octets after the first eight that a message of this type must have to be well formed (RFC 4861, 2710, 792). */
const ICMP_BODY: Readonly<Record<number, number>> = { 13: 12, 14: 12, 17: 4, 18: 4 }
const ICMP6_BODY: Readonly<Record<number, number>> = {
  130: 16,
  131: 16,
  132: 16,
  134: 8,
  135: 16,
  136: 16,
  137: 32,
}

function icmpBytes(packet: WirePacket, transport: Transport & { kind: 'icmp' }): Buffer {
  const six = transport.protocol === PROTOCOL_NUMBER.icmpv6
  const quoted = transport.quoted === undefined ? undefined : ipPacket(transport.quoted)
  const body = quoted ?? Buffer.alloc((six ? ICMP6_BODY : ICMP_BODY)[transport.type] ?? 0)
  const bytes = Buffer.alloc(8 + body.length)
  bytes[0] = transport.type
  bytes[1] = transport.code
  if (quoted === undefined && isEcho(transport)) bytes.writeUInt16BE(transport.identifier, 4)
  body.copy(bytes, 8)
  if (six && packet.family === 'ip6') return withChecksum(packet, bytes, 2)
  bytes.writeUInt16BE(checksum(bytes), 2)
  return bytes
}

function isEcho(transport: Transport & { kind: 'icmp' }): boolean {
  const types = transport.protocol === PROTOCOL_NUMBER.icmpv6 ? [128, 129] : [0, 8, 13, 14, 15, 16, 17, 18]
  return types.includes(transport.type)
}

/** Fills in a checksum that covers the pseudo header too (RFC 768, 9293, 8200 section 8.1). */
function withChecksum(packet: WirePacket, bytes: Buffer, offset: number): Buffer {
  const source = addressBytes(packet.source)
  const pseudo = Buffer.alloc(source.length * 2 + 8)
  source.copy(pseudo, 0)
  addressBytes(packet.destination).copy(pseudo, source.length)
  pseudo.writeUInt32BE(bytes.length, source.length * 2)
  pseudo[pseudo.length - 1] = protocolOf(packet.transport)
  const sum = checksum(Buffer.concat([pseudo, bytes]))
  // A computed zero is sent as ones for UDP, where zero means "none".
  bytes.writeUInt16BE(sum === 0 && packet.transport.kind === 'udp' ? 0xffff : sum, offset)
  return bytes
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += bytes.readUInt16BE(index)
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const addressCache = new Map<IpAddress, Buffer>()

function addressBytes(address: IpAddress): Buffer {
  const known = addressCache.get(address)
  if (known !== undefined) return known
  const width = address.includes(':') ? 32 : 8
  const bytes = Buffer.from(ipToNumber(address).toString(16).padStart(width, '0'), 'hex')
  if (addressCache.size > 100_000) addressCache.clear()
  addressCache.set(address, bytes)
  return bytes
}

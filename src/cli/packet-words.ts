import { protocolName } from '../net/protocol.ts'
import type { Packet } from '../packet/packet.ts'

/** A packet in one line: `eth0, from 00:11:22:33:44:55 198.51.100.66, to 22/tcp`. */
export function packetWords(packet: Packet): string {
  const where = packet.iif === undefined ? 'from this host' : packet.iif
  const mac = packet.mac === undefined ? '' : `${packet.mac} `
  return `${where}, from ${mac}${packet.source}, to ${requestWords(packet)}`
}

function requestWords(packet: Packet): string {
  const name = protocolName(packet.protocol) ?? `protocol ${packet.protocol}`
  if (packet.destinationPort !== undefined) return `${packet.destinationPort}/${name}`
  if (packet.messageType === 8 && name === 'icmp') return 'ping'
  if (packet.messageType === 128 && name === 'icmpv6') return 'ping'
  return packet.messageType === undefined ? name : `${name} type ${packet.messageType}`
}

import type { IpAddress } from '../net/ip-address.ts'
import { ipFromNumber } from '../net/ip-address.ts'
import type { SshConnection } from './host-facts.ts'

/** An established TCP socket of /proc/net/tcp or tcp6: both its ends, and its inode, by which a process holds it. */
export interface SocketInode extends Pick<SshConnection, 'local' | 'remote'> {
  readonly inode: string
}

/** TCP_ESTABLISHED in include/net/tcp_states.h. */
const ESTABLISHED = '01'

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/**
 * Reads the established sockets out of /proc/net/tcp{,6}; lines of another shape are left out. The kernel prints each
 * four bytes of an address as one number of its own byte order. An IPv4 peer of a socket for both families (`::ffff:`)
 * is its IPv4 address, as in its packets.
 */
export function readSocketInodes(
  text: string,
  littleEndian: boolean = HOST_IS_LITTLE_ENDIAN,
): readonly SocketInode[] {
  return text.split('\n').flatMap((line) => {
    const [, localText, remoteText, state, , , , , , inode] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || inode === undefined || !/^\d+$/.test(inode)) return []
    const local = endOf(localText, littleEndian)
    const remote = endOf(remoteText, littleEndian)
    return local === undefined || remote === undefined ? [] : [{ local, remote, inode }]
  })
}

function endOf(text: string | undefined, littleEndian: boolean): SocketInode['local'] | undefined {
  const [, words, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text ?? '') ?? []
  if (words === undefined || port === undefined) return undefined
  return { address: addressOf(words, littleEndian), port: Number.parseInt(port, 16) }
}

function addressOf(words: string, littleEndian: boolean): IpAddress {
  const digits = littleEndian
    ? (words.match(/.{8}/g) ?? []).map((word) => (word.match(/../g) ?? []).reverse().join('')).join('')
    : words
  const value = BigInt(`0x${digits}`)
  if (digits.length === 8) return ipFromNumber('ip', value)
  const mapped = value >> 32n === 0xffffn
  return mapped ? ipFromNumber('ip', value & 0xffffffffn) : ipFromNumber('ip6', value)
}

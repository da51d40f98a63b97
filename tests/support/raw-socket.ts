import { closeSync, openSync, writeSync } from 'node:fs'
import koffi from 'koffi'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { ipToNumber } from '../../src/net/ip-address.ts'

// Node has no raw sockets, and tests that speak about MAC addresses need frames with any of them. Linux only.
const libc = koffi.load('libc.so.6')
const setns = libc.func('int setns(int fd, int nstype)')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
const send = libc.func('long send(int fd, const uint8_t *bytes, size_t length, int flags)')
const sendto = libc.func(
  'long sendto(int fd, const uint8_t *bytes, size_t length, int flags, const uint8_t *address, uint32_t addressLength)',
)
const ioctl = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)')
const close = libc.func('int close(int fd)')

const CLONE_NEWNET = 0x40000000
const AF = { inet: 2, inet6: 10, packet: 17 } as const
const SOCK_RAW = 3
const IPPROTO_RAW = 255
const TUNSETIFF = 0x400454ca
const IFF_TUN_NO_PI = 0x1001

/** Something that packets or frames can be put into, whole. */
export interface Sender {
  send(bytes: Buffer): void
  close(): void
}

/** Runs `action` with this thread inside another network namespace (`/run/netns/NAME`), and comes back. */
export function inNamespace<T>(name: string, action: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r')
  const other = openSync(`/run/netns/${name}`, 'r')
  try {
    must(setns(other, CLONE_NEWNET), 'setns')
    try {
      return action()
    } finally {
      // A thread lost in the wrong namespace would send everything else astray.
      must(setns(own, CLONE_NEWNET), 'setns back')
    }
  } finally {
    closeSync(own)
    closeSync(other)
  }
}

/** Sends whole Ethernet frames out of an interface, of another namespace if one is named. */
export function openFrameSender(interfaceName: string, namespace?: string): Sender {
  const open = (): Sender => {
    const fd = must(socket(AF.packet, SOCK_RAW, 0), 'socket(AF_PACKET)')
    const address = Buffer.alloc(20)
    address.writeUInt16LE(AF.packet, 0)
    address.writeInt32LE(interfaceIndex(interfaceName), 4)
    must(bind(fd, address, address.length), `bind to ${interfaceName}`)
    return {
      send: (bytes) => {
        must(send(fd, bytes, bytes.length, 0), `send on ${interfaceName}`)
      },
      close: () => {
        close(fd)
      },
    }
  }
  return namespace === undefined ? open() : inNamespace(namespace, open)
}

/** May this user create tun interfaces? Some systems keep `/dev/net/tun` for root. */
export function mayOpenTun(): boolean {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'))
    return true
  } catch {
    return false
  }
}

/** Creates a tun interface; what is sent into it arrives on it as an IP packet without a link-layer header. */
export function openTun(interfaceName: string): Sender {
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(40)
  request.write(interfaceName, 0, 15, 'latin1')
  request.writeUInt16LE(IFF_TUN_NO_PI, 16)
  must(ioctl(fd, TUNSETIFF, request), `TUNSETIFF ${interfaceName}`)
  return {
    send: (bytes) => {
      writeSync(fd, bytes)
    },
    close: () => {
      closeSync(fd)
    },
  }
}

/** Sends IP packets of this host's own, header included; they leave through the output hook as any other. */
export interface OutputSender {
  send(bytes: Buffer, family: Family, destination: IpAddress, scope?: string): void
  close(): void
}

export function openOutputSender(): OutputSender {
  const four = must(socket(AF.inet, SOCK_RAW, IPPROTO_RAW), 'socket(AF_INET, SOCK_RAW)')
  const six = must(socket(AF.inet6, SOCK_RAW, IPPROTO_RAW), 'socket(AF_INET6, SOCK_RAW)')
  return {
    send: (bytes, family, destination, scope) => {
      const address = family === 'ip' ? inetAddress(destination) : inet6Address(destination, scope)
      const fd = family === 'ip' ? four : six
      must(sendto(fd, bytes, bytes.length, 0, address, address.length), `sendto ${destination}`)
    },
    close: () => {
      close(four)
      close(six)
    },
  }
}

function inetAddress(address: IpAddress): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF.inet, 0)
  bytes.writeUInt32BE(Number(ipToNumber(address)), 4)
  return bytes
}

function inet6Address(address: IpAddress, scope: string | undefined): Buffer {
  const bytes = Buffer.alloc(28)
  bytes.writeUInt16LE(AF.inet6, 0)
  bytes.write(ipToNumber(address).toString(16).padStart(32, '0'), 8, 'hex')
  if (scope !== undefined) bytes.writeUInt32LE(interfaceIndex(scope), 24)
  return bytes
}

const ifNametoindex = libc.func('uint32_t if_nametoindex(const char *name)')

function interfaceIndex(name: string): number {
  const index: number = ifNametoindex(name)
  if (index === 0) throw new Error(`no interface ${name} in this network namespace`)
  return index
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`)
  return result
}

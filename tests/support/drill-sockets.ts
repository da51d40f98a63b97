import koffi from 'koffi'
import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import { ipToNumber } from '../../src/net/ip-address.ts'
import { inNamespace } from './raw-socket.ts'

// Sockets of Node's belong to whatever namespace its thread is in when libuv gets to making them; these are made at once,
// so that one process can dial from, and listen in, as many network namespaces as it likes. Linux only.
const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
const listen = libc.func('int listen(int fd, int backlog)')
const accept4 = libc.func('int accept4(int fd, void *address, void *length, int flags)')
const connect = libc.func('int connect(int fd, const uint8_t *address, uint32_t length)')
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
)
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, _Inout_ uint8_t *value, _Inout_ uint32_t *length)',
)
const poll = libc.func('int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)')
const close = libc.func('int close(int fd)')

const AF = { ip: 2, ip6: 10 } as const
const SOCK_STREAM = 1
const NONBLOCK = 0o4000
const CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_ERROR = 4
const SO_LINGER = 13
const EINPROGRESS = 115
const EAGAIN = 11
const POLLOUT = 4

/** Listens on a TCP port of a namespace, both families; the file descriptor, to be closed or handed to a child. */
export function listenIn(namespace: string, port: number): number {
  return inNamespace(namespace, () => {
    const fd = must(socket(AF.ip6, SOCK_STREAM | NONBLOCK | CLOEXEC, 0), 'socket')
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, word(1), 4), 'SO_REUSEADDR')
    const address = Buffer.alloc(28)
    address.writeUInt16LE(AF.ip6, 0)
    address.writeUInt16BE(port, 2)
    must(bind(fd, address, address.length), `bind to port ${port}`)
    must(listen(fd, 4096), 'listen')
    return fd
  })
}

/** Takes one connection that has come in; undefined where none is waiting. */
export function acceptFrom(listener: number): number | undefined {
  const fd: number = accept4(listener, null, null, CLOEXEC)
  if (fd >= 0) return fd
  if (koffi.errno() === EAGAIN) return undefined
  return must(fd, 'accept')
}

/** Begins to dial from inside a namespace; `answerOf` says what became of it. */
export function dialFrom(namespace: string, family: Family, address: IpAddress, port: number): number {
  return inNamespace(namespace, () => {
    const fd = must(socket(AF[family], SOCK_STREAM | NONBLOCK | CLOEXEC, 0), 'socket')
    const bytes = Buffer.alloc(family === 'ip' ? 16 : 28)
    bytes.writeUInt16LE(AF[family], 0)
    bytes.writeUInt16BE(port, 2)
    if (family === 'ip') bytes.writeUInt32BE(Number(ipToNumber(address)), 4)
    else bytes.write(ipToNumber(address).toString(16).padStart(32, '0'), 8, 'hex')
    const status: number = connect(fd, bytes, bytes.length)
    if (status < 0 && koffi.errno() !== EINPROGRESS) refusedAtOnce.add(fd)
    return fd
  })
}

const EINTR = 4

/** Where connect() itself failed (no route, for instance): the socket would tell of it no second time. */
const refusedAtOnce = new Set<number>()

/** What became of a dialled connection by now. */
export function answerOf(fd: number): 'connected' | 'refused' | 'none' {
  if (refusedAtOnce.has(fd)) return 'refused'
  const entry = Buffer.alloc(8)
  entry.writeInt32LE(fd, 0)
  entry.writeInt16LE(POLLOUT, 4)
  const ready = poll(entry, 1, 0)
  // A signal came in between (a child of this process ended): ask again later.
  if (ready < 0 && koffi.errno() === EINTR) return 'none'
  if (must(ready, 'poll') === 0) return 'none'
  const value = word(0)
  must(getsockopt(fd, SOL_SOCKET, SO_ERROR, value, [4]), 'SO_ERROR')
  return value.readInt32LE(0) === 0 ? 'connected' : 'refused'
}

/** Closes with a reset, so that nothing of the connection lingers at either end. */
export function hangUp(fd: number): void {
  const linger = Buffer.alloc(8)
  linger.writeInt32LE(1, 0)
  setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length)
  refusedAtOnce.delete(fd)
  close(fd)
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value, 0)
  return bytes
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`)
  return result
}

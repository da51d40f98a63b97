import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import koffi from 'koffi'

// What a terminal program or sshd does to give a shell a terminal; Node has no function for it. Linux only.
const libc = koffi.load('libc.so.6')
const posixOpenpt = libc.func('int posix_openpt(int flags)')
const grantpt = libc.func('int grantpt(int fd)')
const unlockpt = libc.func('int unlockpt(int fd)')
const ptsname = libc.func('const char *ptsname(int fd)')
const ioctl = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)')

const CLOEXEC = 0o2000000
const TIOCSWINSZ = 0x5414

/** The near side of a pseudo terminal: what a person sees and types. */
export interface Terminal {
  /** The far side, open for the program that is to sit at it; `seated` when it does. */
  readonly far: number
  seated(): void
  /** All that was printed so far. */
  output(): string
  type(text: string): void
  /** The window is closed, the network cable cut: the terminal is gone, and its programs are told by HUP. */
  close(): void
}

export function openTerminal(): Terminal {
  // Close-on-exec: a copy of the near side in any child would keep the terminal alive.
  const near = must(posixOpenpt(constants.O_RDWR | constants.O_NOCTTY | CLOEXEC), 'posix_openpt')
  must(grantpt(near), 'grantpt')
  must(unlockpt(near), 'unlockpt')
  const name: string = ptsname(near)
  const size = Buffer.alloc(8)
  size.writeUInt16LE(24, 0)
  size.writeUInt16LE(80, 2)
  must(ioctl(near, TIOCSWINSZ, size), 'TIOCSWINSZ')
  const far = openSync(name, constants.O_RDWR | constants.O_NOCTTY)
  const chunks: Buffer[] = []
  let open = true
  const stream = new ReadStream(near)
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  // EIO: nobody is left at the far side.
  stream.on('error', () => {})
  stream.unref()
  return {
    far,
    seated: () => closeSync(far),
    output: () => Buffer.concat(chunks).toString('utf8'),
    type: (text) => {
      writeSync(near, text)
    },
    close: () => {
      if (open) stream.destroy()
      open = false
    },
  }
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`)
  return result
}

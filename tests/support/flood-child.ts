/**
 * A flood, from whatever network namespace this runs in: reads lines `INTERFACE FRAME-IN-HEX`, then a line `go`, and
 * sends them all over and over as fast as it can until standard input ends. Prints how many it has sent.
 */
import { createInterface } from 'node:readline'
import type { Sender } from './raw-socket.ts'
import { openFrameSender } from './raw-socket.ts'

const BURST = 500
const senders = new Map<string, Sender>()
const frames: { readonly sender: Sender; readonly bytes: Buffer }[] = []
let sent = 0

function senderOn(name: string): Sender {
  const known = senders.get(name)
  if (known !== undefined) return known
  const fresh = openFrameSender(name)
  senders.set(name, fresh)
  return fresh
}

function burst(): void {
  for (let count = 0; count < BURST; count++) {
    const frame = frames[sent++ % frames.length]
    frame?.sender.send(frame.bytes)
  }
  setImmediate(burst)
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'go') return burst()
    const [name = '', hex = ''] = line.split(' ')
    frames.push({ sender: senderOn(name), bytes: Buffer.from(hex, 'hex') })
  })
  .on('close', () => {
    process.stdout.write(`${sent}\n`, () => process.exit(0))
  })

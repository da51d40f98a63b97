import { parseIpAddress } from '../src/net/ip-address.ts'
import { parseMacAddress } from '../src/net/mac-address.ts'
import { expectOk } from '../tests/support/expect-ok.ts'
import { ethernetFrame } from '../tests/support/frames.ts'
import type { Sender } from '../tests/support/raw-socket.ts'
import { openFrameSender } from '../tests/support/raw-socket.ts'
import { run } from '../tests/support/run.ts'
import { macAddress } from './policies.ts'

/** Frames a second that the host's end of the cable disposed of. */
export interface Rates {
  /** No rules but those of the measurement. */
  readonly nothing: number
  /** Those, and connection tracking: what any stateful firewall begins with. */
  readonly tracking: number
  readonly admit: Disposed
  /** The recipe: `iptables -A INPUT -m mac --mac-source … -j ACCEPT`, a rule a device. */
  readonly recipe: Disposed
}

export interface Disposed {
  /** Frames of the device that is listed last. */
  readonly device: number
  readonly stranger: number
}

/** Whatever is let through ends here, so that every frame takes the same way but for the rules that are measured. */
const END = `table inet bench {
  chain arrived { type filter hook prerouting priority -290; udp dport 22222 counter; }
  chain end { type filter hook input priority 290; policy drop; }
}`
const TRACKING =
  'table inet tracking { chain input { type filter hook input priority 0; ct state invalid drop; }; }'

const STRANGER = '02:00:00:00:00:99'
const BURST = 200

/** `applyPolicy` puts the rules of a policy of MAC addresses into the kernel. Each figure is of so many `seconds`. */
export function floodRates(devices: number, seconds: number, applyPolicy: () => void): Rates {
  const sender = openFrameSender('peer0')
  const last = macAddress(devices - 1)
  const both = (): Disposed => ({
    device: rate(sender, last, seconds),
    stranger: rate(sender, STRANGER, seconds),
  })
  try {
    run('nft', ['-f', '-'], END)
    const nothing = rate(sender, STRANGER, seconds)
    run('nft', ['-f', '-'], TRACKING)
    const tracking = rate(sender, STRANGER, seconds)
    run('nft', ['delete', 'table', 'inet', 'tracking'])
    applyPolicy()
    const admit = both()
    run('nft', ['delete', 'table', 'inet', 'admit'])
    run('iptables-restore', [], recipe(devices))
    return { nothing, tracking, admit, recipe: both() }
  } finally {
    sender.close()
  }
}

/** The recipe for the first so many devices, as `iptables-restore` reads it. */
export function recipe(devices: number): string {
  const rules = Array.from(
    { length: devices },
    (_, index) => `-A INPUT -m mac --mac-source ${macAddress(index)} -j ACCEPT`,
  )
  return [
    '*filter',
    ':INPUT DROP',
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT',
    ...rules,
    'COMMIT',
    '',
  ].join('\n')
}

/**
 * The kernel works a frame off before `send` returns, so the sender's rate is the receiver's. Of all bursts the fastest
 * twentieth counts: what the others lost, they lost to other work on the machine.
 */
function rate(sender: Sender, from: string, seconds: number): number {
  const frame = dial(from)
  const before = arrived()
  const bursts: number[] = []
  const end = performance.now() + seconds * 1000
  do {
    const start = performance.now()
    for (let count = 0; count < BURST; count++) sender.send(frame)
    bursts.push((performance.now() - start) / 1000)
  } while (performance.now() < end)
  const sent = bursts.length * BURST
  const seen = arrived() - before
  if (seen < sent * 0.99) throw new Error(`of ${sent} frames only ${seen} arrived: this is no rate`)
  const fast = bursts.toSorted((x, y) => x - y)[Math.floor(bursts.length / 20)]
  return BURST / (fast ?? Number.NaN)
}

function dial(from: string): Buffer {
  const mac = (text: string) => expectOk(parseMacAddress(text), text)
  const address = (text: string) => expectOk(parseIpAddress(text), text)
  return ethernetFrame(mac('52:54:00:00:00:02'), mac(from), {
    family: 'ip',
    source: address('192.168.1.77'),
    destination: address('192.168.1.2'),
    hopLimit: 64,
    id: 1,
    dscp: 0,
    transport: { kind: 'udp', sourcePort: 40000, destinationPort: 22222 },
  })
}

function arrived(): number {
  const packets = /counter packets (\d+)/.exec(run('nft', ['list', 'chain', 'inet', 'bench', 'arrived']))?.[1]
  return Number(packets)
}

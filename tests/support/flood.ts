import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { ethernetFrame } from './frames.ts'
import { PEER } from './host-under-test.ts'
import { nft } from './nft.ts'
import { DSCP } from './probe.ts'
import type { TestPacket } from './test-packet.ts'

const HOOKS = ['input', 'forward'] as const

/** Counts what arrives and what gets through, and keeps no list: a flood would spend its time in sets. */
const COUNTING_TABLE = `
table inet flood {
  counter arrived { }
  counter through { }
  chain early {
    type filter hook prerouting priority -290;
    ip dscp ${DSCP.test} counter name arrived
    ip6 dscp ${DSCP.test} counter name arrived
  }
${HOOKS.map(
  (hook) => `  chain late_${hook} {
    type filter hook ${hook} priority 290;
    ip dscp ${DSCP.test} counter name through drop
    ip6 dscp ${DSCP.test} counter name through drop
  }
`,
).join('')}}
`

export interface Flooded {
  readonly arrived: number
  readonly through: number
}

/** Sends these packets over and over, as fast as one process can, while `meanwhile` runs. */
export async function underFlood(
  packets: readonly TestPacket[],
  meanwhile: () => Promise<void>,
): Promise<Flooded> {
  nft(COUNTING_TABLE)
  const script = new URL('./flood-child.ts', import.meta.url).pathname
  const child = spawn('ip', ['netns', 'exec', PEER, process.execPath, script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  for (const { origin, wire } of packets) {
    if (origin.kind !== 'frame') throw new Error('a flood is made of frames')
    child.stdin.write(`${origin.cable} ${ethernetFrame(origin.to, origin.from, wire).toString('hex')}\n`)
  }
  child.stdin.write('go\n')
  child.stdout.resume()
  const gone = once(child, 'exit')
  try {
    while (countOf('arrived') === 0) {
      if (child.exitCode !== null) throw new Error('the flood never began')
      await sleep(5)
    }
    await meanwhile()
  } finally {
    child.stdin.end()
    await gone
  }
  const flooded = { arrived: countOf('arrived'), through: countOf('through') }
  nft('delete table inet flood')
  return flooded
}

function countOf(counter: string): number {
  const packets = /packets (\d+)/.exec(nft(`list counter inet flood ${counter}`))?.[1]
  if (packets === undefined) throw new Error(`no counter ${counter}`)
  return Number(packets)
}

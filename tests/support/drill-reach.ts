import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family } from '../../src/net/ip-address.ts'
import type { DrillLab, Machine } from './drill-lab.ts'
import { acceptFrom, answerOf, dialFrom, hangUp } from './drill-sockets.ts'

/** Whom the SSH port is to be open for. */
export type Expected = (machine: Machine, family: Family) => boolean

export const ADMINS_ONLY: Expected = (machine) => machine.role === 'admin'
export const EVERYBODY: Expected = () => true
export const NOBODY: Expected = () => false

/** Milliseconds. An answer that must come may need TCP's second try, and a busy machine. */
const PATIENCE = 4000
/**
 * Milliseconds of silence after everyone else was answered. The kernel answers in the moment that it takes the packet,
 * and those who are to be refused dial first; so their answers would have come before the others'.
 */
const SILENCE = 40

export interface ReachOptions {
  readonly families?: readonly Family[]
  readonly patience?: number
}

/**
 * Everyone dials the SSH port at once, over both families: who gets through, as `laptop ip`. It waits for those that
 * are expected to, and for a moment of silence of the others; all being well, some 50 ms.
 */
export async function whoReaches(
  lab: DrillLab,
  expected: Expected,
  options: ReachOptions = {},
): Promise<readonly string[]> {
  const { families = ['ip', 'ip6'], patience = PATIENCE } = options
  const wanted = lab.machines.flatMap((machine) => families.map((family) => ({ machine, family })))
  const order = wanted.toSorted(
    (a, b) => Number(expected(a.machine, a.family)) - Number(expected(b.machine, b.family)),
  )
  const calls = order.map(({ machine, family }) => ({
    name: `${machine.name} ${family}`,
    awaited: expected(machine, family),
    fd: dialFrom(lab.peerNamespace, family, family === 'ip' ? machine.host : machine.host6, lab.sshPort),
  }))
  try {
    const deadline = performance.now() + patience
    while (calls.some(({ awaited, fd }) => awaited && answerOf(fd) === 'none')) {
      if (performance.now() > deadline) break
      await sleep(2)
    }
    await sleep(SILENCE)
    return calls.filter(({ fd }) => answerOf(fd) === 'connected').map(({ name }) => name)
  } finally {
    for (const { fd } of calls) hangUp(fd)
    const listener = lab.listener()
    for (let fd = acceptFrom(listener); fd !== undefined; fd = acceptFrom(listener)) hangUp(fd)
  }
}

/** The end of a drill: exactly these machines reach SSH. */
export async function expectReach(
  lab: DrillLab,
  expected: Expected,
  where: string,
  options: ReachOptions = {},
): Promise<void> {
  const { families = ['ip', 'ip6'] } = options
  const reached = await whoReaches(lab, expected, options)
  const wanted = lab.machines.flatMap((machine) =>
    families.filter((family) => expected(machine, family)).map((family) => `${machine.name} ${family}`),
  )
  assert.deepEqual(reached.toSorted(), wanted.toSorted(), `${where}: who reaches SSH`)
}

/** What holds in every drill, however it went: every admin can open SSH, no stranger can. */
export async function expectSafe(lab: DrillLab, where: string): Promise<void> {
  await expectReach(lab, ADMINS_ONLY, where)
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Family } from '../../src/net/ip-address.ts'
import type { DrillLab } from './drill-lab.ts'
import type { Program } from './drill-program.ts'
import { acceptFrom, answerOf, dialFrom, hangUp } from './drill-sockets.ts'

/**
 * A login over SSH as the kernel sees it, without any SSH: a real TCP connection from a machine, held by a process named
 * sshd that the programs descend from. tests/drills/ssh*.test.ts have the real thing; here hundreds are wanted.
 */
export interface Session {
  /** At a terminal of its own, as `ssh -t`; several at once share the connection, as multiplexed sessions do. */
  start(argv: readonly string[]): Promise<Program>
  /** The connection is gone; who has a terminal still has it. */
  hangUp(): void
}

/** Milliseconds: TCP's second try comes after one second. */
const PATIENCE = 5000

/** Logs in from a machine of the lab, by its name; an error where the host does not let it. */
export async function logIn(lab: DrillLab, from: string, family: Family = 'ip'): Promise<Session> {
  const machine = lab.machines.find(({ name }) => name === from)
  if (machine === undefined) throw new Error(`no machine ${from}`)
  const near = dialFrom(
    lab.peerNamespace,
    family,
    family === 'ip' ? machine.host : machine.host6,
    lab.sshPort,
  )
  const deadline = performance.now() + PATIENCE
  let far: number | undefined
  while (far === undefined) {
    if (answerOf(near) === 'connected') far = acceptFrom(lab.listener())
    if (far === undefined && performance.now() > deadline) {
      hangUp(near)
      throw new Error(`${from} does not reach SSH over ${family}`)
    }
    await sleep(2)
  }
  const held = far
  return {
    start: (argv) => lab.start(argv, { shell: lab.sshd, held }),
    hangUp: () => {
      hangUp(near)
      hangUp(held)
    },
  }
}

import { allProcesses, groupOf, killQuietly, sessionOf } from './drill-program.ts'
import type { Program } from './drill-program.ts'

/** What can happen to a program at a terminal, by the name that the tables of docs/safety.md give it. */
export type WayToKill = keyof typeof WAYS_TO_KILL

/**
 * Each ends, or tries to end, a program from outside. A process that left the session by `setsid` is out of reach of
 * all but the signals that are sent to itself: that is what a watchdog is for.
 */
export const WAYS_TO_KILL = {
  'SIGHUP to the process': signal('SIGHUP'),
  'SIGINT to the process': signal('SIGINT'),
  'SIGTERM to the process': signal('SIGTERM'),
  'SIGKILL to the process': signal('SIGKILL'),
  /** The window is closed or the connection lost: the kernel sends HUP, and what is printed then fails. */
  'terminal closed': (program: Program) => program.closeTerminal(),
  /** As a terminal program does that is told to close by force. */
  'process group killed': (program: Program) => {
    const group = groupOf(program.pid)
    if (group !== undefined) killQuietly(-group, 'SIGKILL')
  },
  /** As when the machine's login manager, or sshd's unit, is stopped by force. */
  'session killed': killSession,
} as const satisfies Readonly<Record<string, (program: Program) => void>>

/** All of them, in the order of the tables. */
export const ALL_WAYS_TO_KILL = Object.keys(WAYS_TO_KILL) as readonly WayToKill[]

function signal(name: NodeJS.Signals): (program: Program) => void {
  return (program) => killQuietly(program.pid, name)
}

function killSession(program: Program): void {
  const session = sessionOf(program.pid)
  if (session === undefined) return
  // Until a look finds none: a process may fork between the look and the blow.
  for (let look = 0; look < 20; look++) {
    const members = allProcesses().filter((pid) => sessionOf(pid) === session)
    if (members.length === 0) return
    for (const pid of members) killQuietly(pid, 'SIGKILL')
  }
}

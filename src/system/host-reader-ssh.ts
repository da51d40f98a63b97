import { readdir } from 'node:fs/promises'
import { basename, dirname, join, matchesGlob } from 'node:path'
import type { SshConnection } from '../host/host-facts.ts'
import type { EstablishedSocket, SocketsReading } from '../host/read-sockets.ts'
import { readSockets, socketQuestion } from '../host/read-sockets.ts'
import type { LinkKnowledge } from '../host/ssh-connections.ts'
import { readRouteAnswers, routeQuestions, sshConnectionsOf } from '../host/ssh-connections.ts'
import type { ProcessFacts } from '../host/ssh-ports.ts'
import { findSshPorts, readSocketUnitPorts, sshProcessIds, systemdListens } from '../host/ssh-ports.ts'
import { includesOf, portsOfSshdConfig } from '../host/sshd-config.ts'
import type { Reader } from './host-reader-tools.ts'
import { ask, readIfThere } from './host-reader-tools.ts'

export interface SshSockets extends SocketsReading {
  readonly sshPorts: readonly number[]
}

/** The listening sockets, those of them that are the SSH server's, and the established connections to it. */
export async function readSshSockets(reader: Reader): Promise<SshSockets> {
  const configured = await readConfiguredPorts()
  // A guess, so that one run of ss is enough; the ports that count are those where an SSH server listens.
  const expected = configured.length > 0 ? configured : [22]
  const { listening, established } = await ask(reader, 'ss', socketQuestion(expected), readSockets)
  const [processes, socketUnitPorts] = await Promise.all([
    readProcesses(sshProcessIds(listening)),
    systemdListens(listening) ? readSocketUnits(reader) : [],
  ])
  const ports = findSshPorts(listening, { processes, socketUnitPorts, configuredPorts: configured })
  reader.notes.push(...ports.notes)
  const unexpected = ports.value.filter((port) => !expected.includes(port))
  const more =
    unexpected.length > 0 ? await ask(reader, 'ss', socketQuestion(unexpected), readSockets) : undefined
  const all = [...established, ...(more?.established ?? [])]
  return {
    listening,
    established: all.filter((socket) => ports.value.includes(socket.local.port)),
    sshPorts: ports.value,
  }
}

/** How the peers of these connections reach this host. */
export async function connectionsOf(
  reader: Reader,
  established: readonly EstablishedSocket[],
  links: LinkKnowledge,
): Promise<readonly SshConnection[]> {
  const questions = routeQuestions(established)
  if (questions.length === 0) return []
  const answers = await ask(reader, 'ip', ['-j', '-force', '-batch', '-'], readRouteAnswers, {
    stdin: `${questions.join('\n')}\n`,
    // A peer without a way back has no answer, and ip then exits with 1.
    expectFailures: true,
  })
  return sshConnectionsOf(established, answers, links)
}

async function readProcesses(ids: readonly number[]): Promise<ReadonlyMap<number, ProcessFacts>> {
  const found = await Promise.all(
    ids.map(async (pid): Promise<[number, ProcessFacts][]> => {
      const commandLine = await readIfThere(`/proc/${pid}/cmdline`)
      const status = await readIfThere(`/proc/${pid}/status`)
      // Real, effective, saved and file system user. The owner of /proc/PID is no substitute: it is root for
      // every process that forbids core dumps.
      const uid = /^Uid:\s*\d+\s+(\d+)/m.exec(status ?? '')?.[1]
      if (commandLine === undefined || uid === undefined) return []
      return [[pid, { commandLine: commandLine.replaceAll('\0', ' ').trim(), uid: Number(uid) }]]
    }),
  )
  return new Map(found.flat())
}

function readSocketUnits(reader: Reader): Promise<readonly number[]> {
  const units = ['ssh.socket', 'sshd.socket', 'dropbear.socket']
  return ask(reader, 'systemctl', ['show', '--property=Listen', ...units], (text) => ({
    value: readSocketUnitPorts(text),
    notes: [],
  }))
}

/** The ports in sshd's configuration; none where there is no configuration, and so no sshd. */
async function readConfiguredPorts(): Promise<readonly number[]> {
  const main = await readIfThere('/etc/ssh/sshd_config')
  if (main === undefined) return []
  const patterns = await Promise.all(includesOf(main).map(filesMatching))
  const included = await Promise.all(patterns.flat().map(readIfThere))
  return portsOfSshdConfig([main, ...included.filter((text) => text !== undefined)])
}

/** Files that an Include pattern names; only its last part may have wildcards, as in sshd_config.d/*.conf. */
async function filesMatching(pattern: string): Promise<readonly string[]> {
  try {
    const names = await readdir(dirname(pattern))
    return names
      .filter((name) => matchesGlob(name, basename(pattern)))
      .map((name) => join(dirname(pattern), name))
  } catch {
    return []
  }
}

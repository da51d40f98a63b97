import { readdir } from 'node:fs/promises'
import { basename, dirname, join, matchesGlob } from 'node:path'
import type { HostFacts } from '../host/host-facts.ts'
import { readEstablishedSockets } from '../host/read-sockets.ts'
import type { ListeningSocket } from '../host/read-sockets.ts'
import type { LinkKnowledge } from '../host/ssh-connections.ts'
import { readRouteAnswers, routeQuestions, sshConnectionsOf } from '../host/ssh-connections.ts'
import type { ProcessFacts } from '../host/ssh-ports.ts'
import { findSshPorts, readSocketUnitPorts, sshProcessIds, systemdListens } from '../host/ssh-ports.ts'
import { includesOf, portsOfSshdConfig } from '../host/sshd-config.ts'
import type { Reader } from './host-reader-tools.ts'
import { ask, readIfThere } from './host-reader-tools.ts'

/** The ports of the SSH server, and who is connected to them by which way. */
export async function readSsh(
  reader: Reader,
  listening: Promise<readonly ListeningSocket[]>,
  links: Promise<LinkKnowledge>,
): Promise<Pick<HostFacts, 'sshPorts' | 'sshConnections'>> {
  const sockets = await listening
  const ids = sshProcessIds(sockets)
  const [processes, socketUnitPorts, configuredPorts] = await Promise.all([
    readProcesses(ids),
    systemdListens(sockets) ? readSocketUnits(reader) : [],
    ids.length === 0 ? readConfiguredPorts() : [],
  ])
  const ports = findSshPorts(sockets, { processes, socketUnitPorts, configuredPorts })
  reader.notes.push(...ports.notes)
  if (ports.value.length === 0) return { sshPorts: [], sshConnections: [] }
  const filter = ports.value.map((port) => `sport = :${port}`).join(' or ')
  const established = await ask(
    reader,
    'ss',
    ['-H', '-tn', 'state', 'established', `( ${filter} )`],
    readEstablishedSockets,
  )
  const questions = routeQuestions(established)
  const answers =
    questions.length === 0
      ? []
      : await ask(reader, 'ip', ['-j', '-force', '-batch', '-'], readRouteAnswers, {
          stdin: `${questions.join('\n')}\n`,
          // A peer without a way back has no answer, and ip then exits with 1.
          expectFailures: true,
        })
  return { sshPorts: ports.value, sshConnections: sshConnectionsOf(established, answers, await links) }
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

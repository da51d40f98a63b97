import { readFile, stat } from 'node:fs/promises'

/** When a process began, in clock ticks since boot: with its number it names one process for good, until a reboot. */
export async function startTimeOf(pid: number | 'self'): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name in parentheses may hold anything, also spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[19]
}

/** Is this very process still there? A zombie is not: it will do nothing any more. */
export async function isAlive(pid: number, start: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 0 || (await startTimeOf(pid)) !== start) return false
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text !== '' && !/^[ZX] /.test(text.slice(text.lastIndexOf(')') + 2))
}

/** Of this boot alone. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}

/** The number of this process's network namespace. */
export async function networkNamespace(): Promise<string> {
  return String((await stat('/proc/self/ns/net')).ino)
}

/** Seconds since boot, sleep included: no clock on the wall moves it. */
export async function uptime(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0])
}

/** Is systemd the first process, and does it live in this network namespace? Only then does a unit of its act here. */
export async function systemdRunsThisNetwork(): Promise<boolean> {
  const first = await readFile('/proc/1/comm', 'utf8').catch(() => '')
  if (first.trim() !== 'systemd') return false
  const [own, its] = await Promise.all(
    ['/proc/self/ns/net', '/proc/1/ns/net'].map((path) => stat(path).catch(() => undefined)),
  )
  return own !== undefined && own.ino === its?.ino && own.dev === its.dev
}

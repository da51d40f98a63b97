import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { requirePrivateNamespace } from './private-namespace.ts'
import { run } from './run.ts'

const CHECKOUT = dirname(dirname(import.meta.dirname))
/** Where script/bootstrap unpacks what must not be installed. */
const ASIDE = join(CHECKOUT, '.cache', 'aside')
const PROGRAMS = ['/usr/sbin/sshd', '/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/tmux', '/usr/bin/sudo']
const SSH_PORT = 22

/** A user of the lab who is not root: may become root by sudo, without a password. */
export const ALICE = 'alice'
const ALICE_ID = 61_234

const ACCOUNTS: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:61233:65534::/run/sshd:/usr/sbin/nologin
${ALICE}:x:${ALICE_ID}:${ALICE_ID}::/tmp:/bin/sh
`,
  // An account whose field begins with ! is locked, for sshd too; * has no password and is not.
  shadow: `root:*:19000::::::\nnobody:*:19000::::::\nsshd:*:19000::::::\n${ALICE}:*:19000::::::\n`,
  group: `root:x:0:\nshadow:x:42:\nutmp:x:43:\ntty:x:5:\nnogroup:x:65534:\n${ALICE}:x:${ALICE_ID}:\n`,
  sudoers: `Defaults env_reset\n${ALICE} ALL=(ALL:ALL) NOPASSWD: ALL\nroot ALL=(ALL:ALL) ALL\n`,
}

/** A real sshd in this private network namespace. */
export interface SshHost {
  /** Readable by everyone, gone at the end. */
  readonly folder: string
  /** A folder that everyone may write to. */
  readonly drop: string
  /** The socket of this lab's tmux server. */
  readonly tmux: string
  /** The private key that opens every account. */
  readonly key: string
  /** This checkout, at a path that every user may walk. */
  readonly checkout: string
  /** Node as the first words of a command line, under sudo too; it keeps what it compiled, which halves its start. */
  readonly node: string
  /** What sshd has logged. */
  log(): string
  close(): Promise<void>
}

/** Why there can be no sshd here, in a sentence; undefined where there can. */
export function whyNoSshd(): string | undefined {
  // Checked by number: the root of a user namespace has nobody else to become.
  const [, , others] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)
  if (Number(others) < 65_534) {
    return 'sshd drops its privileges to other users, and this user namespace has none: run the tests as root'
  }
  const lacking = PROGRAMS.filter((path) => !existsSync(path) && !existsSync(join(ASIDE, path)))
  if (lacking.length === 0) return undefined
  return `neither in this system nor in .cache/aside (script/test, as root, unpacks them): ${lacking.join(' ')}`
}

/** Starts sshd on port 22 of this namespace, for root and alice. Only inside script/netns: it mounts over /usr and /etc. */
export async function startSshHost(): Promise<SshHost> {
  requirePrivateNamespace()
  const why = whyNoSshd()
  if (why !== undefined) throw new Error(why)
  layAside()
  const folder = mkdtempSync('/tmp/admit-ssh-')
  chmodSync(folder, 0o755)
  const drop = join(folder, 'drop')
  mkdirSync(drop)
  chmodSync(drop, 0o1777)
  replaceAccounts(folder)
  const tmux = join(folder, 'tmux')
  const key = join(folder, 'key')
  for (const path of [key, join(folder, 'host_key')]) {
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  }
  const checkout = mountCheckout()
  const { sshd, logFile } = await startSshd(folder)
  return {
    folder,
    drop,
    tmux,
    key,
    checkout,
    node: `env NODE_COMPILE_CACHE=${drop} ${process.execPath.replace(CHECKOUT, checkout)}`,
    log: () => readFileSync(logFile, 'utf8'),
    close: async () => {
      await stopSshd(sshd)
      // A server that nobody started is an error of tmux's and none of ours.
      spawnSync('tmux', ['-S', tmux, 'kill-server'], { stdio: 'ignore', timeout: 10_000 })
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function stopSshd(sshd: ChildProcess): Promise<void> {
  if (sshd.exitCode !== null || sshd.signalCode !== null) return
  const gone = once(sshd, 'exit', { signal: AbortSignal.timeout(10_000) })
  sshd.kill('SIGTERM')
  await gone
}

/** Lays what was unpacked over this mount namespace's own /usr and /etc, as script/netns does with .cache/debian. */
function layAside(): void {
  if (PROGRAMS.every((path) => existsSync(path))) return
  // sshd and sudo obey what lies there: nobody else may have put it there.
  if (statSync(ASIDE).uid !== process.getuid?.()) throw new Error(`${ASIDE} belongs to somebody else`)
  const script =
    'cd "$1" && mount -t overlay overlay -o ro,lowerdir=usr:/usr /usr && mount -t overlay overlay -o ro,lowerdir=etc:/etc /etc'
  run('sh', ['-c', script, 'sh', ASIDE])
}

function replaceAccounts(folder: string): void {
  for (const [name, text] of Object.entries(ACCOUNTS)) {
    const mine = join(folder, name)
    writeFileSync(mine, text, { mode: name === 'shadow' || name === 'sudoers' ? 0o440 : 0o644 })
    run('mount', ['--bind', mine, `/etc/${name}`])
  }
}

/** /root, where a checkout may be, is not for alice. /run is this namespace's own. */
function mountCheckout(): string {
  const at = '/run/admit-checkout'
  mkdirSync(at, { recursive: true })
  run('mount', ['--rbind', CHECKOUT, at])
  return at
}

async function startSshd(folder: string): Promise<{ readonly sshd: ChildProcess; readonly logFile: string }> {
  const logFile = join(folder, 'sshd.log')
  const config = join(folder, 'sshd_config')
  const authorized = join(folder, 'authorized_keys')
  writeFileSync(authorized, readFileSync(join(folder, 'key.pub')), { mode: 0o644 })
  writeFileSync(
    config,
    `Port ${SSH_PORT}
HostKey ${join(folder, 'host_key')}
AuthorizedKeysFile ${authorized}
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 100
GatewayPorts clientspecified
PidFile none
`,
  )
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-f', config, '-E', logFile], { stdio: 'ignore' })
  const deadline = Date.now() + 10_000
  while (!(await answers())) {
    if (sshd.exitCode !== null || Date.now() > deadline) {
      sshd.kill('SIGKILL')
      throw new Error(`sshd did not start: ${existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''}`)
    }
    await sleep(20)
  }
  return { sshd, logFile }
}

async function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(SSH_PORT, '127.0.0.1')
    socket.setTimeout(1000, () => socket.destroy(new Error('no answer')))
    socket.on('connect', () => socket.destroy())
    socket.on('error', () => resolve(false))
    socket.on('close', (failed) => resolve(!failed))
  })
}

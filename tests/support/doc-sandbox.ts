/** Runs what a page claims, in order, in one shell on a made-up host: script/netns, with the machine's disk read-only. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Ran {
  readonly status: number
  /** Standard output and standard error, with the usual paths in place of the sandbox's. */
  readonly output: readonly string[]
}

const root = new URL('../..', import.meta.url).pathname
const mark = '\u0001ran'

/**
 * Runs shell commands one after the other in the same shell and tells how each went; undefined from the one on that
 * did not end within the time, or ended the shell. Pages write the usual paths; the sandbox has its own for them.
 */
export function runInSandbox(
  host: string,
  commands: readonly string[],
  seconds = 300,
): readonly (Ran | undefined)[] {
  const folder = mkdtempSync(join(tmpdir(), 'admit-docs-'))
  try {
    const script = join(folder, 'script.sh')
    const session = join(folder, 'session.sh')
    writeFileSync(session, sessionScript(commands))
    writeFileSync(script, hostScript(host, session))
    const { stdout, stderr, error } = spawnSync(join(root, 'script/netns'), ['bash', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: seconds * 1000,
      maxBuffer: 64 * 1024 * 1024,
      cwd: root,
    })
    const [ready = '', ...ran] = stdout.split(new RegExp(`^${mark} (\\d+)\\n`, 'mu'))
    if (ran.length === 0)
      throw new Error(`the host '${host}' could not be set up:\n${ready}${stderr}${error ?? ''}`)
    return commands.map((_, index) => {
      // After the first mark, which says that the host is there: output, status, output, status, ...
      const [output, status] = ran.slice(2 * index + 1)
      return output === undefined || status === undefined
        ? undefined
        : { status: Number(status), output: lines(output) }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * SSH as far as the pages need it: script/ssh-stand-in.pl under the names sshd and ssh. Whoever has logged in types
 * the page's commands over that connection, below that sshd, as `admit confirm` looks for it.
 */
const SSH = `mkdir -p /run/docs/bin
ln -sf "$(command -v perl)" /run/docs/sshd
printf '#!/bin/sh\\nexec perl "%s" dial "$@"\\n' "$ssh" >/run/docs/bin/ssh
chmod +x /run/docs/bin/ssh
listen_as_sshd() { /run/docs/sshd "$ssh" serve "$1"; }
# log_in MACHINE ITS-ADDRESS ADDRESS PORT: whoever types the commands has come by SSH from that machine.
seat=
log_in() { seat="ip netns exec $1 ssh -b $2 -p $4 root@$3"; }
`

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** Sets the host up, then runs the session: over SSH where the host's own script logs somebody in. */
function hostScript(host: string, session: string): string {
  return `set -e
ssh=${quoted(join(root, 'script/ssh-stand-in.pl'))}
mkdir -p /run/docs/home /run/docs/state
export HOME=/run/docs/home ADMIT_POLICY=/run/docs/policy.yaml ADMIT_STATE=/run/docs/state
export PATH=/run/docs/bin:${quoted(join(root, 'bin'))}:$PATH NO_COLOR=1 TERM=dumb LC_ALL=C.UTF-8 TMPDIR=/run/docs
unset SSH_CONNECTION SSH_CLIENT
${SSH}for at in / /boot /home /opt /root /srv /usr /var; do
  if mountpoint -q $at; then mount -o remount,bind,ro $at; fi
done
. ${quoted(join(root, 'tests/docs/hosts', `${host}.sh`))} >&2
$seat bash ${quoted(session)}
`
}

function sessionScript(commands: readonly string[]): string {
  return `cd
sudo() { "$@"; }
printf '%s 0\\n' ${quoted(mark)}
${commands
  .map(
    (command) => `{ ${sandboxPaths(command)}\n} 2>&1 </dev/null\nprintf '\\n%s %s\\n' ${quoted(mark)} $?\n`,
  )
  .join('')}`
}

function sandboxPaths(command: string): string {
  return command
    .replaceAll('/etc/admit/policy.yaml', '/run/docs/policy.yaml')
    .replaceAll('/var/lib/admit', '/run/docs/state')
}

function lines(output: string): readonly string[] {
  const text = output
    .replaceAll('/run/docs/policy.yaml', '/etc/admit/policy.yaml')
    .replaceAll('/run/docs/state', '/var/lib/admit')
    // The mark begins a line of its own, whether or not the command ended its last line.
    .replace(/\n?\n$/, '')
  return text === '' ? [] : text.split('\n')
}

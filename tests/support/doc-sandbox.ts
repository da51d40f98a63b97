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
  seconds = 120,
): readonly (Ran | undefined)[] {
  const folder = mkdtempSync(join(tmpdir(), 'admit-docs-'))
  try {
    const script = join(folder, 'script.sh')
    writeFileSync(script, shellScript(host, commands))
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
 * A listening socket of a process named sshd: perl under that name, because perl-base is part of every Debian.
 * It goes into the background when the socket is there, and keeps every connection open.
 */
const LISTEN_AS_SSHD = `listen_as_sshd() {
  ln -sf "$(command -v perl)" /run/docs/sshd
  /run/docs/sshd -MIO::Socket::IP -e '
    my $socket = IO::Socket::IP->new(Listen => 5, LocalHost => "::", LocalPort => shift, V6Only => 0) or die $!;
    fork and exit; close STDOUT; close STDERR; my @held; while (my $one = $socket->accept) { push @held, $one }' "$1"
}
# log_in MACHINE ITS-ADDRESS ADDRESS PORT: whoever types the commands has come by SSH from that machine.
log_in() {
  ip netns exec "$1" perl -MIO::Socket::IP -e '
    my $socket = IO::Socket::IP->new(LocalAddr => $ARGV[0], LocalPort => 50022, PeerHost => $ARGV[1], PeerPort => $ARGV[2]) or die $!;
    fork and exit; close STDOUT; close STDERR; sleep' "$2" "$3" "$4"
  export SSH_CONNECTION="$2 50022 $3 $4"
}
`

function shellScript(host: string, commands: readonly string[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
  return `set -e
${LISTEN_AS_SSHD}mkdir -p /run/docs/home /run/docs/state
export HOME=/run/docs/home ADMIT_POLICY=/run/docs/policy.yaml ADMIT_STATE=/run/docs/state
export PATH=${quoted(join(root, 'bin'))}:$PATH NO_COLOR=1 TERM=dumb LC_ALL=C.UTF-8 TMPDIR=/run/docs
unset SSH_CONNECTION SSH_CLIENT
for at in / /boot /home /opt /root /srv /usr /var; do
  if mountpoint -q $at; then mount -o remount,bind,ro $at; fi
done
. ${quoted(join(root, 'tests/docs/hosts', `${host}.sh`))} >&2
cd
sudo() { "$@"; }
set +e
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

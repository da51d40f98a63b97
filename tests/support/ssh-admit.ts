import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'
import type { SshHost } from './ssh-host.ts'
import { sshIdentity } from './ssh-lab.ts'
import type { Said } from './ssh-process.ts'

/** admit as a user of the lab's host finds it: a word in the PATH, with a policy and a state folder of this test's own. */
export interface InstalledAdmit {
  readonly policy: string
  readonly state: string
  /** Runs a line at the host itself, in no session of anybody's: what a console, or mosh, is. */
  atConsole(line: string): Said
}

/** Only inside script/netns: it mounts over /usr/local/bin. */
export function installAdmit(host: SshHost): InstalledAdmit {
  const [policy, state, bin] = ['policy.yaml', 'state', 'bin'].map((name) => join(host.folder, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(state)
  chmodSync(state, 0o700)
  mkdirSync(bin)
  const program = `#!/bin/sh\nexport ADMIT_POLICY=${policy} ADMIT_STATE=${state}\nexec ${host.checkout}/bin/admit "$@"\n`
  writeFileSync(join(bin, 'admit'), program, { mode: 0o755 })
  run('mount', ['--bind', bin, '/usr/local/bin'])
  return { policy, state, atConsole: (line) => shell([], line) }
}

/** Types a line into a shell of a client's, letter for letter; the client's ssh has the key in its configuration. */
export function typeAt(host: SshHost, namespace: string, line: string): Said {
  const configured = `ssh() { command ssh ${sshIdentity(host).join(' ')} "$@"; }`
  return shell(['ip', 'netns', 'exec', namespace], `${configured}\n${line}`)
}

function shell(before: readonly string[], text: string): Said {
  // env runs the words after it: the same with something before the shell, or nothing.
  const out = run('env', [...before, 'sh', '-c', `{ ${text}\n} 2>&1; echo "status $?"`])
  const status = /status (\d+)\n$/.exec(out)?.[1]
  return { status: Number(status), out: out.replace(/status \d+\n$/, '') }
}

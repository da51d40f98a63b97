import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'
import type { SshHost } from './ssh-host.ts'
import type { Said } from './ssh-lab.ts'
import { sshWords } from './ssh-lab.ts'

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

/** Types a line into a shell of a client's, letter for letter; only whose key it is, and that the host is known, is put in. */
export function typeAt(host: SshHost, namespace: string, line: string): Said {
  const words = sshWords(host, { from: namespace, to: 'HOST' })
  // Not how to connect: that is what the line says.
  const given = words.filter((word) => /^(-o|-F|\/dev\/null|IdentityFile=|IdentitiesOnly|StrictHost|UserKnown|LogLevel|BatchMode)/.test(word))
  const options = given.filter((word, index) => word !== '-o' || given[index + 1] !== '-o')
  if (options.at(-1) === '-o') options.pop()
  const function_ = `ssh() { command ssh ${options.join(' ')} "$@"; }`
  return shell(['ip', 'netns', 'exec', namespace], `${function_}\n${line}`)
}

function shell(before: readonly string[], text: string): Said {
  const [program = '', ...words] = [...before, 'sh', '-c', `{ ${text}\n} 2>&1; echo "status $?"`]
  const out = run(program, words)
  const status = /status (\d+)\n$/.exec(out)?.[1]
  return { status: Number(status), out: out.replace(/status \d+\n$/, '') }
}

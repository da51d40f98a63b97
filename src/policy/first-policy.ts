import { printable } from '../base/terminal.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import { containersOf, forwardingOf, RUNNERS, suggestions } from './first-policy-host.ts'
import { comment, commented, listed } from './first-policy-text.ts'
import { candidates, identify, nobody } from './first-policy-you.ts'

/** The text of a first policy, and what its owner must know before using it: a sentence each, safe to print. */
export interface FirstPolicy {
  readonly text: string
  readonly warnings: readonly string[]
}

/**
 * Writes the policy that `admit init` offers: whoever asks (`who`, their SSH connection) may do everything or, known
 * by an address only, reach SSH; everybody else is a stranger. What runs on the host and would become closed is
 * there as a comment. Without an SSH connection nobody is listed, and `check` refuses the text until somebody is.
 */
export function firstPolicy(facts: HostFacts, who: SshConnection | undefined): FirstPolicy {
  const you =
    who === undefined
      ? nobody('You are not connected by SSH, so your device is not seen.')
      : identify(who, facts)
  const ssh = facts.sshPorts.length > 0 ? facts.sshPorts : [22]
  const links = facts.interfaces.filter((link) => link.master === undefined)
  const forwarding = forwardingOf(facts)
  const containers = containersOf(facts, links)
  const warnings = [...you.warnings, ...forwarding.warnings, ...containers.warnings]
  if (facts.sshPorts.length === 0) {
    warnings.push(
      'no SSH server was found listening, so the policy names port 22; correct it if yours is another',
    )
  }
  for (const other of facts.otherFirewalls.filter((one) => !RUNNERS.has(one.name))) {
    const name = printable(other.name)
    warnings.push(
      `${name} writes rules here too (${printable(other.evidence)}): a packet must pass those and admit's`,
    )
  }
  const lines = [
    ...HEAD,
    'admit: 1',
    '',
    'host:',
    ...forwarding.lines,
    ...containers.unguarded,
    '',
    'devices:',
    ...you.lines,
    ...candidates(facts, who),
    '',
    'services:',
    ...(facts.sshPorts.length > 0
      ? comment('where the SSH server of this host listens')
      : comment('no SSH server was found listening: this is the usual port')),
    `  ssh: ${listed(ssh.map((port) => `${port}/tcp`))}`,
    '',
    'grants:',
    ...(you.grant === undefined ? [commented('- { from: me, to: everything }')] : [`  - ${you.grant}`]),
    ...containers.grants,
    ...suggestions(facts),
    '',
    'safety:',
    ...comment('With one admin, one broken network card locks you out: list a second device, then write 2.'),
    '  admins: 1',
    '',
    'tests:',
    ...comment('an apply is refused while one of these is not so'),
    ...(you.grant === undefined ? [] : ['  - { from: me, accept: [ssh, ping] }']),
    '  - { from: stranger, refuse: [ssh, ping] }',
  ]
  return { text: `${lines.join('\n')}\n`, warnings }
}

const HEAD = [
  '# The guest list of this host, first written by `admit init`. Change it as you like: `admit check` reads it,',
  '# `admit plan` shows what it would change, and nothing changes before `admit apply`.',
]

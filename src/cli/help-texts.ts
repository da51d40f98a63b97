/** What `--help` says of each command: one line of purpose, then an example and what it ends with. */
export const HELP = {
  admit: {
    summary:
      'The guest list for a Linux server. The policy names the devices that may come in; admit writes the netfilter ' +
      'rules, holds them against the policy, and puts them into the kernel. Everyone else stays out, over IPv4 and IPv6.',
    after: `
A first time:
  admit init             write a first policy from what is seen here
  admit check            is it correct?
  admit lab              real packets, in a copy of this host
  admit plan             what would change?
  admit apply            make it so

Exit codes: 0 done or yes, 1 no or changes pending, 2 the command line or the policy is wrong, 3 refused for
safety, 4 the system refused and nothing changed, 5 changed and not as meant, 70 a bug of admit's.
All commands act on the network namespace that they are started in.`,
  },
  check: {
    summary: 'Is the policy correct, does it fit this host, does it pass its own tests?',
    after: `
Example:
  admit check --policy office.yaml --no-host

All problems are shown at once, each with its place and a fix; \`admit help CODE\` explains a code.
Exit codes: 0 correct (warnings allowed), 2 wrong, 3 a line of its tests fails.`,
  },
  show: {
    summary: 'Print the rules that the policy compiles to. Changes nothing.',
    after: `
Example:
  admit show --as nft > rules.nft

Exit codes: 0 printed, 2 the policy is wrong.`,
  },
  explain: {
    summary: 'Would this sender get in? Verdict, line of the policy, rule.',
    after: `
Example:
  admit explain --from laptop --to ssh
  admit explain --from stranger --to 443/tcp --on eth0
  admit explain --from 203.0.113.7 --to ping

It judges what is for this host itself, not what it forwards (grants with through): \`admit lab\` tries that.
"depends" means that some of the packets asked about get in and some do not: by interface, family, port, or member of
a group.
Exit codes: 0 admitted, 1 refused (or refused in part), 2 the question or the policy is wrong.`,
  },
  plan: {
    summary: 'What would an apply change, and from which lines of the policy does it come?',
    after: `
Example:
  admit plan

Exit codes: 0 nothing to change, 1 changes pending, 2 the policy is wrong, 3 one of its tests fails,
4 the kernel's rules cannot be read.`,
  },
  apply: {
    summary: 'Put the policy into the kernel, in one step, and read it back.',
    after: `
Example:
  admit apply

Only what differs is changed, in one transaction; rules of others are never touched. The rules are stored, so that
\`admit start\` brings them back. There is no confirmation and no automatic undo in this version: keep your session
open and try a new one before you close it. \`admit stop --open\` removes the rules.
Exit codes: 0 in force, 2 the policy is wrong, 3 one of its tests fails, 4 the kernel refused and nothing changed,
5 the kernel holds something else than was asked for, or the rules could not be stored.`,
  },
  start: {
    summary: 'Load the rules last applied. Needs no policy.',
    after: `
Example:
  admit start

Exit codes: 0 in force, 4 there are none stored, they are damaged, or the kernel refused; nothing changed.`,
  },
  reload: {
    summary: 'Load the rules last applied over the present ones. Needs no policy.',
    after: `
Example:
  admit reload

This undoes what was typed at the rules by hand since the last apply. It does not undo an apply: apply stores its rules
at once. After a wrong apply, correct the policy and apply again, or remove the rules with \`admit stop --open\`.
Exit codes: as \`admit start\`.`,
  },
  stop: {
    summary: "Remove admit's rules, and nobody else's. Refused without --open.",
    after: `
Example:
  admit stop --open

Exit codes: 0 removed, or there were none; 3 without --open; 4 the kernel refused.`,
  },
  flush: {
    summary: "Remove admit's rules, and nobody else's: the same as stop.",
    after: `
Example:
  admit flush --open

Exit codes: as \`admit stop\`.`,
  },
  status: {
    summary: "Are admit's rules in force, and are they those last applied? Needs no policy.",
    after: `
Example:
  admit status --json

Exit codes: 0 in force as last applied, 1 none, or others, or not stored, 4 the kernel's rules cannot be read.`,
  },
  lab: {
    summary: 'Try the policy with real packets, in a copy of this host made of network namespaces.',
    after: `
Example:
  admit lab office.yaml

Builds this host's interfaces and addresses, every device, a stranger on each link, and a router with a client
behind it where this host has a gateway; loads the compiled rules unchanged; then everybody pings and dials every
service, IPv4 and IPv6. Touches nothing of this machine and leaves nothing behind.
Exit codes: 0 all as \`admit explain\` says, 1 a packet fared otherwise, 2 the policy is wrong, 4 no namespaces here, or
some packets went nowhere even without rules.`,
  },
  init: {
    summary: 'Write a first policy from what is seen here: you, the port of sshd, what else is open.',
    after: `
Example:
  sudo admit init
  admit init --yes --policy ./policy.yaml

Exit codes: 0 written, 1 you said no, 2 there is a policy already (--force writes over it), 4 it cannot be written.`,
  },
  whoami: {
    summary: "This machine's own interfaces, MAC addresses, addresses and gateways. Needs no policy.",
    after: `
Example:
  admit whoami

Run it on the device that is to come in: it prints the line for the policy.
Exit codes: 0.`,
  },
  help: {
    summary: 'Explain a command, a diagnostic code, or the exit codes.',
    after: `
Example:
  admit help mac-group
  admit help exit-codes`,
  },
} as const satisfies Readonly<Record<string, { readonly summary: string; readonly after: string }>>

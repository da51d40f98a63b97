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
    summary: 'Put the policy into the kernel; undone by itself unless confirmed from a new connection.',
    after: `
Example:
  admit apply
  admit apply --confirm-within 5m

First it proves that the policy's tests pass, that every admin reaches SSH and that you stay in. Then the change goes
in, is read back, and what it refuses is cut. From then on a watchdog waits: unless \`admit confirm\` is typed over a
new connection within the time (60s, or the policy's safety.confirm), the previous rules come back, whatever becomes of
this command, its terminal or your connection. Rules of others are never touched.
On a terminal it counts down and Ctrl-C undoes at once; without one it ends when the rules are in.
Exit codes: 0 in force (pending or confirmed), 2 the policy is wrong, 3 refused for safety: a test fails, somebody would
be locked out, a change is pending, nobody confirmed; 4 the system refused, or the kernel held something else than was
asked for: nothing changed, or all is as before; 5 neither the change nor the undo went as meant.`,
  },
  confirm: {
    summary: 'Keep the pending change. Counts only from a new connection.',
    after: `
Example:
  ssh -o ControlPath=none root@server admit confirm
  admit confirm -
  admit confirm --here

Only a connection that the new rules have let in proves anything: an SSH connection whose first packet came after them,
on a judged interface, from another host. The same session, a multiplexed ssh, a tmux window and ssh to oneself are
refused, each with the reason. The token is for other ways than SSH; - reads it from standard input, so that no list of
processes ever shows it. --here is for a console. Both are recorded as what they are.
Exit codes: 0 confirmed, 1 nothing to confirm or too late, 3 it proves nothing, 4 the system refused and it is still
pending, 5 confirmed but not stored.`,
  },
  rollback: {
    summary: 'Undo the pending change now, or go back to a restore point.',
    after: `
Example:
  admit rollback
  admit rollback 7
  admit rollback before-docker

Where nothing is pending, it goes back to the restore point before the present one, or to the one named; that is a
change like any other, proven first and to be confirmed. The policy file is not touched.
Exit codes: 0 undone or in force, 2 no such restore point, 5 the rules from before did not come back, or the record of
the change could not be removed; else as \`admit apply\`.`,
  },
  history: {
    summary: 'The restore points: what was confirmed, when, by whom, from where.',
    after: `
Example:
  admit history
  admit history 7
  admit history 7 --text > policy-of-7.yaml
  admit history 7 --diff

--diff shows what going back to it would change (exit code 1 where it would); --diff 5 compares with point 5.
Each confirmed apply and rollback makes one; the last 20 are kept, and all that \`admit save\` named.
Exit codes: 0 shown, 1 --diff found a difference, 2 no such restore point.`,
  },
  save: {
    summary: 'Name the present confirmed state as a restore point, and keep it for good.',
    after: `
Example:
  admit save before-docker

Exit codes: 0 saved, 3 nothing is confirmed, a change is pending, or the kernel holds something else.`,
  },
  start: {
    summary: 'Load the rules last confirmed. Needs no policy.',
    after: `
Example:
  admit start
  admit start --no-confirm

A change like any other: proven first, undone unless confirmed.
Exit codes: as \`admit apply\`; 4 also where none are stored or they are damaged.`,
  },
  reload: {
    summary: 'Load the rules last confirmed over the present ones. Needs no policy.',
    after: `
Example:
  admit reload

This undoes what was typed at the rules by hand since the last confirmation.
Exit codes: as \`admit start\`.`,
  },
  stop: {
    summary: "Remove admit's rules, and nobody else's. Refused without --open.",
    after: `
Example:
  admit stop --open

Undone like any change unless it is confirmed: the rules come back. What boots stays what was confirmed last.
Exit codes: 0 removed, or there were none; 3 without --open, or refused for safety; 4 the kernel refused.`,
  },
  flush: {
    summary: "Remove admit's rules, and nobody else's: the same as stop.",
    after: `
Example:
  admit flush --open

Exit codes: as \`admit stop\`.`,
  },
  status: {
    summary: "Are admit's rules in force and confirmed, what is pending, will they be there after a reboot?",
    after: `
Example:
  admit status --json

Exit codes: 0 in force as last confirmed and nothing pending, 1 not so, 4 the kernel's rules cannot be read,
5 an undo failed, and failed again just now: it says what to do.`,
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

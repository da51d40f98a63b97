/** A state folder in the guest: written here by what tests/support/guard-state.ts knows, for the guest's boot and clock. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { GuardTransaction } from '../support/guard-state.ts'
import { claim, moment, openWindow, storedText, writeTransaction } from '../support/guard-state.ts'
import { laptop } from './network.ts'
import type { Vm } from './vm.ts'

export const STATE = '/var/lib/admit'

/** Rules by which only the laptop reaches the guest, and a port that they keep open for everyone, by which they are known. */
export function rules(openPort: number): string {
  return `table inet admit {
\tchain input {
\t\ttype filter hook input priority 0; policy accept;
\t\tiifname "lo" accept
\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
\t\tether saddr ${laptop.mac} tcp dport 22 accept
\t\ttcp dport ${openPort} accept
\t\tdrop
\t}
}
`
}

/** Puts the files that `write` makes in a folder into the guest's state folder, and syncs them as admit would have. */
export async function putState(vm: Vm, write: (folder: string) => void): Promise<void> {
  const folder = mkdtempSync(`${tmpdir()}/admit-state-`)
  try {
    write(folder)
    const packed = execFileSync('tar', ['-C', folder, '--owner=0', '--group=0', '-czf', '-', '.'])
    await vm.write('/run/state.tar.base64', packed.toString('base64'))
  } finally {
    rmSync(folder, { recursive: true })
  }
  await vm.sh(
    `mkdir -p -m 700 ${STATE} && base64 -d /run/state.tar.base64 | tar -C ${STATE} -xzf - && chmod 700 ${STATE} && sync`,
  )
}

/** The last confirmed rules: what boots. */
export async function putConfirmed(vm: Vm, bodies: { rules: string; rescue?: string }): Promise<void> {
  await putState(vm, (folder) => {
    writeFileSync(`${folder}/rules.nft`, storedText(bodies.rules), { mode: 0o600 })
    if (bodies.rescue !== undefined) {
      writeFileSync(`${folder}/rescue.nft`, storedText(bodies.rescue), { mode: 0o600 })
    }
  })
}

/** A transaction that an applier which is still there (process 1) began in the guest's present boot. */
export async function putTransaction(
  vm: Vm,
  place: 'pending' | 'confirming',
  transaction: Omit<GuardTransaction, 'boot' | 'netns' | 'applier' | 'listing'>,
  seconds: number,
): Promise<void> {
  const facts = await vm.sh(
    `cat /proc/sys/kernel/random/boot_id; readlink /proc/1/ns/net | tr -dc 0-9; echo; awk '{ print $22 }' /proc/1/stat; ` +
      '/bin/sh /opt/admit/packaging/admit-guard digest; cut -d" " -f1 /proc/uptime',
  )
  const [boot = '', netns = '', start = '', listing = '', uptime = ''] = facts.split('\n')
  await putState(vm, (folder) => {
    const applier = { pid: 1, start }
    writeTransaction(folder, 'pending', { ...transaction, window: 3600, boot, netns, applier, listing })
    // The helper counts from this machine's uptime; the guest has another.
    openWindow(folder, Number(uptime) + seconds - moment().uptime)
    mkdirSync(`${folder}/points`, { mode: 0o700 })
    if (place === 'confirming') claim(folder)
  })
}

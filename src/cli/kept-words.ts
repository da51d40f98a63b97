import type { JournalEntry } from '../apply/journal.ts'
import { printable } from '../base/terminal.ts'
import type { System } from './system.ts'

/** What a confirmed change comes to, also after a reboot: `these rules stay, and come back after a reboot`. */
export async function keptWords(
  { system, statePath }: { readonly system: Pick<System, 'bootState'>; readonly statePath: string },
  { kind }: Pick<JournalEntry, 'kind'>,
): Promise<string> {
  const boot = await system.bootState(statePath)
  const comesBack = boot.kind === 'installed'
  if (kind === 'stop' || kind === 'flush') {
    return `admit's rules stay away until \`admit start\`${comesBack ? ', or a reboot' : ''}.`
  }
  return comesBack
    ? 'these rules stay, and come back after a reboot.'
    : `these rules stay, but not over a reboot (${printable(boot.what)}): \`script/install\` sees to that.`
}

import { access, readFile, readlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { printable } from '../base/terminal.ts'
import type { BootState } from '../cli/system.ts'
import { DEFAULT_STATE } from '../cli/context.ts'

/** Where script/install puts the boot script, the unit and the link that enables it. */
const INSTALLED_GUARD = '/usr/local/lib/admit/admit-guard'
const UNIT = '/etc/systemd/system/admit.service'
const ENABLED = ['sysinit.target', 'multi-user.target', 'network-pre.target'].map(
  (target) => `/etc/systemd/system/${target}.wants/admit.service`,
)

/** Are the boot script and its unit in place and enabled, for this state folder? */
export async function bootState(state: string): Promise<BootState> {
  const unit = await readFile(UNIT, 'utf8').catch(() => undefined)
  if (unit === undefined) return { kind: 'missing', what: 'the boot unit is not installed' }
  if (!(await isThere(INSTALLED_GUARD))) {
    return { kind: 'missing', what: `${INSTALLED_GUARD} is missing, which ${UNIT} starts` }
  }
  const links = await Promise.all(ENABLED.map((path) => readlink(path).catch(() => undefined)))
  if (links.every((link) => link === undefined)) {
    return { kind: 'missing', what: `${UNIT} is not enabled` }
  }
  const folder = resolve(state)
  if (folder !== DEFAULT_STATE && !unit.includes(`boot ${folder}`)) {
    return { kind: 'missing', what: `the boot unit loads another state folder than ${printable(folder)}` }
  }
  return { kind: 'installed', what: 'admit.service' }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

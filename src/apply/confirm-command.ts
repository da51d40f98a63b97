import type { CallerPath } from '../host/caller.ts'
import type { HostFacts } from '../host/host-facts.ts'
import type { IpAddress } from '../net/ip-address.ts'

/** What is known of the way in: how the caller came, this host's addresses and SSH ports, and the login name. */
export interface WayIn {
  readonly path: CallerPath
  readonly facts: HostFacts
  readonly user?: string
}

/**
 * What to type to confirm over a new connection, as two lines for the user. ControlPath=none keeps ssh from reusing an
 * open connection, whatever the user's configuration says.
 */
export function suggestSsh(way: WayIn): readonly string[] {
  return ['From your own machine, over a new connection, type:', `  ${sshCommand(way)}`]
}

/** `ssh -o ControlMaster=no -o ControlPath=none -p 22 root@192.0.2.1 admit confirm`. */
export function sshCommand({ path, facts, user }: WayIn): string {
  const { address, port } = target(path, facts)
  // Only words that are harmless in every shell: this line is made to be copied into one.
  const name = user !== undefined && /^[a-z_][a-z0-9_.-]{0,31}$/i.test(user) ? user : 'USER'
  // sudo may want to ask for a password, and needs a terminal for it.
  const [terminal, command] = name === 'root' ? ['', 'admit confirm'] : ['-t ', 'sudo admit confirm']
  return `ssh ${terminal}-o ControlMaster=no -o ControlPath=none -p ${port} ${name}@${address} ${command}`
}

function target(
  path: CallerPath,
  facts: HostFacts,
): { readonly address: IpAddress | 'ADDRESS'; readonly port: number | 'PORT' } {
  const own = facts.interfaces
    .filter((link) => link.kind !== 'loopback')
    .flatMap((link) => link.addresses)
    .find(({ scope }) => scope === 'global')?.address
  const port = facts.sshPorts[0] ?? 'PORT'
  if (path.kind !== 'ssh') return { address: own ?? 'ADDRESS', port }
  const { local, remote } = path.connection
  // The address that the caller used, unless only this host, or this link, can use it.
  const reachable = !/^(127\.|::1$|fe80:)/.test(local.address) && local.address !== remote.address
  return { address: reachable ? local.address : (own ?? 'ADDRESS'), port: local.port }
}

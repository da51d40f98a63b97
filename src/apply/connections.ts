import type { Result } from '../base/result.ts'
import type { ConnectionsReading } from '../host/read-connections.ts'
import type { EstablishedSocket } from '../host/read-sockets.ts'
import type { TrackedFlow } from '../host/read-tracking.ts'
import type { Peer, Ways } from '../host/ways.ts'

/** Why something about connections could not be read or done: one sentence, printable. */
export interface ConnectionsError {
  readonly kind: 'missing' | 'failed'
  readonly message: string
}

/**
 * The connections of this host, in this network namespace, as they are at the moment of the question. Sockets are what is true;
 * connection tracking knows nothing of what was there before the first rule that asks for it.
 */
export interface Connections {
  /** All sockets that wait and all that have a peer, in one look. */
  sockets(): Promise<Result<ConnectionsReading, ConnectionsError>>
  /** How the peers' packets arrive: by which interface, from which MAC. */
  ways(peers: readonly Peer[]): Promise<Result<Ways, ConnectionsError>>
  /** TCP and UDP as connection tracking knows them, forwarded ones too; `missing` where nothing here can list them. */
  flows(): Promise<Result<readonly TrackedFlow[], ConnectionsError>>
  /** The flowtables of the whole ruleset, each as `FAMILY TABLE FLOWTABLE`. */
  flowtables(): Promise<Result<readonly string[], ConnectionsError>>
  /** Can this kernel end connections (CONFIG_INET_DIAG_DESTROY)? Tried on a connection over lo of its own making. */
  canKill(): Promise<Result<void, ConnectionsError>>
  /** Ends these TCP connections, both ends told, and no others. Some may remain: look again. */
  kill(sockets: readonly EstablishedSocket[]): Promise<Result<void, ConnectionsError>>
  /** Removes these entries, which come from the listing `all`. One that is gone already is well. */
  forget(flows: readonly TrackedFlow[], all: readonly TrackedFlow[]): Promise<Result<void, ConnectionsError>>
  /** Sets these bits in the marks of these entries. */
  mark(flows: readonly TrackedFlow[], bits: number): Promise<Result<void, ConnectionsError>>
  /** Milliseconds on a clock that only goes forward. */
  elapsed(): number
}

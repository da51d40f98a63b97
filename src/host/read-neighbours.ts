import { parseInterfaceName } from '../net/interface-name.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import { macKind, parseMacAddress } from '../net/mac-address.ts'
import type { Neighbour } from './host-facts.ts'
import type { JsonRecord } from './reading.ts'
import { listHas, textField } from './reading.ts'

/**
 * Reads the objects of `ip -j neigh`: the neighbours of both families whose MAC is known. Entries that never answered (no MAC),
 * that have stopped answering (FAILED), or that stand for a group of receivers are nobody, and are left out.
 */
export function readNeighbours(records: readonly JsonRecord[]): readonly Neighbour[] {
  const neighbours: Neighbour[] = []
  for (const record of records) {
    const name = parseInterfaceName(textField(record, 'dev') ?? '')
    const address = parseIpAddress(textField(record, 'dst') ?? '')
    const mac = parseMacAddress(textField(record, 'lladdr') ?? '')
    if (!name.ok || !address.ok || !mac.ok || listHas(record, 'state', 'FAILED')) continue
    const kind = macKind(mac.value)
    if (kind !== 'global' && kind !== 'local') continue
    neighbours.push({ interface: name.value, address: address.value, mac: mac.value })
  }
  return neighbours
}

import { parseInterfaceName } from '../net/interface-name.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import { macKind, parseMacAddress } from '../net/mac-address.ts'
import type { Neighbour } from './host-facts.ts'
import type { Reading } from './reading.ts'
import { listHas, readRecords, textField } from './reading.ts'

/**
 * Reads `ip -j neigh`: the neighbours of both families whose MAC is known. Entries that never answered (no MAC),
 * that have stopped answering (FAILED), or that stand for a group of receivers are nobody, and are left out.
 */
export function readNeighbours(text: string): Reading<readonly Neighbour[]> {
  const records = readRecords(text, 'ip -j neigh')
  const neighbours: Neighbour[] = []
  for (const record of records.value) {
    const name = parseInterfaceName(textField(record, 'dev') ?? '')
    const address = parseIpAddress(textField(record, 'dst') ?? '')
    const mac = parseMacAddress(textField(record, 'lladdr') ?? '')
    if (!name.ok || !address.ok || !mac.ok || listHas(record, 'state', 'FAILED')) continue
    const kind = macKind(mac.value)
    if (kind !== 'global' && kind !== 'local') continue
    neighbours.push({ interface: name.value, address: address.value, mac: mac.value })
  }
  return { value: neighbours, notes: records.notes }
}

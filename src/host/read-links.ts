import type { Neighbour } from './host-facts.ts'
import type { InterfacesReading } from './read-interfaces.ts'
import { readInterfaces } from './read-interfaces.ts'
import { readNeighbours } from './read-neighbours.ts'
import type { RoutesReading } from './read-routes.ts'
import { readRoutes } from './read-routes.ts'
import type { JsonRecord, Reading } from './reading.ts'
import { readRecords, textField } from './reading.ts'

/**
 * The lines for `ip -d -j -force -batch -`, which answers all three in one run: starting a process costs more than
 * asking. `table all` without a family lists the routes of both.
 */
export const LINK_QUESTIONS = ['address show', 'neigh show', 'route show table all'] as const

export interface LinksReading extends InterfacesReading {
  readonly neighbours: readonly Neighbour[]
  readonly routes: RoutesReading
}

/** Reads the answers to LINK_QUESTIONS, or to some of them: each object tells by its fields what it is. */
export function readLinks(text: string): Reading<LinksReading> {
  const records = readRecords(text, 'ip -d -j -batch')
  const links: JsonRecord[] = []
  const neighbours: JsonRecord[] = []
  const routes: JsonRecord[] = []
  for (const record of records.value) {
    if (textField(record, 'ifname') !== undefined) links.push(record)
    // A neighbour's state is a list of words (REACHABLE, …); no route has one.
    else if (Array.isArray(record['state'])) neighbours.push(record)
    else if (textField(record, 'dst') !== undefined) routes.push(record)
  }
  const interfaces = readInterfaces(links)
  const value = { ...interfaces.value, neighbours: readNeighbours(neighbours), routes: readRoutes(routes) }
  return { value, notes: [...records.notes, ...interfaces.notes] }
}

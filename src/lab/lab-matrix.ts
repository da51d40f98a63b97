import { InternalError } from '../base/internal-error.ts'
import type { Family } from '../net/ip-address.ts'
import { printable } from '../base/terminal.ts'
import type { LabCaller, LabPlan, LabProbe, LabResult, LabService } from './lab-plan.ts'

/** What came of a lab: the matrix, and whether it is what was expected. */
export interface LabReport {
  readonly services: readonly LabService[]
  readonly rows: readonly LabRow[]
  /** Packets that did not fare as expected, in the order of the matrix. */
  readonly differences: readonly LabDifference[]
  /** How many probes went nowhere even before the rules were loaded: nothing is known about them. */
  readonly unreached: number
  readonly sent: number
  readonly notes: readonly string[]
  readonly seconds: number
}

export interface LabRow {
  readonly caller: LabCaller
  /** One for each of the report's services. */
  readonly cells: readonly LabCell[]
}

export interface LabCell {
  readonly got: LabMark
  readonly expected: LabMark
  /** No packet of the cell fared otherwise than expected. Two cells in part may still differ in which part. */
  readonly same: boolean
}

/**
 * What all the packets of a cell have in common; `ip-only` and `ip6-only`: those of one family were admitted and the
 * other's refused; `in-part`: of other ports too; `none`: nothing was sent; `unreached`: something never could be.
 */
export type LabMark = 'admitted' | 'refused' | 'ip-only' | 'ip6-only' | 'in-part' | 'unreached' | 'none'

export interface LabDifference {
  readonly caller: LabCaller
  readonly service: LabService
  readonly probe: LabProbe
  readonly got: 'admitted' | 'refused'
  readonly expected: 'admitted' | 'refused'
}

/** Gathers the results, device by service. */
export function labMatrix(plan: LabPlan, results: readonly LabResult[], seconds: number): LabReport {
  const resultOf = new Map(results.map((result) => [result.probe, result]))
  const cellKey = (caller: string, service: string): string => `${caller}\n${service}`
  const probesOf = Map.groupBy(plan.probes, (probe) => cellKey(probe.caller, probe.service))
  const pairsOf = (caller: LabCaller, service: LabService): readonly Pair[] =>
    (probesOf.get(cellKey(caller.id, service.id)) ?? []).map((probe) => {
      const result = resultOf.get(probe.id)
      if (result === undefined) throw new InternalError(`probe ${probe.id} has no result`)
      return { probe, result }
    })
  const rows = plan.callers.map((caller) => ({
    caller,
    cells: plan.services.map((service) => cellOf(pairsOf(caller, service))),
  }))
  const differences = plan.callers.flatMap((caller) =>
    plan.services.flatMap((service) =>
      pairsOf(caller, service)
        .filter(differs)
        .map(({ probe, result }) => ({
          caller,
          service,
          probe,
          got: word(result.outcome === 'admitted'),
          expected: word(result.expected),
        })),
    ),
  )
  return {
    services: plan.services,
    rows,
    differences,
    unreached: results.filter((result) => result.outcome === 'unreached').length,
    sent: results.length,
    notes: plan.notes,
    seconds,
  }
}

interface Pair {
  readonly probe: LabProbe
  readonly result: LabResult
}

function differs({ result }: Pair): boolean {
  return result.outcome !== 'unreached' && (result.outcome === 'admitted') !== result.expected
}

function word(admitted: boolean): 'admitted' | 'refused' {
  return admitted ? 'admitted' : 'refused'
}

function cellOf(pairs: readonly Pair[]): LabCell {
  const reached = pairs.every(({ result }) => result.outcome !== 'unreached')
  return {
    got: reached ? markOf(pairs, ({ result }) => result.outcome === 'admitted') : 'unreached',
    expected: markOf(pairs, ({ result }) => result.expected),
    same: !pairs.some(differs),
  }
}

function markOf(pairs: readonly Pair[], isAdmitted: (pair: Pair) => boolean): LabMark {
  const admitted = pairs.filter(isAdmitted)
  if (pairs.length === 0) return 'none'
  if (admitted.length === pairs.length) return 'admitted'
  if (admitted.length === 0) return 'refused'
  const isAll = (family: Family): boolean =>
    pairs.every((pair) => isAdmitted(pair) === (pair.probe.packet.family === family))
  if (isAll('ip')) return 'ip-only'
  return isAll('ip6') ? 'ip6-only' : 'in-part'
}

/** One difference in a sentence that names the packet. */
export function explainDifference({ caller, service, probe, got, expected }: LabDifference): string {
  const what = probe.port === undefined ? 'ping' : `${probe.port}/${probe.kind}`
  const named = service.id.startsWith('service ') ? `${service.title}, ` : ''
  const family = probe.packet.family === 'ip' ? 'IPv4' : 'IPv6'
  const who = `${caller.title} (${caller.looks}) on ${caller.on}${caller.through === undefined ? '' : ` through this host to ${caller.through.title}`}`
  const way = `${named}${what} over ${family}, from ${probe.packet.source} to ${probe.destination}`
  return printable(`${who}: ${way}: the packet was ${got}, and explain says ${expected}`)
}

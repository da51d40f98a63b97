import { InternalError } from '../base/internal-error.ts'
import type { Packet } from '../packet/packet.ts'
import type { BitsMatch, Element, FieldMatch, Scalar, Table } from '../ruleset/ruleset.ts'
import { bitsValue, fieldValue } from './field-value.ts'
import { membership } from './membership.ts'

/** Does the packet fit? A field that it lacks fails the match either way. */
export function fieldHolds(packet: Packet, table: Table, match: FieldMatch): boolean {
  const values: Scalar[] = []
  for (const field of match.fields) {
    const value = fieldValue(field, packet)
    if (value === undefined) return false
    values.push(value)
  }
  const inside = membership(elementsOf(table, match))(values)
  return match.test === 'in' ? inside : !inside
}

/** What the match compares with: its own elements, or those of its table's set. */
export function elementsOf(table: Table, match: FieldMatch): readonly Element[] {
  if (match.values.kind === 'literal') return match.values.elements
  const name = match.values.name
  const set = table.sets.find((candidate) => candidate.name === name)
  if (set === undefined) throw new InternalError(`a rule names the set ${name}, which is not in the table`)
  return set.elements
}

export function bitsHold(packet: Packet, match: BitsMatch): boolean {
  const bits = bitsValue(match.field, packet)
  if (bits === undefined) return false
  const equal = (bits & match.mask) >>> 0 === match.value
  return match.test === 'equal' ? equal : !equal
}

/** Without a connection there is nothing to mark: nft_ct_set_eval returns and the rule goes on. */
export function marked(packet: Packet, bits: number): Packet {
  const { state, mark } = packet.tracking
  if (state === 'invalid' || state === 'untracked') return packet
  return { ...packet, tracking: { ...packet.tracking, mark: (mark | bits) >>> 0 } }
}

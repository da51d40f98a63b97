import type { Result } from '../../base/result.ts'
import { fail, ok } from '../../base/result.ts'
import { printable } from '../../base/terminal.ts'
import type { Rule, Ruleset, Table, TableRef } from '../../ruleset/ruleset.ts'
import { arrayOf, isRecord } from './json-shape.ts'
import { inPlainWords } from './plain-idioms.ts'
import type { ReadRuleset } from './read-json.ts'
import { parseText, readJson } from './read-json.ts'
import type { RuleTexts } from './rule-texts.ts'
import { withText } from './rule-texts.ts'

/** Everybody's tables, and what of them is left out, in words. */
export interface ReadObservation {
  readonly ruleset: Ruleset
  readonly notes: readonly string[]
  /** Something in it is opaque: with the rules' texts (`readRuleTexts`) more can be read, and told in nft's words. */
  readonly opaque: boolean
  /** Tables that have flags; nft 1.0.6 does not say which, or nothing that is JSON: the text of the table tells. */
  readonly flagged: readonly TableRef[]
}

/**
 * Reads `nft -j -n list ruleset` for judging packets by it. What may decide about a packet and cannot be read becomes
 * a rule that may do anything; sets and objects that could not be read are opaque where a rule names them. `texts` are
 * of `readRuleTexts`, where they were asked for.
 */
export function readObservation(json: string, texts: RuleTexts = new Map()): Result<ReadObservation, string> {
  const { text, flagged } = withoutTableFlags(json)
  const read = readPlain(text, texts)
  if (!read.ok) return fail(read.error)
  const { ruleset, notes } = judgeable(read.value)
  return ok({ ruleset, notes, flagged, opaque: ruleset.tables.some(isOpaque) })
}

function readPlain(text: string, texts: RuleTexts): Result<ReadRuleset, string> {
  const parsed = parseText(text)
  if (!parsed.ok) return parsed
  const objects = isRecord(parsed.value) ? arrayOf(parsed.value['nftables']) : undefined
  if (objects === undefined) return readJson(parsed.value)
  return readJson({ nftables: inPlainWords(objects) }, (object, rule) => withText(object, rule, texts))
}

/** `flags dormant` in what `nft list table` prints, which has them on a line of their own before all else. */
export function isDormantText(text: string): boolean {
  const head = text.slice(0, text.indexOf('chain ') >= 0 ? text.indexOf('chain ') : text.length)
  return /^\s*flags [\w, ]*\bdormant\b/m.test(head)
}

/** A table of which nothing can be read: it may do anything to packets of its family. */
export function unreadableTable({ family, name }: TableRef): Table {
  return withDoubt({ family, name, sets: [], chains: [] }, ['the whole table could not be read'])
}

// 1.0.6 prints whatever its memory holds in place of a table's flags (use after free), so that even the JSON may be
// broken. Up to the flags the object is its own, and what follows it is the next object or the end of the list.
const TABLE =
  /(\{"table": \{"family": "(\w+)", "name": ("(?:[^"\\]|\\.)*"), "handle": \d+(?:, "comment": "(?:[^"\\]|\\.)*")?), "flags": .*?\}\}(?=, \{"\w[\w ]*": \{|\]\}\s*$)/gs

function withoutTableFlags(json: string): { readonly text: string; readonly flagged: readonly TableRef[] } {
  const flagged: TableRef[] = []
  const text = json.replace(TABLE, (_, head: string, family: string, name: string) => {
    flagged.push({ family: family as TableRef['family'], name: String(JSON.parse(name)) })
    return `${head}}}`
  })
  return { text, flagged }
}

function judgeable({ ruleset, unread }: ReadRuleset): Pick<ReadObservation, 'ruleset' | 'notes'> {
  const lost = new Map<string, string[]>()
  const notes: string[] = []
  for (const { where, what, weight } of unread) {
    const [family, name, chain] = where.split(' ')
    if (weight !== 'decides') continue
    // Inside a chain the statement itself is in the ruleset, as opaque.
    if (chain !== undefined) continue
    notes.push(`a part of table ${family} ${name} could not be read: ${what.slice(0, 120)}`)
    const key = `${family} ${name}`
    lost.set(key, [...(lost.get(key) ?? []), what])
  }
  const tables = ruleset.tables.map((table) => {
    const texts = lost.get(printable(`${table.family} ${table.name}`))
    return texts === undefined ? table : withDoubt(table, texts)
  })
  return { ruleset: { tables }, notes }
}

function isOpaque({ chains }: Table): boolean {
  return chains.some(({ rules }) =>
    rules.some(({ statements }) => statements.some(({ kind }) => kind === 'opaque')),
  )
}

/** The table with chains at every hook that a packet for this host and its answer pass, in which anything may happen. */
function withDoubt(table: Table, texts: readonly string[]): Table {
  const rules = texts.map((text): Rule => ({ statements: [{ kind: 'opaque', text, effect: 'verdict' }] }))
  const hooks = table.family === 'netdev' ? (['ingress'] as const) : (['input', 'output'] as const)
  const chains = hooks.map((hook) => ({
    name: `(unread ${hook})`,
    base: { type: 'filter', hook, priority: 0, policy: 'accept' } as const,
    rules,
  }))
  return { ...table, chains: [...table.chains, ...chains] }
}

import { printable } from '../../base/terminal.ts'
import type { Rule, Statement } from '../../ruleset/ruleset.ts'
import type { JsonRecord } from './json-shape.ts'
import { arrayOf, only, textOf } from './json-shape.ts'
import { readRuleText } from './read-rule-text.ts'
import { TextProblem, TextScanner } from './text-scanner.ts'

/** Each rule on one line as nft writes it, by table and handle. */
export type RuleTexts = ReadonlyMap<string, string>

/**
 * Reads what `nft -a -n list ruleset` prints. Of iptables-nft's extensions the JSON tells the names only, the text
 * what they mean in nft's own words, where libxtables has them.
 */
export function readRuleTexts(text: string): RuleTexts {
  const texts = new Map<string, string>()
  let table = ''
  for (const line of text.split('\n')) {
    const [, family, name] = /^table (\w+) (\S+) \{/.exec(line) ?? []
    if (family !== undefined && name !== undefined) table = keyOf(family, name)
    const [, rule, handle] = RULE_LINE.exec(line) ?? []
    if (rule !== undefined) texts.set(`${table} ${handle}`, rule)
  }
  return texts
}

// A line further in is the rest of a longer one.
const RULE_LINE = /^\t\t(\S.*) # handle (\d+)$/

/** The handle of the first rule in what `nft -a list chain …` prints, where that rule is `goto TARGET` and nothing else. */
export function handleOfGoto(text: string, target: string): number | undefined {
  for (const line of text.split('\n')) {
    const [, rule, handle] = RULE_LINE.exec(line) ?? []
    if (rule !== undefined) return rule === `goto ${target}` ? Number(handle) : undefined
  }
  return undefined
}

function keyOf(family: string, name: string): string {
  return `${family} ${name}`
}

/**
 * A rule whose JSON does not tell enough: read from its text where that is all in admit's own words, else its opaque
 * statements say the text of the whole rule. Where there is no text it stays as it was read.
 */
export function withText(object: JsonRecord, rule: Rule, texts: RuleTexts): Rule {
  const key = keyOf(textOf(object, 'family') ?? '', textOf(object, 'table') ?? '')
  const text = texts.get(`${key} ${String(object['handle'])}`)
  if (text === undefined || !rule.statements.some(({ kind }) => kind === 'opaque')) return rule
  const extended = (arrayOf(object['expr']) ?? []).some((one) => only(one, 'xt') !== undefined)
  const parsed = extended ? parse(text) : undefined
  if (parsed !== undefined) return parsed
  const words = printable(text.replace(/ counter packets \d+ bytes \d+/g, ''))
  const statements = rule.statements.map(
    (statement): Statement => (statement.kind === 'opaque' ? { ...statement, text: words } : statement),
  )
  return { ...rule, statements }
}

/** Undefined where the text says something that the model lacks. */
function parse(text: string): Rule | undefined {
  try {
    return readRuleText(new TextScanner(`${text}\n`), new Map())
  } catch (error) {
    if (error instanceof TextProblem) return undefined
    throw error
  }
}

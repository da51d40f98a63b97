/**
 * What a reader made of a tool's output: as much as could be understood, and a note for a person about whatever
 * could not. Facts are read from tools of many versions, so a reader never throws and never gives up whole.
 */
export interface Reading<T> {
  readonly value: T
  /** One sentence each. They may quote the system's text: print them through `printable()`. */
  readonly notes: readonly string[]
}

/** One JSON object of a tool's output, its fields still of unknown type. */
export type JsonRecord = Readonly<Record<string, unknown>>

/**
 * The objects in a tool's JSON output: an array of them, or several arrays one after the other, a line each
 * (`ip -batch`). No output at all is no objects: iproute2 before 5.0 prints nothing for an empty list.
 * `source` is the command as a person would type it, for the note.
 */
export function readRecords(text: string, source: string): Reading<readonly JsonRecord[]> {
  const trimmed = text.trim()
  if (trimmed === '') return { value: [], notes: [] }
  const whole = parseArray(trimmed)
  if (whole !== undefined) return { value: whole, notes: [] }
  const lines = trimmed.split('\n').map(parseArray)
  const value = lines.flatMap((line) => line ?? [])
  const bad = lines.filter((line) => line === undefined).length
  if (bad === 0) return { value, notes: [] }
  const lost = lines.length === 1 ? 'its output' : `${bad} of ${lines.length} lines of its output`
  return { value, notes: [`\`${source}\`: ${lost} could not be read as JSON`] }
}

function parseArray(text: string): readonly JsonRecord[] | undefined {
  try {
    // ip escapes quotes, newlines and tabs, and prints other control characters as they are: one in an interface's
    // alias must not make every interface unknown.
    const escaped = text.replace(/[\u0000-\u0008\u000b\u000e-\u001f]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
    const parsed: unknown = JSON.parse(escaped)
    return Array.isArray(parsed) ? parsed.filter(isRecord) : undefined
  } catch {
    return undefined
  }
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The field as text, or undefined where it is missing or of another type. */
export function textField(record: JsonRecord, name: string): string | undefined {
  const value = record[name]
  return typeof value === 'string' ? value : undefined
}

/** The field as a number, or undefined where it is missing or of another type. */
export function numberField(record: JsonRecord, name: string): number | undefined {
  const value = record[name]
  return typeof value === 'number' ? value : undefined
}

/** The field as an object; an empty one where it is missing or of another type. */
export function recordField(record: JsonRecord, name: string): JsonRecord {
  const value = record[name]
  return isRecord(value) ? value : {}
}

/** The objects in a field that is a list; none where it is missing or of another type. */
export function recordsField(record: JsonRecord, name: string): readonly JsonRecord[] {
  const value = record[name]
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/** Whether a field that is a list of words contains `word`. */
export function listHas(record: JsonRecord, name: string, word: string): boolean {
  const value = record[name]
  return Array.isArray(value) && value.includes(word)
}

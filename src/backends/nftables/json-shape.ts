/** Looks at parsed JSON without trusting its shape. */
export type JsonRecord = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function arrayOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

/** The value of an object's one key; undefined where the value is no object with exactly this key. */
export function only(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) && Object.keys(value).length === 1
    ? value[key]
    : undefined
}

export function textOf(record: JsonRecord, key: string): string | undefined {
  const value = Object.hasOwn(record, key) ? record[key] : undefined
  return typeof value === 'string' ? value : undefined
}

/** What generated policies are made of; undefined leaves the key out. */
export type Plain = string | undefined | readonly Plain[] | { readonly [key: string]: Plain }

export interface YamlStyle {
  /** From this depth on collections are written in brackets. */
  readonly flowFrom: number
  readonly quote: 'plain' | 'double' | 'single'
  readonly indent: number
}

/** Writes a value as YAML in one of many spellings, so that readers meet them all. */
export function emitYaml(value: Plain, style: YamlStyle): string {
  return `${block(value, 0, '', style)}\n`
}

function block(value: Plain, depth: number, pad: string, style: YamlStyle): string {
  if (value === undefined || typeof value === 'string' || depth >= style.flowFrom) return flow(value, style)
  const inner = pad + ' '.repeat(style.indent)
  if (isList(value)) {
    if (value.length === 0) return '[]'
    return value.map((item) => `\n${pad}-${padded(block(item, depth + 1, inner, style))}`).join('')
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  if (entries.length === 0) return '{}'
  const text = entries.map(
    ([key, item]) => `\n${pad}${scalar(key, style)}:${padded(block(item, depth + 1, inner, style))}`,
  )
  return depth === 0 ? text.join('').slice(1) : text.join('')
}

function padded(text: string): string {
  return text.startsWith('\n') ? text : ` ${text}`
}

function flow(value: Plain, style: YamlStyle): string {
  if (value === undefined || typeof value === 'string') return scalar(value ?? '', style)
  if (isList(value)) return `[${value.map((item) => flow(item, style)).join(', ')}]`
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${entries.map(([key, item]) => `${scalar(key, style)}: ${flow(item, style)}`).join(', ')}}`
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value)
}

/** Truth values and numbers are read from plain scalars only. */
function scalar(text: string, style: YamlStyle): string {
  if (/^(true|false|[0-3])$/.test(text)) return text
  const simple = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_./-]*(:[\p{L}\p{N}_./-]+)*$/u.test(text)
  if (style.quote === 'plain' && simple) return text
  if (style.quote === 'single' && /^[\p{L}\p{M}\p{N}\p{P}\p{S}]*$/u.test(text))
    return `'${text.replaceAll("'", "''")}'`
  return JSON.stringify(text).replace(
    /[\u007f-\u00a0\u2028\u2029\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The first three names, and how many more. */
export function shortList(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}

/** One word, or a YAML list of several. */
export function listed(words: readonly string[]): string {
  return words.length === 1 ? words.join('') : `[${words.join(', ')}]`
}

/** A YAML scalar, in quotes unless every reader takes it as plain text. */
export function quoted(text: string): string {
  const plain = /^[a-z][a-z0-9_.-]*$/i.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
  return plain || /^\d+(\.\d+){3}$/.test(text) ? text : JSON.stringify(text)
}

const WIDTH = 108

/** Comment lines of at most WIDTH characters, indented like the entries they stand above. */
export function comment(text: string): readonly string[] {
  const lines: string[] = []
  let line = '  #'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH && line !== '  #') {
      lines.push(line)
      line = '  #'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

/** An entry to uncomment: never broken into lines. */
export function commented(entry: string): string {
  return `  # ${entry}`
}

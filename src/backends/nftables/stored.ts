import type { Result } from '../../base/result.ts'
import { fail } from '../../base/result.ts'
import type { Table } from '../../ruleset/ruleset.ts'
import { utf8Length } from './names.ts'
import { formatTextError, readText } from './read-text.ts'
import { renderTable } from './render.ts'

/** The SHA-256 of a text's UTF-8 in lower-case hex. The core has no cryptography: whoever calls brings it. */
export type Sha256 = (text: string) => string

export interface StoredError {
  /** `foreign`: not admit's; `torn`: cut short; `edited`: changed by hand; `newer`: of a version to come. */
  readonly kind: 'foreign' | 'torn' | 'edited' | 'newer'
  readonly message: string
}

const VERSION = 1

/** The stored rules: a table as nft's text, loadable as it is, under a comment line that tells whether it is whole. */
export function renderStored(table: Table, sha256: Sha256): string {
  const body = renderTable(table)
  return `# admit rules, version ${VERSION}, sha256 ${sha256(body)}, ${utf8Length(body)} bytes\n${body}`
}

/** Reads stored rules back; `file` is named in the errors. Anything but what `renderStored` wrote is refused. */
export function readStored(text: string, file: string, sha256: Sha256): Result<Table, StoredError> {
  const header = /^# admit rules, version (\d{1,4}), sha256 ([0-9a-f]{64}), (\d{1,12}) bytes\n/.exec(text)
  if (header === null) {
    return text === '' || '# admit rules, version '.startsWith(text.slice(0, 23))
      ? refuse('torn', `${file} is cut short: it has no whole first line`)
      : refuse('foreign', `${file} was not written by admit: its first line is not admit's`)
  }
  const [line, version, wanted, length] = header
  if (Number(version) !== VERSION) {
    return refuse('newer', `${file} is of version ${version}; this admit reads version ${VERSION}`)
  }
  const body = text.slice(line.length)
  const bytes = utf8Length(body)
  if (bytes < Number(length)) {
    return refuse('torn', `${file} is cut short: ${bytes} of ${length} bytes are there`)
  }
  if (sha256(body) !== wanted) {
    return refuse(
      'edited',
      `${file} was changed since admit wrote it: change the policy instead, then \`admit apply\``,
    )
  }
  const table = readText(body)
  return table.ok
    ? table
    : refuse('edited', formatTextError(file, { ...table.error, line: table.error.line + 1 }))
}

function refuse(kind: StoredError['kind'], message: string): Result<never, StoredError> {
  return fail({ kind, message })
}

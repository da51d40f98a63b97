import { DEVICE_CODES } from './codes/device-codes.ts'
import { HOST_CODES } from './codes/host-codes.ts'
import { LANGUAGE_CODES } from './codes/language-codes.ts'
import type { CodePage } from './codes/page.ts'
import { REACH_CODES } from './codes/reach-codes.ts'
import { YAML_CODES } from './codes/yaml-codes.ts'

/** Every diagnostic of the policy language, with its page. */
export const CODES = { ...YAML_CODES, ...LANGUAGE_CODES, ...DEVICE_CODES, ...REACH_CODES, ...HOST_CODES }

export type DiagnosticCode = keyof typeof CODES

const CHAPTERS: readonly (readonly [title: string, codes: { readonly [code: string]: CodePage }])[] = [
  ['The text', YAML_CODES],
  ['Keys and values', LANGUAGE_CODES],
  ['Devices', DEVICE_CODES],
  ['Groups, services, grants, safety, tests', REACH_CODES],
  ['Beside the host', HOST_CODES],
]

/** The page of a code as plain text, for `admit help CODE`; undefined where there is no such code. */
export function codePage(code: string): string | undefined {
  const page = Object.hasOwn(CODES, code) ? CODES[code as DiagnosticCode] : undefined
  if (page === undefined) return undefined
  return `${code}: ${page.title}\n\n${page.means}\n\nWrong:\n\n${indent(page.wrong)}\nRight:\n\n${indent(page.right)}`
}

/** All pages as one Markdown document: docs/errors.md. */
export function errorsDocument(): string {
  const chapters = CHAPTERS.map(([title, codes]) => {
    const pages = Object.entries(codes).map(([code, page]) => markdownPage(code, page))
    return `## ${title}\n\n${pages.join('\n')}`
  })
  return `# Diagnostics\n\n${INTRODUCTION}\n\n${chapters.join('\n')}`
}

const INTRODUCTION = `Every problem that admit finds in a policy has a code. \`admit help CODE\` prints the page that stands here.
An error keeps a policy from being applied; a warning does not.

This page is generated from the table that the program uses: \`node script/write-docs.ts\`.`

function markdownPage(code: string, page: CodePage): string {
  const block = (text: string): string => `\`\`\`yaml fragment\n${shorten(text)}\`\`\`\n`
  return `### ${code}\n\n**${page.title}.** ${page.means}\n\nWrong:\n\n${block(page.wrong)}\nRight:\n\n${block(page.right)}`
}

function indent(text: string): string {
  return shorten(text).replace(/^(?=.)/gm, '    ')
}

/** Examples that are about length need not be shown in full. */
function shorten(text: string): string {
  return text.replace(/^.{161,}$/gm, (line) => `${line.slice(0, 100)}…`)
}

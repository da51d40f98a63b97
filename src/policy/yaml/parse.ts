import { parseFullYaml } from './full.ts'
import { MAX_PLAIN_LENGTH, parsePlainYaml } from './plain.ts'
import type { ParsedYaml, YamlProblem } from './tree.ts'

/** What the `yaml` package is given at most: half a megabyte of nothing but mistakes takes it four seconds. */
export const MAX_FULL_LENGTH = 512 * 1024

/**
 * Reads a YAML text into a tree, or says why not. An empty text has no root and no problem. Plainly written files,
 * as nearly all policies are, take the short way (measured: 10,000 devices in 0.1 s); the long one through the `yaml`
 * package takes everything else and finds the words for what is wrong. Where both can read a text they agree: a law.
 */
export function parseYaml(text: string): ParsedYaml {
  if (text.length > MAX_PLAIN_LENGTH) {
    return { root: undefined, problems: [tooLarge('the file is larger than 64 MiB', 0)] }
  }
  const plain = parsePlainYaml(text)
  if (plain.ok) return { root: plain.value, problems: [] }
  if (text.length > MAX_FULL_LENGTH) {
    const message =
      'in a file of more than 512 KiB admit reads plain YAML only, and here something else begins'
    return { root: undefined, problems: [tooLarge(message, plain.error)] }
  }
  return parseFullYaml(text)
}

function tooLarge(message: string, start: number): YamlProblem {
  const fix =
    'look for a mistake at or above this line; write every value on one line; or remove devices nobody needs'
  return { code: 'yaml-size', message, fix, start, end: start + 1 }
}

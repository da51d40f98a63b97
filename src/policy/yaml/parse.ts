import { parseFullYaml } from './full.ts'
import type { YamlNode, YamlProblem } from './tree.ts'

/** Reads a YAML text into a tree, or says why not. An empty text has no root and no problem. */
export function parseYaml(text: string): { root: YamlNode | undefined; problems: readonly YamlProblem[] } {
  return parseFullYaml(text)
}

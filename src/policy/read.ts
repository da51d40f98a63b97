import type { ReadOptions, ReadResult } from './read-tree.ts'
import { readTree } from './read-tree.ts'
import { parseYaml } from './yaml/parse.ts'

export type { ReadOptions, ReadResult } from './read-tree.ts'

/** Reads a policy text: all of its problems at once, and the policy where none of them is an error. */
export function readPolicy(text: string, options: ReadOptions): ReadResult {
  return readTree(text, parseYaml(text), options)
}

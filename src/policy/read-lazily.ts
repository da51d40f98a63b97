import type { ReadOptions, ReadResult } from './read-tree.ts'
import { readTree } from './read-tree.ts'
import { parsePlainYaml } from './yaml/plain.ts'

/**
 * The same as `readPolicy`, for the command line: the full YAML reader, whose loading takes longer than reading a
 * plain policy, is loaded only for a text that needs it.
 */
export async function readPolicyLazily(text: string, options: ReadOptions): Promise<ReadResult> {
  const plain = parsePlainYaml(text)
  if (plain.ok) return readTree(text, { root: plain.value, problems: [] }, options)
  const { readPolicy } = await import('./read.ts')
  return readPolicy(text, options)
}

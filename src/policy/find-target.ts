import { builtInService } from './built-in-services.ts'
import type { Policy, Target } from './policy.ts'
import { inlineService } from './services.ts'
import type { SystemServices } from './system-services.ts'

/**
 * What a word on the command line reaches: the policy's own service, a built-in one, the system's, `PORT/PROTO`, or
 * `everything`, in the language's order. Undefined for a word that stands for nothing.
 */
export function findTarget(
  word: string,
  policy: Policy | undefined,
  systemServices: SystemServices | undefined,
): Target | undefined {
  if (word === 'everything') return { kind: 'everything' }
  const own = policy?.services.find((service) => service.name === word)
  if (own !== undefined) return { kind: 'service', service: own }
  const parts = inlineService(word) ?? builtInService(word) ?? systemServices?.get(word)
  return parts === undefined ? undefined : { kind: 'service', service: { name: word, parts } }
}

/** Every word that `findTarget` knows by name, for suggestions. */
export function targetNames(
  policy: Policy | undefined,
  systemServices: SystemServices | undefined,
): readonly string[] {
  return [...(policy?.services.map((service) => service.name) ?? []), ...(systemServices?.keys() ?? [])]
}

import { PLAIN_PROTOCOLS } from '../net/protocol.ts'
import { BUILT_IN_NAMES, builtInService } from './built-in-services.ts'
import { formatServicePart, isPlainProtocol, parseInlineService } from './inline-service.ts'
import type { Placed, Service, ServicePart, Target } from './policy.ts'
import type { Reading } from './reading.ts'
import type { Named } from './shape.ts'
import type { SystemServices } from './system-services.ts'

/** Services inside services, at most so deep. */
const MAX_DEPTH = 8

/** Looks services up: the policy's own first, then the built-in ones, then the system's list. */
export interface ServiceBook {
  /** The policy's own services that could be resolved, in the order of the file. */
  readonly own: readonly Service[]
  /** What a word in `to`, `accept` or `refuse` stands for; reports and gives undefined where it stands for nothing. */
  target(word: Placed<string>): Target | undefined
}

type ServiceDraft = Named<readonly Placed<string>[]>

export function serviceBook(
  drafts: readonly ServiceDraft[],
  system: SystemServices | undefined,
  reading: Reading,
): ServiceBook {
  const byName = new Map(drafts.map((draft) => [draft.name, draft]))
  const done = new Map<string, readonly ServicePart[] | undefined>()
  const open: string[] = []

  function ownParts(draft: ServiceDraft): readonly ServicePart[] | undefined {
    if (done.has(draft.name)) return done.get(draft.name)
    open.push(draft.name)
    const parts: ServicePart[] = []
    let whole = draft.value !== undefined
    for (const word of draft.value ?? []) {
      const found = partsOf(word)
      if (found === undefined) whole = false
      else parts.push(...found)
    }
    open.pop()
    const result = whole ? withoutRepeats(parts) : undefined
    done.set(draft.name, result)
    return result
  }

  function partsOf(word: Placed<string>): readonly ServicePart[] | undefined {
    const text = word.value
    if (text.includes('/') || isPlainProtocol(text)) return inline(word)
    if (text === 'everything') {
      reading.error(
        'everything-in-service',
        word.place,
        'everything cannot be a part of a service',
        'write `to: everything` in the grant',
      )
      return undefined
    }
    const own = byName.get(text)
    if (own === undefined) return builtInService(text) ?? system?.get(text) ?? unknown(word)
    if (open.includes(text)) {
      const circle = [...open.slice(open.indexOf(text)), text].join(' → ')
      reading.error(
        'service-loop',
        word.place,
        `this service contains itself: ${circle}`,
        'remove one of these mentions; a port is written like 22/tcp',
      )
      return undefined
    }
    if (open.length >= MAX_DEPTH) {
      reading.error(
        'nested-too-deep',
        word.place,
        `services are nested deeper than ${MAX_DEPTH} levels`,
        'write the ports themselves',
      )
      return undefined
    }
    return ownParts(own)
  }

  function inline(word: Placed<string>): readonly ServicePart[] | undefined {
    const parsed = parseInlineService(word.value)
    if (parsed.ok) return parsed.value
    reading.error(parsed.error.code, word.place, parsed.error.message, parsed.error.fix)
    return undefined
  }

  function unknown(word: Placed<string>): readonly ServicePart[] | undefined {
    const text = word.value
    if (/^[0-9]/.test(text)) return inline(word)
    const known = [
      'everything',
      ...BUILT_IN_NAMES,
      ...byName.keys(),
      ...PLAIN_PROTOCOLS,
      ...(system?.keys() ?? []),
    ]
    const meant = mistakenService(text) ?? reading.suggest(text, known)
    const port = 'write the port, such as 8080/tcp'
    if (system === undefined && mistakenService(text) === undefined) {
      const message = `"${text}" is none of the services that this policy or admit knows, and this host has no list of them (/etc/services)`
      const or = meant === undefined ? '' : `; or did you mean ${meant}?`
      reading.error('no-service-list', word.place, message, `install the package netbase, or ${port}${or}`)
    } else {
      const fix = meant === undefined ? `define it under services:, or ${port}` : `did you mean ${meant}?`
      reading.error('unknown-service', word.place, `there is no service "${text}"`, fix)
    }
    return undefined
  }

  const own: Service[] = []
  for (const draft of drafts) {
    const parts = ownParts(draft)
    if (parts !== undefined) own.push({ name: draft.name, parts })
  }
  const targets = new Map<string, Target>()
  return {
    own,
    target(word) {
      if (word.value === 'everything') return { kind: 'everything' }
      const before = targets.get(word.value)
      if (before !== undefined) return before
      // A service that was not readable has been reported where it stands.
      if (done.has(word.value) && done.get(word.value) === undefined) return undefined
      const parts = partsOf(word)
      if (parts === undefined) return undefined
      const target: Target = { kind: 'service', service: { name: word.value, parts } }
      targets.set(word.value, target)
      return target
    },
  }
}

/** What people write for it elsewhere. */
function mistakenService(text: string): string | undefined {
  const elsewhere = new Map([
    ['icmp', 'ping'],
    ['icmpv6', 'ping'],
    ['icmp6', 'ping'],
    ['all', 'everything'],
    ['any', 'everything'],
    ['anything', 'everything'],
    ['*', 'everything'],
    ['domain', 'dns'],
  ])
  return elsewhere.get(text.toLowerCase())
}

function withoutRepeats(parts: readonly ServicePart[]): readonly ServicePart[] {
  const seen = new Set<string>()
  return parts.filter((part) => {
    const text = formatServicePart(part)
    if (seen.has(text)) return false
    seen.add(text)
    return true
  })
}

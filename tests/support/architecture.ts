/** Who may import whom: the order of the folders of src/, and the reasons. tests/architecture.test.ts holds src/ to it. */

/** A file's path from the checkout's root, and its text. */
export type SourceTree = ReadonlyMap<string, string>

/** The folders of src/ from the ground up: each may import from itself and from those before it. */
export const FOLDERS: readonly string[] = [
  'base',
  'net',
  'packet',
  'host',
  'ruleset',
  'policy',
  'compile',
  'analysis',
  'backends',
  'discovery',
  'kernel',
  'apply',
  'lab',
  'cli',
  'system',
]

/** Folders without effects: they compile with no Node types, so that an effect in them does not compile. */
export const CORE: readonly string[] = FOLDERS.slice(0, FOLDERS.indexOf('cli'))

/** Why a folder stands where it stands: told to whoever imports it from further down. */
const BECAUSE: Readonly<Record<string, string>> = {
  net: 'base knows no domain, so that every folder can use it',
  packet: 'an address or a port means the same in a policy, a rule and a packet',
  host: 'a packet is what the kernel sees, whatever host it arrives at',
  ruleset: 'facts about a host are read, never derived from rules',
  policy: 'the model of rules is the same for rules that no policy of ours made',
  compile:
    'the meaning of a policy is what the compiler is proven against, so it may not lean on the compiler',
  analysis: 'what judges the compiled rules must not take part in making them',
  backends:
    'the model, its compiler and its judges know no text format, so that a second backend changes none of them',
  discovery: 'rules are made and read without knowing who has been seen',
  kernel: 'what is pure is tested without any kernel, real or fake',
  apply: 'the port carries out one transaction and knows nothing of undo and confirmation',
  lab: 'an apply on a real host may not depend on the copy of it',
  cli: 'what the program does must not depend on how it is asked or what it prints',
  system: 'effects come in as arguments from main.ts, so that everything else runs in tests without them',
}

/** Edges that the order would allow and that are forbidden all the same. */
const FORBIDDEN: readonly { from: string; to: readonly string[]; because: string }[] = [
  {
    from: 'analysis',
    to: ['policy', 'compile'],
    because: "it must be able to judge any host's rules, also those that no policy of ours made",
  },
]

/** The packages that src/ may use, and the only folders that may name them. */
const PACKAGES: Readonly<Record<string, { in: readonly string[]; because: string }>> = {
  yaml: { in: ['policy'], because: 'what a policy file says is decided in one place' },
  commander: { in: ['cli'], because: 'nothing but the command line depends on how commands are parsed' },
}

/** Every import that the order of the folders forbids, as a sentence with the reason. */
export function forbiddenImports(tree: SourceTree): readonly string[] {
  const sources = [...tree].filter(([file]) => file.startsWith('src/') && !file.endsWith('.test.ts'))
  return sources.flatMap(([file, text]) =>
    importsOf(text).flatMap(({ name }) => {
      const reason = name.startsWith('.') ? edge(file, resolve(file, name)) : foreign(file, name)
      return reason === undefined ? [] : [`${file} may not import ${name}, because ${reason}`]
    }),
  )
}

/** Circles of imports that exist when the program runs, each as `a → b → a`; types may refer to each other. */
export function importCycles(tree: SourceTree): readonly string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    if (done.has(file)) return
    for (const { name, typeOnly } of importsOf(tree.get(file) ?? '')) {
      if (!typeOnly && name.startsWith('.')) visit(resolve(file, name), [...path, file])
    }
    done.add(file)
  }
  for (const file of tree.keys()) visit(file, [])
  return cycles
}

function edge(file: string, target: string): string | undefined {
  const from = folderOf(file)
  const to = folderOf(target)
  if (from === 'main.ts' || from === to) return undefined
  if (to === undefined) return 'src/ must run without the folders around it'
  if (to === 'main.ts') return 'main.ts wires the program together and is nobody’s part'
  const [low, high] = [FOLDERS.indexOf(from ?? ''), FOLDERS.indexOf(to)]
  if (low === -1) return `src/${from} has no place in the order of folders (tests/support/architecture.ts)`
  if (high === -1) return `src/${to} has no place in the order of folders (tests/support/architecture.ts)`
  if (high > low) return BECAUSE[to] ?? `${to} comes after ${from}`
  return FORBIDDEN.find((rule) => rule.from === from && rule.to.includes(to))?.because
}

function foreign(file: string, name: string): string | undefined {
  const from = folderOf(file) ?? ''
  if (name.startsWith('node:')) {
    return ['system', 'main.ts'].includes(from)
      ? undefined
      : 'only src/system and main.ts touch the machine: everything else runs in tests without it'
  }
  const known = PACKAGES[name]
  if (known === undefined) return 'it is not one of the packages that the program may depend on at run time'
  return known.in.includes(from) ? undefined : known.because
}

/** The folder of a file below src/, `main.ts` for that file, undefined for anything outside. */
function folderOf(file: string): string | undefined {
  return /^src\/([^/]+)/.exec(file)?.[1]
}

/** What a file imports. Biome keeps `import` and `export` at the start of a line, so that no parser is needed. */
function importsOf(text: string): readonly { readonly name: string; readonly typeOnly: boolean }[] {
  const statements = text.matchAll(/^(?:import|export)\b(\s+type\b)?(?:[^'"`;=()]*?\bfrom\b)?\s*'([^']+)'/gm)
  const calls = text.matchAll(/\bimport(\s*)\(\s*['"]([^'"]+)['"]/g)
  return [...statements, ...calls].map(([, type = '', name = '']) => ({
    name,
    typeOnly: type.includes('type'),
  }))
}

/** The path that a relative import of a file leads to. */
function resolve(file: string, name: string): string {
  const parts = file.split('/').slice(0, -1)
  for (const part of name.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/**
 * Adds to package-lock.json the packages for other platforms that npm left out because the registry in use does not
 * have them. `npm ci` compares the lock with what each package asks for and refuses a lock without them, also where
 * it would never install them. They are written with version, os and cpu, so they are skipped here; without
 * integrity, since nobody here has seen them. Run it after every `npm install` that changed the lock.
 */
import { readFileSync, writeFileSync } from 'node:fs'

interface LockedPackage {
  version?: string
  optional?: boolean
  dev?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

const LOCK = new URL('../package-lock.json', import.meta.url)
const OS: Readonly<Record<string, string>> = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  openharmony: 'openharmony',
  win32: 'win32',
  aix: 'aix',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  sunos: 'sunos',
  openbsd64: 'openbsd',
}
const CPU: readonly string[] = [
  'arm64',
  'arm',
  'x64',
  'ia32',
  'ppc64',
  'riscv64',
  's390x',
  'loong64',
  'mips64el',
  'wasm32',
]

const lock = JSON.parse(readFileSync(LOCK, 'utf8')) as { packages: Record<string, LockedPackage> }
for (const [path, locked] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
    if (isLocked(path, name)) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(locked.dev === true ? { dev: true } : {}),
      optional: true,
    }
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`)

function isLocked(path: string, name: string): boolean {
  return `${path}/node_modules/${name}` in lock.packages || `node_modules/${name}` in lock.packages
}

function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[-/]/)
  const os = words.map((word) => OS[word]).find((word) => word !== undefined)
  const cpu = CPU.find((candidate) => words.includes(candidate))
  if (os === undefined && cpu === undefined) throw new Error(`no platform in the name ${name}`)
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : undefined
  return {
    ...(os === undefined ? {} : { os: [os] }),
    cpu: [cpu ?? 'arm64'],
    ...(libc === undefined ? {} : { libc }),
  }
}

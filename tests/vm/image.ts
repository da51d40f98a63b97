/** What tests/vm/build-image made, and the checkout as a disk. */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { run } from '../support/run.ts'

const root = new URL('../../', import.meta.url).pathname
const cache = `${root}.cache/vm/`

/** Debian 12 (systemd 252, Linux 6.1) or, where ADMIT_VM_SUITE=trixie says so, Debian 13 (systemd 257, Linux 6.12). */
type Suite = 'bookworm' | 'trixie'

export const SUITE: Suite = process.env['ADMIT_VM_SUITE'] === 'trixie' ? 'trixie' : 'bookworm'

/** The folder of a suite's newest image; else why there is none. */
type Image =
  | { readonly kind: 'image'; readonly folder: string }
  | { readonly kind: 'none'; readonly reason: string; readonly tried: boolean }

function findImage(suite: Suite): Image {
  const known = existsSync(cache) ? readdirSync(cache) : []
  const name = known.find((file) => file.startsWith(`${suite}-`) && existsSync(`${cache}${file}/root.ext4`))
  if (name !== undefined) return { kind: 'image', folder: `${cache}${name}/` }
  const why = `${cache}why-not-${suite}`
  const tried = existsSync(why)
  return {
    kind: 'none',
    reason: tried ? readFileSync(why, 'utf8').trim() : 'tests/vm/build-image was not run',
    tried,
  }
}

/** The folder of SUITE's image; where there is none, a test of that name that says so: skipped, or failed in a CI that never tried. */
export function imageOrSay(name: string): string | undefined {
  const image = findImage(SUITE)
  if (image.kind === 'image') return image.folder
  test(name, (context) => {
    if (process.env['CI'] !== undefined && !image.tried) throw new Error(image.reason)
    context.skip(image.reason)
  })
  return undefined
}

/** What of the checkout a user's machine needs, and what the tests need on it. */
const PARTS = ['bin', 'src', 'packaging', 'script', 'package.json', 'tests/support', '.cache/node'] as const

/** Makes `FOLDER/checkout.ext4`: this checkout with its Node and run-time packages, as /opt/admit. 400 MB, most of it empty. */
export function makeCheckoutDisk(folder: string): string {
  const staged = `${folder}checkout`
  mkdirSync(staged)
  const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  const packages = Object.keys(dependencies).map((name) => `node_modules/${name}`)
  for (const part of [...PARTS, ...packages]) {
    // The links inside .cache/node are relative and stay true.
    cpSync(`${root}${part}`, `${staged}/${part}`, { recursive: true, verbatimSymlinks: true })
  }
  const disk = `${folder}checkout.ext4`
  const made = ['-q', '-t', 'ext4', '-L', 'checkout', '-E', 'root_owner=0:0', '-d', staged, disk, '400M']
  run('/usr/sbin/mke2fs', made)
  rmSync(staged, { recursive: true })
  return disk
}

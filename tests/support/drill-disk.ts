import { runCommand } from '../../src/system/command.ts'
import { requirePrivateNamespace } from './private-namespace.ts'

/** Bytes of a page: the smallest piece in which a tmpfs gives room. */
const PAGE = 4096

/** A small file system at a folder, whose room can be taken away. Mounted in this test's own namespace. */
export interface SmallDisk {
  /**
   * Leaves room for so many pages, and as many files and folders; with neither, it is full. Raising it from 0 until a command succeeds makes each of its writes fail in turn.
   */
  leave(room: { readonly pages?: number; readonly files?: number }): Promise<void>
  readOnly(yes: boolean): Promise<void>
  unmount(): Promise<void>
}

/** Mounts one over the folder, for its owner alone, with plenty of room to begin with. */
export async function mountSmallDisk(folder: string): Promise<SmallDisk> {
  requirePrivateNamespace()
  await mount('-t', 'tmpfs', '-o', 'size=1m,nr_inodes=1000,mode=0700', 'tmpfs', folder)
  return {
    leave: async ({ pages = 0, files = 0 }) => {
      const used = await usage(folder)
      const size = (used.pages + pages) * PAGE
      await mount('-o', `remount,rw,size=${size},nr_inodes=${used.files + files}`, folder)
    },
    readOnly: (yes) => mount('-o', `remount,${yes ? 'ro' : 'rw'}`, folder),
    unmount: () => ran('umount', '-l', folder),
  }
}

async function usage(folder: string): Promise<{ readonly pages: number; readonly files: number }> {
  const result = await runCommand('stat', ['-f', '-c', '%b %f %c %d %S', folder])
  const [blocks = 0, free = 0, inodes = 0, unused = 0, size = PAGE] =
    result.kind === 'ran' ? result.stdout.trim().split(' ').map(Number) : []
  return { pages: ((blocks - free) * size) / PAGE, files: inodes - unused }
}

function mount(...args: readonly string[]): Promise<void> {
  return ran('mount', ...args)
}

async function ran(program: string, ...args: readonly string[]): Promise<void> {
  const result = await runCommand(program, args)
  if (result.kind === 'ran' && result.code === 0) return
  throw new Error(`${program} ${args.join(' ')}: ${result.kind === 'ran' ? result.stderr : result.kind}`)
}

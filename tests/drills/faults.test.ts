/** The tools that make nft and the disk fail: each fault is shown to happen, and to be what its name says. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from '../../src/system/command.ts'
import { NftKernel } from '../../src/system/nft-kernel.ts'
import { readTextFile, writeTextFile } from '../../src/system/files.ts'
import { mountSmallDisk } from '../support/drill-disk.ts'
import type { FaultyDisk } from '../support/drill-fuse.ts'
import { mayMountFuse, mountFaultyDisk } from '../support/drill-fuse.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import type { NftFault } from '../support/drill-nft.ts'
import { NFT_FAULTS, NFT_LIES, nftStandIn, throughStandIn } from '../support/drill-nft.ts'
import { killQuietly } from '../support/drill-program.ts'

const TRANSACTION = `add table inet admit
add chain inet admit input { type filter hook input priority 0; policy accept; }
add set inet admit s { type ipv4_addr; }
add element inet admit s { 10.0.0.1, 10.0.0.2 }
add element inet admit s { 10.0.0.3 }
add rule inet admit input tcp dport 22 accept
add rule inet admit input ip saddr @s counter
`
const TABLE = `table inet admit {
	set s {
		type ipv4_addr
		elements = { 10.0.0.1, 10.0.0.2,
			     10.0.0.3 }
	}
	chain input {
		type filter hook input priority 0; policy accept;
		tcp dport 22 accept
		ip saddr @s counter
	}
}
`

/** What is in the kernel after a load at fault, and how it ended: exit code, `signal`, or `held`. */
const AFTER: Readonly<Record<NftFault, readonly [left: RegExp | '', end: number | 'signal' | 'held']>> = {
  fails: ['', 1],
  'fails having done it': [/10\.0\.0\.1[^]*accept\n[^]*counter/, 1],
  'is killed': ['', 'signal'],
  'is killed having done it': [/10\.0\.0\.1[^]*accept\n[^]*counter/, 'signal'],
  'never ends': ['', 'held'],
  'never ends having done it': [/10\.0\.0\.1[^]*accept\n[^]*counter/, 'held'],
  'does nothing and succeeds': ['', 0],
  'loses a rule': [/^(?![^]*dport)[^]*10\.0\.0\.1[^]*counter/, 0],
  'loses elements': [/^(?![^]*10\.0\.0\.1)[^]*10\.0\.0\.3[^]*accept\n[^]*counter/, 0],
  'lets everyone in': [/policy accept;\n\s*accept\n/, 0],
}

describe('nft at fault', { concurrency: 4 }, () => {
  for (const fault of NFT_FAULTS) {
    for (const [form, text] of Object.entries({ transaction: TRANSACTION, table: TABLE })) {
      test(`${fault}, given a ${form}`, async () => {
        await withLab(async (lab) => {
          const standIn = nftStandIn(lab.folder, { at: 2, fault })
          const file = join(lab.folder, 'text.nft')
          writeFileSync(file, text)
          // By name, as any program finds it; a text on standard input one time, in a file the other.
          const load = form === 'table' ? `nft -f '${file}'` : `nft -f - <'${file}'`
          const program = await lab.start([...standIn.before, 'sh', '-c', `nft list tables; ${load}`], {
            terminal: false,
          })
          const [left, end] = AFTER[fault]
          if (end === 'held') {
            await until(() => standIn.holds())
            killQuietly(program.pid, 'SIGKILL')
          }
          // A shell says 128 and more of a command that a signal ended; with `exec` for the last, none is left to say it.
          const code = await program.ended()
          assert.deepEqual(standIn.calls(), ['list tables', load.replaceAll(/^nft |'| <.*/g, '')])
          assert.ok(standIn.happened())
          if (typeof end === 'number') assert.equal(code, end, program.output())
          else assert.ok(code === undefined || code >= 128, `${code}`)
          const rules = await lab.run('nft', ['list', 'ruleset'])
          if (left === '') assert.equal(rules, '')
          else assert.match(rules, left)
        })
      })
    }
  }

  test('the lies are what exits 0', () => {
    assert.deepEqual(
      NFT_FAULTS.filter((fault) => AFTER[fault][1] === 0),
      NFT_LIES,
    )
  })

  test('a lie that finds nothing to leave out has not happened', async () => {
    await withLab(async (lab) => {
      const standIn = nftStandIn(lab.folder, { at: 1, fault: 'loses elements' })
      const [unshare = '', ...rest] = standIn.before
      await lab.run(unshare, [...rest, 'nft', '-f', '-'], 'add table inet admit\n')
      assert.ok(!standIn.happened())
      assert.match(await lab.run('nft', ['list', 'ruleset']), /admit/)
    })
  })

  test('only loads are counted where only they are asked for, and it serves in this process, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'admit-drill-'))
    const standIn = nftStandIn(folder, { at: 1, fault: 'fails', loadsOnly: true })
    const kernel = new NftKernel({ run: throughStandIn(runCommand, standIn) })
    assert.ok((await kernel.capabilities()).ok)
    const add = { table: { family: 'inet', name: 'drill' }, operations: [{ kind: 'add-table' }] } as const
    assert.ok((await kernel.check(add)).ok)
    const refused = await kernel.apply(add)
    assert.ok(!refused.ok && refused.error.kind === 'rejected')
    assert.ok((await kernel.apply(add)).ok)
    assert.equal(standIn.calls().length, 2)
    rmSync(folder, { recursive: true })
  })
})

describe('a disk', () => {
  test('without room for a page, for a file, or written at all', async () => {
    await withLab(async (lab) => {
      const disk = await mountSmallDisk(lab.state)
      const file = join(lab.state, 'file')
      const write = async (length: number): Promise<string> => {
        const result = await writeTextFile(file, 'x'.repeat(length))
        return result.ok ? 'written' : result.error.message.replace(/.*: /, '')
      }
      try {
        assert.equal(await write(10), 'written')
        await disk.leave({ pages: 2, files: 1 })
        assert.equal(await write(10), 'written')
        assert.equal(await write(8000), 'written')
        await disk.leave({ pages: 1, files: 1 })
        assert.equal(await write(8000), 'the disk is full')
        await disk.leave({ pages: 9 })
        assert.equal(await write(10), 'the disk is full')
        await disk.leave({ files: 9 })
        assert.equal(await write(10), 'the disk is full')
        await disk.readOnly(true)
        assert.equal(await write(10), 'the file system is mounted read-only')
        await disk.readOnly(false)
        await disk.leave({ pages: 9, files: 9 })
        assert.equal(await write(10), 'written')
      } finally {
        await disk.unmount()
      }
    })
  })
})

const noFuse = mayMountFuse()
  ? false
  : 'this user may not open /dev/fuse (modprobe fuse; chmod 666 /dev/fuse)'

describe('a disk by FUSE', { concurrency: 4, skip: noFuse }, () => {
  async function withDisk(work: (lab: DrillLab, disk: FaultyDisk) => Promise<void>): Promise<void> {
    await withLab(async (lab) => {
      const disk = await mountFaultyDisk(lab.state, join(lab.folder, 'disk'))
      try {
        await work(lab, disk)
      } finally {
        await disk.unmount()
      }
    })
  }

  test('is a folder like any other', async () => {
    await withDisk(async (lab, disk) => {
      const script = `cd '${lab.state}' && umask 077 && mkdir a && echo 1 >a/b && ln -s b a/link && mv -T a c && mkdir a &&
        mv -nT c a; [ -d c ] && echo 2 >>c/link && cat c/b && stat -c %a c c/b && ls c && cp c/b c/copy && : >c/b && sync c/b c &&
        flock lock wc -c c/b c/copy && rm c/copy && ! cat c/copy && touch -d @77 c/b && stat -c %Y c/b && ln c/b hard && rm -r c`
      const printed = await lab.run('sh', ['-c', script])
      assert.equal(printed, '1\n2\n700\n600\nb\nlink\n0 c/b\n4 c/copy\n4 total\n77\n')
      const renames = disk.operations().filter((operation) => operation.startsWith('rename'))
      assert.deepEqual(renames, ['rename a c'])
      assert.ok(disk.operations().includes('fsync c/b') && disk.operations().includes('fsyncdir c'))
    })
  })

  test('each step of writing a file can fail, once or for good, and leaves the old text or the new', async () => {
    await withDisk(async (lab, disk) => {
      const file = join(lab.state, 'file')
      for (const fault of ['EIO', 'ENOSPC from then on', 'EROFS from then on'] as const) {
        let at = 1
        for (; ; at++) {
          await disk.plan()
          assert.ok((await writeTextFile(file, 'old')).ok)
          await disk.plan(at, fault)
          const written = await writeTextFile(file, 'new')
          // The last step makes the rename last: it may fail when the new text is there.
          const text = await readTextFile(file)
          await disk.plan()
          assert.ok(text.ok)
          if (written.ok) break
          assert.equal(text.value, at < 6 ? 'old' : 'new', `step ${at}`)
          if (fault === 'EROFS from then on') assert.match(written.error.message, /read-only/)
        }
        assert.equal(at, 7)
      }
    })
  })

  test('a program stands still at a step while others go on, and is killed there before or after it is done', async () => {
    await withDisk(async (lab, disk) => {
      for (const [fault, done] of [
        ['hold before', false],
        ['hold after', true],
      ] as const) {
        await lab.run('sh', ['-c', `cd '${lab.state}' && rm -rf a && mkdir -p a/from b`])
        await disk.plan(1, fault)
        const program = await lab.start(['mv', '-T', join(lab.state, 'a/from'), join(lab.state, 'a/to')])
        await disk.untilHeld()
        assert.deepEqual(disk.operations(), ['rename a/from a/to'])
        await lab.run('sh', ['-c', `echo other >'${lab.state}/b/other'`])
        killQuietly(program.pid, 'SIGKILL')
        await disk.release('not-done')
        assert.equal(await program.ended(), undefined)
        assert.equal(existsSync(join(lab.folder, 'disk', 'a/to')), done)
      }
    })
  })

  test('a program that stood still goes on, or meets an error', async () => {
    await withDisk(async (lab, disk) => {
      for (const [how, status] of [
        ['go-on', 0],
        ['not-done', 1],
      ] as const) {
        await disk.plan(1, 'hold before')
        const program = await lab.start(['mkdir', join(lab.state, how)])
        await disk.untilHeld()
        assert.ok(disk.isHeld() && !program.isGone())
        await disk.release(how)
        assert.equal(await program.ended(), status)
      }
    })
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'not within ten seconds')
    await sleep(10)
  }
}

/**
 * The disk fails at each operation of apply, confirm, rollback, the watchdog's undo and the boot, once or from then on:
 * while it is out of order, and when it is well again, every admin can open SSH, no stranger can, and the rules are
 * exactly those of before or exactly those confirmed. admit says what was wrong, with the exit code that its page gives.
 * ADMIT_SEED repeats a sample, `--long` does all of them.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { GUARD } from '../../src/system/guard.ts'
import {
  beginConfirmed,
  digestOf,
  FORCE_BAD,
  POLICY_BAD,
  POLICY_GOOD,
  runAdmitIn,
  settled,
  writePolicy,
} from '../support/drill-admit.ts'
import { mountSmallDisk } from '../support/drill-disk.ts'
import type { Said } from '../support/drill-end.ts'
import { becomes, expectEnding, expectWords, NOTHING_SAID, powerCutAt } from '../support/drill-end.ts'
import type { DiskFault } from '../support/drill-fuse.ts'
import { mayMountFuse, mountFaultyDisk } from '../support/drill-fuse.ts'
import type { DrillLab } from '../support/drill-lab.ts'
import { withLab } from '../support/drill-lab.ts'
import { expectSafe } from '../support/drill-reach.ts'
import { sampleOf } from '../support/drill-sample.ts'

interface Scene {
  /** Brings the host where the disk begins to fail. */
  readonly prepare: (lab: DrillLab) => Promise<void>
  /** What is done on the failing disk, until the rules are no more going to change. */
  readonly act: (lab: DrillLab, before: string) => Promise<Said>
  /** Exit codes that it may end with. */
  readonly exits: readonly number[]
  /** May the change be kept in the end? */
  readonly mayKeep: boolean
}

const SCENES: Readonly<Record<string, Scene>> = {
  // It would lock everybody out: that it is gone shows by packets.
  apply: {
    prepare: async (lab) => writePolicy(lab, POLICY_BAD),
    act: async (lab, before) => {
      const said = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD])
      await becomes(lab, before)
      return said
    },
    exits: [0, 4, 5],
    mayKeep: false,
  },
  'apply --no-confirm': {
    prepare: async (lab) => writePolicy(lab, POLICY_GOOD),
    act: (lab) => runAdmitIn(lab, ['apply', '--no-confirm']),
    exits: [0, 4, 5],
    mayKeep: true,
  },
  confirm: {
    prepare: (lab) => pending(lab, POLICY_GOOD, []),
    act: (lab) => runAdmitIn(lab, ['confirm', '--here']),
    exits: [0, 4, 5],
    mayKeep: true,
  },
  rollback: {
    prepare: (lab) => pending(lab, POLICY_BAD, FORCE_BAD),
    act: (lab) => runAdmitIn(lab, ['rollback']),
    exits: [0, 4, 5],
    mayKeep: false,
  },
  'the undo at the deadline': {
    prepare: async (lab) => {
      writePolicy(lab, POLICY_BAD)
      // Long enough for a slow machine: the disk is to fail before the deadline.
      const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', '10s', ...FORCE_BAD])
      assert.equal(exit, 0, output)
    },
    act: async (lab, before) => {
      await becomes(lab, before)
      // What the undo has to write comes after the rules; on a failing disk it may stay for good.
      await settled(lab, 5_000)
      return NOTHING_SAID
    },
    exits: [0],
    mayKeep: false,
  },
  boot: {
    prepare: async (lab) => {
      await pending(lab, POLICY_BAD, FORCE_BAD)
      await lab.reboot()
    },
    act: async (lab, before) => {
      const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
      const exit = await program.ended(60_000)
      await becomes(lab, before)
      return { exit, output: program.output() }
    },
    exits: [0],
    mayKeep: false,
  },
  'boot with a confirmation half written': {
    prepare: async (lab) => {
      await powerCutAt(lab, 'confirming')
    },
    act: async (lab) => {
      const program = await lab.start(['/bin/sh', GUARD, 'boot', lab.state], { terminal: false })
      return { exit: await program.ended(60_000), output: program.output() }
    },
    exits: [0],
    mayKeep: true,
  },
}

const FAULTS: readonly DiskFault[] = [
  'EIO',
  'EIO from then on',
  'ENOSPC',
  'ENOSPC from then on',
  'EROFS',
  'EROFS from then on',
]

const withoutFuse = mayMountFuse()
  ? false
  : 'this user may not open /dev/fuse (modprobe fuse; chmod 666 /dev/fuse)'

/** The operations of each scene, as they come where none fails. */
const operations = withoutFuse === false ? await listAll() : new Map<string, readonly string[]>()
const drills = [...operations].flatMap(([name, list]) =>
  list.flatMap((operation, index) => FAULTS.map((fault) => ({ name, at: index + 1, fault, operation }))),
)
const sample = sampleOf(drills, 10, 24)

describe(`a disk that fails: ${sample.words}`, { concurrency: 3, skip: withoutFuse }, () => {
  const started = performance.now()
  let left = sample.drills.length
  for (const { name, at, fault, operation } of sample.drills) {
    test(`${name}: ${fault} at operation ${at}, ${operation}`, async (context) => {
      await failingDisk(name, at, fault)
      if (--left === 0) {
        const all = [...operations].map(([scene, list]) => `${scene} ${list.length}`).join(', ')
        context.diagnostic(
          `${sample.words}, ${((performance.now() - started) / 1000).toFixed(0)} s; operations: ${all}`,
        )
      }
    })
  }
})

test('every scene has operations that can fail', { skip: withoutFuse }, () => {
  for (const [name, list] of operations) assert.ok(list.length >= 3, name)
  assert.deepEqual([...operations.keys()].toSorted(), Object.keys(SCENES).toSorted())
})

async function failingDisk(name: string, at: number, fault: DiskFault): Promise<void> {
  const scene = sceneOf(name)
  await withLab(async (lab) => {
    const disk = await mountFaultyDisk(lab.state, join(lab.folder, 'disk'))
    try {
      await beginConfirmed(lab)
      const before = await digestOf(lab)
      await scene.prepare(lab)
      await disk.plan(at, fault)
      const said = await scene.act(lab, before)
      await expectSafe(lab, 'while the disk fails')
      await disk.plan()
      assert.ok(said.exit !== undefined && scene.exits.includes(said.exit), `${said.exit}: ${said.output}`)
      expectWords(said)
      await expectEnding(lab, { before, mayKeep: scene.mayKeep, said })
    } finally {
      await disk.unmount()
    }
  })
}

async function listAll(): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>()
  for (const [name, scene] of Object.entries(SCENES)) {
    await withLab(async (lab) => {
      const disk = await mountFaultyDisk(lab.state, join(lab.folder, 'disk'))
      try {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        await scene.prepare(lab)
        await disk.plan()
        await scene.act(lab, before)
        found.set(name, [...disk.operations()])
      } finally {
        await disk.unmount()
      }
    })
  }
  return found
}

function sceneOf(name: string): Scene {
  const scene = SCENES[name]
  assert.ok(scene !== undefined, name)
  return scene
}

/** A change waits for its confirmation, for as long as a slow machine may need. */
async function pending(lab: DrillLab, policy: string, force: readonly string[]): Promise<void> {
  writePolicy(lab, policy)
  const { exit, output } = await runAdmitIn(lab, ['apply', '--confirm-within', '60s', ...force])
  assert.equal(exit, 0, output)
}

{
  const states: Readonly<
    Record<string, (disk: Awaited<ReturnType<typeof mountSmallDisk>>) => Promise<void>>
  > = {
    full: (disk) => disk.leave({}),
    'room for names only': (disk) => disk.leave({ files: 100 }),
    'room for contents only': (disk) => disk.leave({ pages: 100 }),
    'room for two pages and three names': (disk) => disk.leave({ pages: 2, files: 3 }),
    'read-only': (disk) => disk.readOnly(true),
  }
  const all = Object.entries(states).flatMap(([state, put]) =>
    Object.keys(SCENES).map((name) => ({ state, put, name })),
  )
  const some = sampleOf(all, 4, 12)
  describe(`a full disk, and one that is mounted read-only: ${some.words}`, { concurrency: 3 }, () => {
    for (const { state, put, name } of some.drills) {
      test(`${state}: ${name}`, async () => {
        const scene = sceneOf(name)
        await withLab(async (lab) => {
          const disk = await mountSmallDisk(lab.state)
          try {
            await beginConfirmed(lab)
            const before = await digestOf(lab)
            await scene.prepare(lab)
            await put(disk)
            const said = await scene.act(lab, before)
            await expectSafe(lab, state)
            await disk.readOnly(false)
            await disk.leave({ pages: 100, files: 100 })
            assert.ok(said.exit !== undefined && scene.exits.includes(said.exit), said.output)
            expectWords(said)
            await expectEnding(lab, { before, mayKeep: scene.mayKeep, said })
          } finally {
            await disk.unmount()
          }
        })
      })
    }
  })
}

describe('an apply on a disk without room', () => {
  test('changes nothing, and says why', async () => {
    await withLab(async (lab) => {
      const disk = await mountSmallDisk(lab.state)
      try {
        await beginConfirmed(lab)
        const before = await digestOf(lab)
        writePolicy(lab, POLICY_BAD)
        await disk.leave({})
        const full = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD])
        assert.equal(full.exit, 4, full.output)
        assert.match(full.output, /the disk is full/)
        await disk.readOnly(true)
        const readOnly = await runAdmitIn(lab, ['apply', '--confirm-within', '1s', ...FORCE_BAD])
        assert.equal(readOnly.exit, 4, readOnly.output)
        assert.match(readOnly.output, /read-only/)
        assert.equal(await digestOf(lab), before)
        assert.ok(!existsSync(join(lab.state, 'pending')))
      } finally {
        await disk.unmount()
      }
    })
  })
})

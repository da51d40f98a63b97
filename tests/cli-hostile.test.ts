import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { renderTable } from '../src/backends/nftables/render.ts'
import { ADMIT_TABLE, compile } from '../src/compile/compile.ts'
import type { HostFacts } from '../src/host/host-facts.ts'
import { UNKNOWN_HOST } from '../src/host/host-facts.ts'
import { parseInterfaceName } from '../src/net/interface-name.ts'
import { FakeKernel } from '../src/kernel/fake-kernel.ts'
import { readPolicy } from '../src/policy/read.ts'
import { renderDiagnostics } from '../src/policy/render-diagnostic.ts'
import { oneOf, verdict } from '../src/ruleset/build.ts'
import type { Table } from '../src/ruleset/ruleset.ts'
import { anyText } from './support/any-text.ts'
import { expectOk } from './support/expect-ok.ts'
import { fakeMachine, runAdmit } from './support/fake-system.ts'
import { HOSTILE, isHarmless } from './support/hostile.ts'
import { SAMPLE_HOST } from './support/sample-host.ts'

const NOW = 1_800_000_000
const PATH = '/etc/admit/policy.yaml'

/** In YAML's double quotes everything can be written that JSON can; control characters beyond ASCII too must be escaped. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

function policyText(parts: {
  readonly note?: string
  readonly device?: string
  readonly group?: string
  readonly service?: string
  readonly from?: string
  readonly on?: string
}): string {
  const device = parts.device ?? 'laptop'
  const note = parts.note === undefined ? '' : `, note: ${parts.note}`
  const on = parts.on === undefined ? '' : `, on: ${parts.on}`
  return `admit: 1
safety: { admins: 0 }
devices:
  ${device}: { mac: 00:16:3e:00:00:01${note} }
  guest: { mac: 00:16:3e:00:00:02, until: 2027-02-01T00:00:00Z${note} }
groups:
  ${parts.group ?? 'family'}: [${device}, guest]
services:
  ${parts.service ?? 'panel'}: 8080/tcp
grants:
  - { from: ${parts.from ?? parts.group ?? 'family'}, to: [ssh, ${parts.service ?? 'panel'}]${on} }
`
}

const read = (text: string): ReturnType<typeof readPolicy> =>
  readPolicy(text, { systemServices: undefined, now: NOW })

function tableOf(text: string): Table {
  const { policy, diagnostics } = read(text)
  assert.ok(policy !== undefined, JSON.stringify(diagnostics))
  return compile(policy, UNKNOWN_HOST, { now: NOW })
}

const COMMANDS: readonly (readonly string[])[] = [
  ['check'],
  ['show'],
  ['plan'],
  ['explain', '--from', 'laptop', '--to', 'ssh'],
  ['apply'],
  ['plan'],
  ['status'],
  ['confirm'],
  ['confirm', '--here'],
  ['save'],
  ['history'],
  ['history', '1'],
  ['history', '1', '--text'],
  ['history', '1', '--diff'],
  ['stop', '--open', '--no-confirm'],
  ['start'],
  ['rollback'],
  ['lab'],
  ['init', '--force', '--yes', '--policy', '/new'],
  ['whoami'],
  ['stop', '--open'],
  ['rollback'],
]

interface Stage {
  readonly facts?: HostFacts
  readonly kernel?: FakeKernel
  readonly commands?: readonly (readonly string[])[]
}

/** Nothing that any command prints about this policy on this host is obeyed by a terminal. */
async function expectHarmless(text: string, stage: Stage = {}): Promise<void> {
  const { facts = SAMPLE_HOST, kernel = new FakeKernel(), commands = COMMANDS } = stage
  const machine = fakeMachine({ facts, kernel, notes: HOSTILE })
  machine.files.set(PATH, text)
  for (const args of commands) {
    for (const json of [[], ['--json']]) {
      const { out, err, exit } = await runAdmit(machine, [...args, ...json])
      assert.ok(isHarmless(out), `${args.join(' ')}: ${quoted(out)}`)
      assert.ok(isHarmless(err), `${args.join(' ')}: ${quoted(err)}`)
      assert.notEqual(exit, 70, err)
    }
  }
}

describe('a hostile note', () => {
  const plain = tableOf(policyText({}))

  for (const note of HOSTILE) {
    test(`changes no rule and moves no terminal: ${quoted(note.slice(0, 40))}`, async () => {
      const text = policyText({ note: quoted(note) })
      assert.deepEqual(tableOf(text), plain)
      assert.equal(renderTable(tableOf(text)), renderTable(plain))
      await expectHarmless(text)
    })
  }

  test('of any text', () => {
    const text = fc.oneof(anyText(200), fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(text, (note) => {
        const { policy, diagnostics } = read(policyText({ note: quoted(note) }))
        assert.ok(
          isHarmless(renderDiagnostics(diagnostics, { file: 'x', text: policyText({ note: quoted(note) }) })),
        )
        if (policy !== undefined) assert.deepEqual(compile(policy, UNKNOWN_HOST, { now: NOW }), plain)
      }),
    )
  })

  test('unquoted in the file', () => {
    for (const note of HOSTILE) {
      const text = policyText({ note })
      const { policy, diagnostics } = read(text)
      if (policy !== undefined) assert.deepEqual(compile(policy, UNKNOWN_HOST, { now: NOW }), plain)
      assert.ok(isHarmless(renderDiagnostics(diagnostics, { file: PATH, text })))
    }
  })
})

describe('a hostile name', () => {
  const places = ['device', 'group', 'service', 'from', 'on'] as const
  for (const name of HOSTILE.filter((candidate) => candidate !== '家\u0301族\u{1f4a9}')) {
    test(`is refused, and told without harm: ${quoted(name.slice(0, 40))}`, async () => {
      for (const place of places) {
        const text = policyText({ [place]: quoted(name) })
        const { policy, diagnostics } = read(text)
        // The kernel takes odder names for interfaces than the language takes for devices.
        const odd = place === 'on' && parseInterfaceName(name).ok
        assert.equal(policy !== undefined, odd, `${place} ${quoted(name)}`)
        assert.equal(
          diagnostics.some((diagnostic) => diagnostic.severity === 'error'),
          !odd,
        )
        assert.ok(isHarmless(renderDiagnostics(diagnostics, { file: PATH, text })))
        await expectHarmless(text, { commands: [['check'], ['apply']] })
      }
    })
  }

  test('in any script is refused unless it is letters, digits, _ and -', () => {
    fc.assert(
      fc.property(anyText(12), (name) => {
        const { policy } = read(policyText({ device: quoted(name) }))
        if (policy !== undefined) assert.match(name, /^[\p{L}\p{N}\p{M}_-]+$/u)
      }),
      { numRuns: 1000 },
    )
  })

  test('as a key that nobody knows', () => {
    for (const name of HOSTILE) {
      const text = `admit: 1\n${quoted(name)}: 7\ndevices:\n  a: { ${quoted(name)}: ${quoted(name)}, mac: ${quoted(name)} }\n`
      const { policy, diagnostics } = read(text)
      assert.equal(policy, undefined)
      assert.ok(isHarmless(renderDiagnostics(diagnostics, { file: name, text })))
    }
  })
})

describe('a hostile host', () => {
  test('names of programs and firewalls reach the terminal harmlessly, and make no other policy', async () => {
    for (const word of HOSTILE) {
      const facts: HostFacts = {
        ...SAMPLE_HOST,
        listeners: [
          { protocol: 'tcp', port: 22, program: word },
          { protocol: 'udp', port: 9999, program: word },
        ],
        otherFirewalls: [{ name: word, evidence: word }],
      }
      await expectHarmless(policyText({}), { facts })
      const [caller] = SAMPLE_HOST.sshConnections
      const machine = fakeMachine({ facts, caller, answer: true })
      assert.equal((await runAdmit(machine, ['init'])).exit, 0)
      const written = machine.files.get(PATH) ?? ''
      assert.ok(isHarmless(written), quoted(written))
      const { policy, diagnostics } = read(written)
      assert.ok(policy !== undefined, `${JSON.stringify(diagnostics)}\n${written}`)
    }
  })

  test('rules with hostile comments, put into our table by another hand', async () => {
    for (const word of HOSTILE) {
      const foreign: Table = {
        ...ADMIT_TABLE,
        sets: [],
        chains: [
          {
            name: 'input',
            rules: [{ statements: [oneOf('iifname', ['eth9']), verdict('accept')], comment: word }],
          },
        ],
      }
      const kernel = new FakeKernel([foreign])
      await expectHarmless(policyText({}), {
        kernel,
        commands: [...COMMANDS, ['stop', '--open', '--no-confirm']],
      })
      assert.equal(expectOk(await kernel.observe(ADMIT_TABLE), 'observe'), undefined)
    }
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUILT_IN_NAMES, builtInService } from './built-in-services.ts'
import type { ServicePart } from './policy.ts'
import { readPolicy } from './read.ts'
import { formatServicePart } from './inline-service.ts'
import { parseSystemServices } from './system-services.ts'

const LIST = `# a list
ssh\t\t2022/tcp   # not the usual port
smtp\t\t25/tcp\t\tmail
sip             5060/tcp
sip             5060/udp
rpc2portmap\t369/tcp
ddp  1/ddp
broken
zero 0/tcp
z39.50 210/tcp
`

/** The parts that a word in a grant stands for. */
function partsOf(word: string, services = ''): readonly string[] {
  const text = `admit: 1\nsafety: { admins: 0 }\n${services}grants: [{ from: anyone, to: "${word}" }]\n`
  const { policy, diagnostics } = readPolicy(text, { systemServices: parseSystemServices(LIST), now: 0 })
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  assert.deepEqual(errors, [])
  const target = policy?.grants[0]?.to[0]
  assert.ok(target?.kind === 'service')
  assert.equal(target.service.name, word)
  return target.service.parts.map((part: ServicePart) => formatServicePart(part))
}

const WORDS: readonly (readonly [word: string, parts: readonly string[], services?: string])[] = [
  ['8080/tcp', ['8080/tcp']],
  ['1-65535/udp', ['1-65535/udp']],
  ['132/sctp', ['132/sctp']],
  ['esp', ['esp']],
  ['gre', ['gre']],
  ['ping', ['ping']],
  ['ssh', ['22/tcp']],
  ['ssh', ['22222/tcp'], 'services: { ssh: 22222/tcp }\n'],
  ['smtp', ['25/tcp']],
  ['mail', ['25/tcp']],
  ['sip', ['5060/tcp', '5060/udp']],
  ['z39.50', ['210/tcp']],
  [
    'work',
    ['22/tcp', '443/tcp', '443/udp', '80/tcp'],
    'services: { work: [ssh, web], web: [https, 80/tcp, 443/tcp] }\n',
  ],
  ['3d', ['22/tcp'], 'services: { 3d: ssh }\n'],
]

for (const [word, parts, services] of WORDS) {
  test(`${word} ${services === undefined ? '' : `with ${services.trim()} `}stands for ${parts.join(', ')}`, () => {
    assert.deepEqual(partsOf(word, services), parts)
  })
}

test('every built-in service has parts, and a name from Object.prototype has none', () => {
  for (const name of BUILT_IN_NAMES) assert.ok((builtInService(name) ?? []).length > 0)
  assert.equal(builtInService('constructor'), undefined)
})

test('a system list gives names and aliases, and nothing for lines that are none', () => {
  const names = [...parseSystemServices(LIST).keys()]
  assert.deepEqual(names, ['ssh', 'smtp', 'mail', 'sip', 'rpc2portmap', 'z39.50'])
})

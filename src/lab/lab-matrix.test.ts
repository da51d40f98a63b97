import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byMac, device, grant, host, link, PING, policy, service } from '../../tests/kernel/lab-fixtures.ts'
import { judge } from '../policy/meaning.ts'
import { explainDifference, labMatrix } from './lab-matrix.ts'
import type { LabOutcome, LabProbe } from './lab-plan.ts'
import { displayWidth, matrixText } from './matrix-text.ts'
import { planLab } from './plan-lab.ts'

const SSH = service('ssh', '22/tcp')
const ONE = policy([device('ノート', [byMac('00:16:3e:00:00:01')])], [grant(['ノート'], [SSH, PING])])
const FACTS = host([link('eth0', 'physical', ['192.168.1.10/24'])])
const PLAN = planLab(ONE, FACTS, { now: 0, tun: false })

/** A report of a lab in which everything fares as meant, but what `but` says. */
function report(but: (probe: LabProbe) => LabOutcome | undefined = () => undefined) {
  const results = PLAN.probes.map((probe) => {
    const expected = judge(ONE, FACTS, probe.packet).verdict === 'admitted'
    return { probe: probe.id, expected, outcome: but(probe) ?? (expected ? 'admitted' : 'refused') } as const
  })
  return labMatrix(PLAN, results, 1.25)
}

const PLAIN = { unicode: true, width: 100, paint: (_: string, text: string): string => text }

describe('the matrix', () => {
  test('lines up, whatever script the names are in', () => {
    assert.equal(
      matrixText(report(), PLAIN),
      [
        'who               seen as            on    ping  ssh  port 40000',
        'ノート            00:16:3e:00:00:01  eth0  ●     ●    ○',
        'stranger          02:ad:17:00:00:01  eth0  ○     ○    ○',
        'this host itself  127.0.0.1          lo    ●     ●    ●',
        '',
        '● admitted   ○ refused',
        '16 real packets in 1.3 s: what was sent fared as explain says.',
      ].join('\n'),
    )
  })

  test('has plain marks where the terminal has no others, and more blocks where it is narrow', () => {
    assert.equal(
      matrixText(report(), { ...PLAIN, unicode: false, width: 50 }),
      [
        'who               seen as            on    ping',
        'ノート            00:16:3e:00:00:01  eth0  +',
        'stranger          02:ad:17:00:00:01  eth0  -',
        'this host itself  127.0.0.1          lo    +',
        '',
        'who               on    ssh  port 40000',
        'ノート            eth0  +    -',
        'stranger          eth0  -    -',
        'this host itself  lo    +    +',
        '',
        '+ admitted   - refused',
        '16 real packets in 1.3 s: what was sent fared as explain says.',
      ].join('\n'),
    )
  })

  test('shows got and expected where they differ, and the packet', () => {
    const open = report((probe) =>
      probe.caller === 'stranger0@eth0' && probe.port === 22 ? 'admitted' : undefined,
    )
    assert.match(matrixText(open, PLAIN), /^stranger .* ○ {5}●\/○ {2}○$/m)
    assert.match(
      matrixText(open, PLAIN),
      /x\/y got x, explain says y\n.*: 1 fared otherwise than explain says\.$/,
    )
    assert.deepEqual(open.differences.map(explainDifference), [
      'stranger (02:ad:17:00:00:01) on eth0: ssh, 22/tcp over IPv4, from 192.168.1.2 to 192.168.1.10: the packet was admitted, and explain says refused',
    ])
  })

  test('says of what could not be sent that nothing is known, and calls it no difference', () => {
    const broken = report((probe) => (probe.kind === 'ping' ? 'unreached' : undefined))
    assert.equal(broken.differences.length, 0)
    assert.equal(broken.unreached, 4)
    assert.match(matrixText(broken, PLAIN), /\? not reached even without rules\n.*\n4 of them got nowhere/)
  })
})

test('width counts what a terminal shows', () => {
  assert.equal(displayWidth('ノート'), 6)
  assert.equal(displayWidth('e\u0301té'), 3)
  assert.equal(displayWidth('●'), 1)
})

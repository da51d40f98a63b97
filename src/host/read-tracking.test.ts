import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { forgetQuestions, markQuestion, readFlowtables, readTracking } from './read-tracking.ts'

// The offloaded entries and the flowtables are written after the kernel's Documentation/networking/nf_flowtable.rst: the kernel
// that the tests run on has no flowtables. The other entries were recorded.
const LISTING = `tcp      6 431999 ESTABLISHED src=10.0.0.9 dst=10.0.0.2 sport=5050 dport=22 src=10.0.0.2 dst=10.0.0.9 sport=22 dport=5050 [ASSURED] mark=268435456 use=1
ipv6     10 udp      17 29 src=2001:db8::9 dst=2001:db8::2 sport=5353 dport=53 [UNREPLIED] src=2001:db8::2 dst=2001:db8::9 sport=53 dport=5353 mark=0 use=1
ipv4     2 tcp      6 9 CLOSE src=10.0.0.9 dst=10.0.0.2 sport=5051 dport=22 packets=7 bytes=600 src=10.0.0.2 dst=10.0.0.9 sport=22 dport=5051 packets=5 bytes=700 [ASSURED] mark=0 zone=0 use=2
tcp      6 src=10.0.0.9 dst=192.0.2.1 sport=5052 dport=8080 src=10.1.0.7 dst=10.0.0.9 sport=80 dport=5052 [OFFLOAD] mark=0 use=2
udp      17 src=10.0.0.9 dst=10.1.0.7 sport=5053 dport=443 src=10.1.0.7 dst=10.0.0.9 sport=443 dport=5053 [HW_OFFLOAD] mark=0 use=2
icmp     1 29 src=10.0.0.9 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.9 type=0 code=0 id=7 mark=0 use=1
`

describe('connection tracking', () => {
  test('entries of TCP and UDP, in each form of the listing', () => {
    const { value, notes } = readTracking(LISTING)
    assert.deepEqual(notes, [])
    assert.deepEqual(
      value.map(
        ({ protocol, original, reply, mark, offloaded }) =>
          `${protocol} ${original.source}:${original.sourcePort} ${reply.source}:${reply.sourcePort} ${mark} ${offloaded}`,
      ),
      [
        'tcp 10.0.0.9:5050 10.0.0.2:22 268435456 false',
        'udp 2001:db8::9:5353 2001:db8::2:53 0 false',
        'tcp 10.0.0.9:5051 10.0.0.2:22 0 false',
        'tcp 10.0.0.9:5052 10.1.0.7:80 0 true',
        'udp 10.0.0.9:5053 10.1.0.7:443 0 true',
      ],
    )
  })

  test('any text is read without a crash, and odd lines are a note', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.ok(readTracking(text) && readFlowtables(text))))
    assert.match(readTracking('tcp 6 nonsense\n').notes.join(), /1 line\(s\) could not be read/)
  })

  test('a client’s entries go at once, unless one of them is to stay', () => {
    const { value } = readTracking(LISTING)
    const [first, , second] = value
    assert.ok(first !== undefined && second !== undefined)
    const together = forgetQuestions([first, second], value)
    assert.deepEqual(
      together.map((args) => args.join(' ')),
      ['-D -f ipv4 -p tcp -s 10.0.0.9 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.9 --dport 22 --reply-port-src 22'],
    )
    const alone = forgetQuestions([first], value)
    assert.match(alone.map((args) => args.join(' ')).join(), /--sport 5050 --reply-port-dst 5050$/)
    assert.equal(alone.length, 1)
  })

  test('bits of a mark are set in exactly one entry', () => {
    const [first] = readTracking(LISTING).value
    assert.ok(first !== undefined)
    assert.match(
      markQuestion(first, 16).join(' '),
      /^-U -f ipv4 -p tcp .* --sport 5050 --reply-port-dst 5050 -m 16\/16$/,
    )
  })

  test('flowtables, with the table that each is in', () => {
    const text = `table inet fw {
	flowtable fast {
		hook ingress priority filter
		devices = { eth0, eth1 }
		flags offload
	}
}
table ip other {
	flowtable f {
		hook ingress priority filter + 1
	}
}
`
    assert.deepEqual(readFlowtables(text), ['inet fw fast', 'ip other f'])
    assert.deepEqual(readFlowtables('table inet admit {\n}\n'), [])
  })
})

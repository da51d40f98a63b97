import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { printable } from '../base/terminal.ts'
import { findGateways } from '../host/gateways.ts'
import type { HostFacts, SshConnection } from '../host/host-facts.ts'
import { UNKNOWN_HOST } from '../host/host-facts.ts'
import { readLinks } from '../host/read-links.ts'
import { listenersOf, readSockets } from '../host/read-sockets.ts'
import { readRouteAnswers, sshConnectionsOf } from '../host/ssh-connections.ts'
import { checkAgainstHost } from './against-host.ts'
import { firstPolicy } from './first-policy.ts'
import { readPolicy } from './read.ts'

const LINKS = [
  {
    ifname: 'eth0',
    link_type: 'ether',
    address: '00:16:3e:00:00:02',
    addr_info: [{ local: '192.0.2.2', prefixlen: 24, scope: 'global' }],
  },
  { ifname: 'wg0', link_type: 'none', linkinfo: { info_kind: 'wireguard' } },
  { dst: '192.0.2.7', dev: 'eth0', lladdr: '00:16:3e:00:00:07', state: ['REACHABLE'] },
  { dst: '192.0.2.8', dev: 'eth0', lladdr: '52:54:00:00:00:08', state: ['REACHABLE'] },
  { dst: '192.0.2.1', dev: 'eth0', lladdr: '00:16:3e:00:00:01', state: ['REACHABLE'] },
  { dst: 'default', gateway: '192.0.2.1', dev: 'eth0', flags: [] },
]
const LISTENERS = `
tcp LISTEN 0 9 0.0.0.0:22222 0.0.0.0:* users:(("sshd",pid=1,fd=3))
tcp LISTEN 0 9 *:80 *:* users:(("nginx",pid=2,fd=3))
tcp LISTEN 0 9 *:443 *:* users:(("nginx",pid=2,fd=4))
tcp LISTEN 0 9 127.0.0.1:631 0.0.0.0:* users:(("cupsd",pid=3,fd=4))
udp UNCONN 0 9 0.0.0.0%eth0:68 0.0.0.0:* users:(("dhclient",pid=4,fd=4))
udp UNCONN 0 9 0.0.0.0:41000 0.0.0.0:* users:(("resolver",pid=5,fd=4))`

/** A host with these interfaces and routes besides, as `ip -j` prints them. */
function host(more: readonly object[] = [], others: Partial<HostFacts> = {}): HostFacts {
  const { interfaces, neighbours, routes } = readLinks(JSON.stringify([...LINKS, ...more])).value
  return {
    ...UNKNOWN_HOST,
    interfaces,
    neighbours,
    gateways: findGateways(routes.nextHops, routes, neighbours, interfaces),
    listeners: listenersOf(readSockets(LISTENERS).value.listening),
    sshPorts: [22222],
    ...others,
  }
}

function caller(facts: HostFacts, remote: string, answer: object): SshConnection | undefined {
  const { established } = readSockets(`tcp ESTAB 0 0 192.0.2.2:22222 ${remote}`).value
  const answers = readRouteAnswers(JSON.stringify([answer])).value
  return sshConnectionsOf(established, answers, facts)[0]
}

const neighbour = (facts: HostFacts) => caller(facts, '192.0.2.7:5000', { dst: '192.0.2.7', dev: 'eth0' })
const faraway = (facts: HostFacts) =>
  caller(facts, '198.51.100.9:5000', { dst: '198.51.100.9', gateway: '192.0.2.1', dev: 'eth0' })

/** The first policy for a caller, and what reading it on this host says: nothing but the lack of a second admin. */
function writtenFor(facts: HostFacts, who: SshConnection | undefined) {
  const { text, warnings } = firstPolicy(facts, who)
  const { policy, diagnostics } = readPolicy(text, { systemServices: undefined, now: 0 })
  const seen = { ...facts, sshConnections: who === undefined ? [] : [who] }
  const against = policy === undefined ? [] : checkAgainstHost(policy, seen)
  const problems = [...diagnostics, ...against].map((one) => `${one.severity} ${one.code}`)
  const lines = text.split('\n')
  assert.ok(lines.length <= 61, `${lines.length} lines`)
  assert.ok(
    lines.every((line) => line.length <= 120),
    'long lines',
  )
  assert.equal(printable(text.replaceAll('\n', '')), text.replaceAll('\n', ''))
  assert.ok(warnings.every((warning) => printable(warning) === warning))
  return { text, policy, problems, warnings }
}

describe('who you are', () => {
  test('a neighbour is known by the MAC, and may do everything', () => {
    const facts = host()
    const { text, policy, problems, warnings } = writtenFor(facts, neighbour(facts))
    assert.deepEqual(problems, ['warning few-admins'])
    assert.deepEqual(warnings, [])
    assert.match(text, /# You: your SSH connection comes from 192\.0\.2\.7, a neighbour on eth0/)
    assert.match(text, /^ {2}me: \{ mac: 00:16:3e:00:00:07, admin: true \}$/m)
    assert.match(text, /^ {2}- \{ from: me, to: everything \}$/m)
    assert.equal(policy?.tests.length, 2)
  })

  test('through a gateway, by the address: the gateway has the only MAC that is seen', () => {
    const facts = host()
    const { text, problems, warnings } = writtenFor(facts, faraway(facts))
    assert.deepEqual(problems, ['warning few-admins'])
    assert.match(warnings.join('\n'), /you come through the gateway 192\.0\.2\.1 on eth0/)
    assert.match(text, /^ {2}me: \{ address: 198\.51\.100\.9, admin: true \}$/m)
    assert.match(text, /^ {2}- \{ from: me, to: \[ssh, ping\] \}$/m)
    assert.doesNotMatch(text, /00:16:3e:00:00:01/)
  })

  test('by IPv6 through a gateway, by the /64', () => {
    const facts = host()
    const answer = { dst: '2001:db8:7:8:1::9', gateway: 'fe80::1', dev: 'eth0' }
    const { text, problems } = writtenFor(facts, caller(facts, '[2001:db8:7:8:1::9]:5000', answer))
    assert.deepEqual(problems, ['warning few-admins'])
    assert.match(text, /^ {2}me: \{ address: "2001:db8:7:8::\/64", admin: true \}$/m)
  })

  test('a tunnel carries no MAC', () => {
    const facts = host()
    const { text, problems } = writtenFor(
      facts,
      caller(facts, '10.8.0.2:5000', { dst: '10.8.0.2', dev: 'wg0' }),
    )
    assert.deepEqual(problems, ['warning few-admins'])
    assert.match(text, /wg0 carries no MAC\s/)
    assert.match(text, /^ {2}me: \{ address: 10\.8\.0\.2, admin: true \}$/m)
  })

  test('a MAC that may change is said to', () => {
    const facts = host()
    const { warnings } = writtenFor(facts, caller(facts, '192.0.2.8:5000', { dst: '192.0.2.8', dev: 'eth0' }))
    assert.match(warnings.join(), /52:54:00:00:00:08: on a phone or laptop/)
  })

  for (const [title, remote, answer] of [
    ['at the console', undefined, {}],
    ['over a tunnel that ends on this host', '127.0.0.1:5000', { dst: '127.0.0.1', dev: 'lo' }],
    ['by ssh to oneself', '192.0.2.2:5000', { dst: '192.0.2.2', dev: 'eth0' }],
  ] as const) {
    test(`${title}, nobody is listed, and check says who is missing`, () => {
      const facts = host()
      const who = remote === undefined ? undefined : caller(facts, remote, answer)
      const { text, problems, warnings } = writtenFor(facts, who)
      assert.deepEqual(problems, ['warning few-admins', 'error too-few-admins'])
      assert.match(text, /FILL IN/)
      assert.match(warnings.join(), /until then `admit check` refuses it/)
      // What is filled in is enough.
      const filled = text
        .replace('# me: { mac: MAC-OF-YOUR-DEVICE', 'me: { mac: 00:16:3e:00:00:07')
        .replace('# - { from: me', '- { from: me')
      const read = readPolicy(filled, { systemServices: undefined, now: 0 })
      assert.deepEqual(
        read.diagnostics.map((one) => one.code),
        ['few-admins'],
      )
    })
  }
})

describe('what runs here', () => {
  test('services that would become closed are suggestions; what nobody else reaches is not', () => {
    const facts = host()
    const { text } = writtenFor(facts, neighbour(facts))
    assert.match(text, /^ {2}# - \{ from: anyone, to: \[80\/tcp, 443\/tcp\] \} {3}# nginx$/m)
    assert.doesNotMatch(text, /cupsd|631|dhclient|68\/udp|41000/)
    const open = text.replace('# - { from: anyone', '- { from: anyone')
    assert.equal(readPolicy(open, { systemServices: undefined, now: 0 }).policy?.grants.length, 2)
  })

  test('the port where sshd listens; several; none', () => {
    assert.match(writtenFor(host(), neighbour(host())).text, /^ {2}ssh: 22222\/tcp$/m)
    const two = writtenFor(host([], { sshPorts: [22, 22222] }), neighbour(host()))
    assert.match(two.text, /^ {2}ssh: \[22\/tcp, 22222\/tcp\]$/m)
    assert.deepEqual(two.problems, ['warning few-admins'])
    const none = writtenFor(host([], { sshPorts: [] }), neighbour(host()))
    assert.match(none.text, /^ {2}ssh: 22\/tcp$/m)
    assert.match(none.warnings.join(), /no SSH server was found/)
  })

  test('a host that forwards nothing drops; one that forwards keeps, with the reason', () => {
    assert.match(writtenFor(host(), neighbour(host())).text, /^ {2}forward: drop$/m)
    const router = writtenFor(host([], { forwarding: { ip: true, ip6: false } }), neighbour(host()))
    assert.match(router.text, /# Forwarding is left to others: this host forwards IPv4\./)
    assert.match(router.text, /^ {2}forward: keep$/m)
    assert.match(router.warnings.join(), /forward: keep, because this host forwards IPv4/)
  })

  const bridge = (name: string, local: string) => ({
    ifname: name,
    link_type: 'ether',
    address: '02:42:00:00:00:01',
    linkinfo: { info_kind: 'bridge' },
    addr_info: [{ local, prefixlen: 16, scope: 'global' }],
  })

  test('Docker: containers that use the host are not judged, others may be', () => {
    const docker = { otherFirewalls: [{ name: 'docker', evidence: 'chain DOCKER in table ip nat' }] }
    const container = { dst: '172.17.0.2', dev: 'docker0', lladdr: '02:42:ac:11:00:02', state: ['REACHABLE'] }
    const idle = host([bridge('docker0', '172.17.0.1'), container], docker)
    const quiet = writtenFor(idle, neighbour(idle))
    assert.match(quiet.text, /Docker is here \(chain DOCKER in table ip nat\)/)
    assert.match(quiet.text, /^ {2}# unguarded: \[docker0\]$/m)
    assert.doesNotMatch(quiet.text, /02:42:ac/)
    assert.deepEqual(quiet.problems, ['warning few-admins'])
    const proxy = { protocol: 'tcp', port: 8080, program: 'docker-proxy' } as const
    const busy = writtenFor({ ...idle, listeners: [...idle.listeners, proxy] }, neighbour(idle))
    assert.match(busy.text, /^ {2}unguarded: \[docker0\]$/m)
    assert.doesNotMatch(busy.text, /8080/)
    assert.match(busy.warnings.join(), /Containers on docker0 may reach every port/)
    assert.deepEqual(busy.problems, ['warning few-admins'])
  })

  test('machines of libvirt get DHCP and DNS from this host', () => {
    const facts = host([bridge('virbr0', '192.168.122.1')])
    const { text, problems } = writtenFor(facts, neighbour(facts))
    assert.match(text, /^ {2}- \{ from: anyone, to: \[dhcp, dns\], on: virbr0 \}$/m)
    assert.match(text, /it has bridges \(virbr0\)/)
    assert.deepEqual(problems, ['warning few-admins'])
  })

  test('other firewalls are named, those that only serve guests aside', () => {
    const otherFirewalls = [
      { name: 'docker', evidence: 'interface docker0' },
      { name: 'ufw', evidence: 'chain ufw-user-input in table ip filter' },
    ]
    const { warnings } = writtenFor(host([], { otherFirewalls }), neighbour(host()))
    assert.deepEqual(
      warnings.filter((warning) => /writes rules/.test(warning)).map((warning) => warning.split(' ')[0]),
      ['ufw'],
    )
  })
})

test('texts of the system cannot change the policy', () => {
  const evil = 'x\n  - { from: anyone, to: everything }\u0085\u2028\u001b[2J'
  const facts = host([], {
    listeners: [{ protocol: 'tcp', port: 99, program: evil }],
    otherFirewalls: [
      { name: evil, evidence: evil },
      { name: 'docker', evidence: evil },
    ],
  })
  const { policy, problems } = writtenFor(facts, neighbour(facts))
  assert.deepEqual(problems, ['warning few-admins'])
  assert.equal(policy?.grants.length, 1)
})

test('however much runs here, the text stays short', () => {
  const many = Array.from({ length: 200 }, (_, index) => index)
  const facts = host(
    many.map((index) => ({
      dst: `192.0.2.${index}`,
      dev: 'eth0',
      lladdr: `00:16:3e:00:01:${(index + 16).toString(16)}`,
      state: ['STALE'],
    })),
    { listeners: many.map((index) => ({ protocol: 'tcp', port: 1000 + index, program: `program${index}` })) },
  )
  assert.match(writtenFor(facts, neighbour(facts)).text, /and 190 more: `ss -tulnp` shows them/)
})

test('odd interface names are quoted', () => {
  const names = ['virbr0', 'a,b', 'null', '#x', "it's", '[y]', '&z']
  const otherFirewalls = [{ name: 'docker', evidence: 'interface docker0' }]
  const facts = host(
    names.map((ifname) => ({ ifname, link_type: 'ether', linkinfo: { info_kind: 'bridge' } })),
    { otherFirewalls },
  )
  assert.deepEqual(writtenFor(facts, neighbour(facts)).problems, ['warning few-admins'])
})

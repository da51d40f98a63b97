/** The facts that admit reads about a real host, built here: veth, bridge, tun, routes, listeners, SSH connections. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { HostFacts } from '../../src/host/host-facts.ts'
import type { CommandOutput, RunCommand } from '../../src/system/command.ts'
import { runCommand } from '../../src/system/command.ts'
import { readHostFacts } from '../../src/system/host-reader.ts'

/** This host, a router with a client behind it, and a machine on the bridge: network namespaces of their own. */
const SETUP = `
netns add router
netns add desk
link add wan0 type veth peer name far0 netns router
link add port0 type veth peer name far1 netns desk
-n router link set lo up
-n router link set far0 address 52:54:00:00:00:01
-n router link set far0 up
-n router address add 192.0.2.1/24 dev far0
-n router address add 198.51.100.9/32 dev lo
-n router neigh add 192.0.2.2 lladdr 52:54:00:00:00:02 dev far0
-n desk link set far1 address 02:00:00:00:00:07
-n desk link set far1 up
-n desk address add 10.2.0.7/24 dev far1
link add lan0 type bridge
link set port0 master lan0
link set wan0 address 52:54:00:00:00:02
link set wan0 up
link set port0 up
link set lan0 up
address add 192.0.2.2/24 dev wan0
address add 2001:db8:1::2/64 dev wan0 nodad
address add 10.2.0.1/24 dev lan0
route add default via 192.0.2.1
route add 10.50.0.0/16 nexthop via 192.0.2.3 nexthop via 192.0.2.4
route add 10.60.0.0/16 via inet6 fe80::1 dev wan0
route add 10.80.0.0/16 via 192.0.2.5 table 100
route add blackhole 10.81.0.0/16
nexthop add id 5 via 192.0.2.9 dev wan0
route add 10.70.0.0/16 nhid 5
-6 route add default via fe80::1 dev wan0
-6 route add 2001:db8:5::/48 nexthop via 2001:db8:1::1 dev wan0 nexthop via fe80::7 dev wan0
neigh add 192.0.2.1 lladdr 52:54:00:00:00:01 dev wan0
neigh add fe80::1 lladdr 52:54:00:00:00:01 dev wan0 router
neigh add 192.0.2.77 dev wan0 nud failed
`

const TUNNELS = `
tuntap add tun0 mode tun
tuntap add tap0 mode tap
link set tun0 up
`

/** Making a tun takes the device file, which root owns alone on some systems. */
const TUN_DENIED = cannotWrite('/dev/net/tun')

function cannotWrite(path: string): string | false {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch {
    return `this user may not open ${path}`
  }
}

const RULES = `
add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; }
add chain ip filter f2b-sshd
add table ip nat
add chain ip nat DOCKER
add table inet firewalld
add chain inet firewalld filter_INPUT
add table inet filter
add chain inet filter input { type filter hook input priority 0; }
add table inet admit
add chain inet admit input
`

/** A program with this name that runs these lines of JavaScript; it says `ready` when it listens. */
async function program(name: string, lines: string, netns?: string): Promise<ChildProcess> {
  const script = `const net = require('node:net'), dgram = require('node:dgram')
    process.title = ${JSON.stringify(name)}
    ${lines}`
  const inside = netns === undefined ? [] : ['ip', 'netns', 'exec', netns]
  const [command, ...args] = [...inside, process.execPath, '-e', script]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return child
}

const dial = (to: string, from: string) =>
  `net.connect({ port: 2222, host: '${to}', localAddress: '${from}' }, () => console.log('ready'))`

describe('the facts of a host', () => {
  const children: ChildProcess[] = []
  let facts: HostFacts
  let notes: readonly string[]

  before(async () => {
    assert.equal(process.env['ADMIT_NETNS'], 'private', 'run this with script/netns or script/test')
    const setup = TUN_DENIED === false ? SETUP + TUNNELS.trim() : SETUP
    for (const line of setup.trim().split('\n')) execFileSync('ip', line.split(' '))
    execFileSync('nft', ['-f', '-'], { input: RULES })
    writeFileSync('/proc/sys/net/ipv4/conf/lan0/forwarding', '1')
    children.push(
      await program(
        'sshd',
        `net.createServer().listen(2222, () => net.connect(2222, '192.0.2.2', () => console.log('ready')))`,
      ),
      await program(
        'sshd: me@pts/0',
        `net.createServer().listen(6010, '127.0.0.1', () => console.log('ready'))`,
      ),
      await program('ssh', dial('10.2.0.1', '10.2.0.7'), 'desk'),
      await program('ssh', dial('192.0.2.2', '198.51.100.9'), 'router'),
      await program(
        'webserver',
        `dgram.createSocket('udp6').bind(5353)
        net.createServer().listen(80, '0.0.0.0', () =>
          net.createServer().listen(443, '2001:db8:1::2', () => console.log('ready')))`,
      ),
    )
    ;({ facts, notes } = await readHostFacts(runCommand))
  })

  after(() => {
    for (const child of children) child.kill('SIGKILL')
  })

  test('nothing was left unread', () => {
    assert.deepEqual(notes, [])
  })

  test('interfaces: kind, Ethernet or not, MAC, master', () => {
    const of = (name: string) => facts.interfaces.find((link) => link.name === name)
    assert.deepEqual(
      facts.interfaces
        .filter((link) => link.kind !== 'tun')
        .map((link) => [link.name, link.kind, link.ethernet, link.up])
        .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      [
        ['lan0', 'bridge', true, true],
        ['lo', 'loopback', false, true],
        ['port0', 'veth', true, true],
        ['wan0', 'veth', true, true],
      ],
    )
    assert.equal(of('wan0')?.mac, '52:54:00:00:00:02')
    assert.equal(of('lo')?.mac, undefined)
    assert.deepEqual(of('port0')?.master, { name: 'lan0', kind: 'bridge' })
    assert.equal(of('wan0')?.master, undefined)
  })

  test('a tap has an Ethernet header, a tun has none', { skip: TUN_DENIED }, () => {
    const tunnels = facts.interfaces.filter((link) => link.kind === 'tun')
    assert.deepEqual(
      tunnels.map((link) => `${link.name} ${link.ethernet} ${link.mac !== undefined}`).toSorted(),
      ['tap0 true true', 'tun0 false false'],
    )
  })

  test('addresses of both families', () => {
    const wan = facts.interfaces.find((link) => link.name === 'wan0')
    assert.deepEqual(wan?.addresses.slice(0, 2), [
      { address: '192.0.2.2', prefix: 24, scope: 'global' },
      { address: '2001:db8:1::2', prefix: 64, scope: 'global' },
    ])
    assert.equal(wan?.addresses[2]?.scope, 'link')
  })

  test('gateways: the next hops of every table, family and notation, with their MAC where it is known', () => {
    assert.deepEqual(
      facts.gateways
        .map((gateway) => `${gateway.interface} ${gateway.address} ${gateway.mac ?? '?'}`)
        .toSorted(),
      [
        'wan0 192.0.2.1 52:54:00:00:00:01',
        'wan0 192.0.2.3 ?',
        'wan0 192.0.2.4 ?',
        'wan0 192.0.2.5 ?',
        'wan0 192.0.2.9 ?',
        'wan0 2001:db8:1::1 ?',
        'wan0 fe80::1 52:54:00:00:00:01',
        'wan0 fe80::7 ?',
      ],
    )
  })

  test('neighbours are those with a MAC', () => {
    assert.deepEqual(
      facts.neighbours.map((entry) => `${entry.interface} ${entry.address} ${entry.mac}`).toSorted(),
      [
        'lan0 10.2.0.7 02:00:00:00:00:07',
        'wan0 192.0.2.1 52:54:00:00:00:01',
        'wan0 fe80::1 52:54:00:00:00:01',
      ],
    )
  })

  test('listeners, with program names', () => {
    assert.deepEqual(
      facts.listeners
        .map((one) => `${one.port}/${one.protocol} ${one.address ?? '*'} ${one.program ?? '?'}`)
        .toSorted(),
      [
        '2222/tcp * sshd',
        '443/tcp 2001:db8:1::2 webserver',
        '5353/udp * webserver',
        '6010/tcp 127.0.0.1 sshd: me@pts/0',
        '80/tcp * webserver',
      ],
    )
  })

  test('SSH listens where its server does, not where a session forwards', () => {
    assert.deepEqual(facts.sshPorts, [2222])
  })

  test('SSH connections: from a neighbour, through a gateway, from this host itself', () => {
    assert.deepEqual(
      facts.sshConnections
        .map(({ remote, local, ...rest }) => ({ peer: remote.address, port: local.port, ...rest }))
        .toSorted((a, b) => (a.peer < b.peer ? -1 : 1)),
      [
        { peer: '10.2.0.7', port: 2222, interface: 'lan0', mac: '02:00:00:00:00:07' },
        { peer: '192.0.2.2', port: 2222, interface: 'lo' },
        { peer: '198.51.100.9', port: 2222, interface: 'wan0', gateway: '192.0.2.1' },
      ],
    )
  })

  test('forwarding of one interface is forwarding', () => {
    assert.deepEqual(facts.forwarding, { ip: true, ip6: false })
  })

  test('other firewalls, with the evidence; never admit itself', () => {
    assert.deepEqual(facts.otherFirewalls, [
      { name: 'docker', evidence: 'chain DOCKER in table ip nat' },
      { name: 'firewalld', evidence: 'table inet firewalld' },
      { name: 'fail2ban', evidence: 'chain f2b-sshd in table ip filter' },
      { name: 'nft table inet filter', evidence: 'chain input in table inet filter' },
    ])
  })

  test('only what is asked for is read', async () => {
    const commands: string[] = []
    const listen: RunCommand = (name, args, options) => {
      commands.push(name)
      return runCommand(name, args, options)
    }
    const { facts: links } = await readHostFacts(listen, [])
    assert.deepEqual(commands, ['ip'])
    assert.deepEqual([links.interfaces, links.gateways], [facts.interfaces, facts.gateways])
    assert.deepEqual([links.listeners, links.otherFirewalls], [[], []])
  })

  test('missing and silent tools are notes, not failures', async () => {
    const ran = {
      kind: 'ran',
      code: 1,
      signal: undefined,
      stdout: '',
      stderr: '',
      timedOut: false,
      truncated: false,
    }
    const answering =
      (output: object): RunCommand =>
      async () =>
        ({ ...ran, ...output }) as CommandOutput
    const missing: RunCommand = async (name) => ({ kind: 'missing', program: name })
    const nothing = await readHostFacts(missing)
    assert.deepEqual(nothing.facts.interfaces, [])
    assert.equal(nothing.notes.length, 3)
    assert.match(nothing.notes.join('\n'), /`nft -j list chains`: the program is not installed/)
    const cut = await readHostFacts(answering({ stdout: '[{"ifname":"e', timedOut: true }))
    assert.match(cut.notes.join('\n'), /no answer within 5 s/)
    const refused = await readHostFacts(answering({ stderr: 'no\nand no' }))
    assert.match(refused.notes.join('\n'), /`ss [^\n]*: no$/m)
  })
})

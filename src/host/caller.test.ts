import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { interfaceNamed, ip } from '../../tests/support/sample-host.ts'
import type { Ancestor } from './caller.ts'
import { callerPath, callerWords, isSshServer, multiplexerNamed, whoWords } from './caller.ts'
import type { SshConnection } from './host-facts.ts'
import type { SocketInode } from './socket-inodes.ts'

const socket = (inode: string, localPort: number, remote: string, remotePort: number): SocketInode => ({
  local: { address: ip('192.0.2.1'), port: localPort },
  remote: { address: ip(remote), port: remotePort },
  inode,
})
const OLD = socket('1', 22, '203.0.113.7', 50000)
const NEW = socket('2', 22, '203.0.113.7', 50001)
/** The same ports from another address: ports alone tell nobody apart. */
const OTHER = socket('3', 22, '203.0.113.8', 50001)
const FORWARDED = socket('4', 8080, '203.0.113.9', 40000)
const SOCKETS = [OTHER, OLD, NEW, FORWARDED]
const FACTS = { sshPorts: [22], sshConnections: [] }

const process = (name: string, ...sockets: readonly string[]): Ancestor => ({ name, sockets })
const told = (name: string, startedWith: string): Ancestor => ({ name, sockets: [], startedWith })
const SELF = process('node')
const SHELL = process('bash')
const INIT = process('systemd')

/** The path in one word and, over SSH, the inode's peer. */
function path(ancestors: readonly Ancestor[], facts = FACTS, sockets = SOCKETS): string {
  const found = callerPath(ancestors, sockets, facts)
  return `${found.kind} ${found.kind === 'multiplexer' ? found.program : callerWords(found)}`
}

describe('the path of the caller', () => {
  test('the SSH server above holds the connection, by address and port', () => {
    for (const name of ['sshd', 'sshd-session', 'dropbear']) {
      const chain = [SELF, process('sudo'), SHELL, process(name, '2'), process(name, '2'), INIT]
      assert.equal(path(chain), 'ssh 203.0.113.7 port 50001')
    }
  })

  test('with what is known about it, else its ends alone', () => {
    const known: SshConnection = { local: NEW.local, remote: NEW.remote, interface: interfaceNamed('eth0') }
    const found = (sshConnections: readonly SshConnection[]) =>
      callerPath([SELF, process('sshd', '2')], SOCKETS, { sshPorts: [22], sshConnections })
    assert.deepEqual(found([known]), { kind: 'ssh', connection: known })
    assert.deepEqual(found([]), { kind: 'ssh', connection: { local: NEW.local, remote: NEW.remote } })
  })

  test('the nearest server decides: an old session may have started another one by hand', () => {
    const chain = [SELF, process('sshd', '2'), process('sshd', '77'), SHELL, process('sshd', '1')]
    assert.equal(path(chain), 'ssh 203.0.113.7 port 50001')
  })

  test('a server forwards connections, and those are not its own', () => {
    assert.equal(path([SELF, process('sshd', '4', '1')]), 'ssh 203.0.113.7 port 50000')
    const unknownPorts = { ...FACTS, sshPorts: [] }
    const child = told('bash', '203.0.113.7 50000 192.0.2.1 22')
    assert.equal(path([SELF, child, process('sshd', '4', '1')], unknownPorts), 'ssh 203.0.113.7 port 50000')
    assert.equal(path([SELF, process('sshd', '1', '4')], unknownPorts), 'ssh 203.0.113.7 port 50000')
  })

  test('what the server told its child decides between several at the SSH port', () => {
    const child = told('bash', '203.0.113.7 50001 192.0.2.1 22')
    assert.equal(path([SELF, child, process('sshd', '1', '2')]), 'ssh 203.0.113.7 port 50001')
    assert.equal(path([SELF, SHELL, process('sshd', '1', '2')]), 'ssh 203.0.113.7 port 50000')
  })

  test('a server without a live connection here is no console', () => {
    assert.equal(path([SELF, SHELL, process('sshd', '9'), INIT]).split(' ')[0], 'ssh-unseen')
    assert.equal(path([SELF, SHELL, process('sshd'), INIT]).split(' ')[0], 'ssh-unseen')
  })

  test('a multiplexer', () => {
    assert.equal(path([SELF, SHELL, process('tmux: server'), INIT]), 'multiplexer tmux')
    assert.equal(path([SELF, SHELL, process('SCREEN'), INIT]), 'multiplexer screen')
    for (const name of ['screen', 'zellij', 'dtach', 'abduco', 'shpool']) {
      assert.equal(path([SELF, process(name), INIT]), `multiplexer ${name}`)
    }
    assert.equal(path([SELF, process('tmux: server'), SHELL, process('sshd')]), 'multiplexer tmux')
  })

  test('a multiplexer that still hangs below a connection is that connection', () => {
    const chain = [SELF, SHELL, process('screen'), process('screen'), SHELL, process('sshd', '1')]
    assert.equal(path(chain), 'ssh 203.0.113.7 port 50000')
  })

  test('anything else', () => {
    assert.equal(path([SELF, SHELL, process('login'), INIT]), 'unknown a console')
    assert.equal(path([SELF, SHELL, process('mosh-server'), INIT]), 'unknown a console')
    assert.equal(path([]), 'unknown a console')
    // No client of ssh, and nobody who only looks like one.
    assert.equal(path([SELF, SHELL, process('ssh', '1'), process('my-sshd', '1')]), 'unknown a console')
  })
})

test('names', () => {
  assert.equal(isSshServer('ssh'), false)
  assert.equal(isSshServer('sshd-auth'), false)
  assert.equal(multiplexerNamed('tmuxinator'), undefined)
})

describe('for the record', () => {
  test('where somebody sits', () => {
    assert.equal(
      callerWords({ kind: 'ssh', connection: { local: NEW.local, remote: NEW.remote } }),
      '203.0.113.7 port 50001',
    )
    assert.equal(callerWords({ kind: 'multiplexer', program: 'tmux' }), 'a tmux window')
    assert.equal(callerWords({ kind: 'unknown' }), 'a console')
    assert.match(callerWords({ kind: 'ssh-unseen' }), /^SSH/)
  })

  test('who acts', () => {
    assert.equal(whoWords('root', undefined), 'root')
    assert.equal(whoWords('root', 'root'), 'root')
    assert.equal(whoWords('root', 'alice'), 'root (alice)')
    assert.equal(whoWords('root', 'a\u001b[2Jb\n'), 'root (a\\u{1b}[2Jb\\u{a})')
    assert.equal(whoWords('root', 'x'.repeat(500)).length, 'root ()'.length + 64)
  })
})
